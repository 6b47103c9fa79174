"""Processes of a served home are killed at random moments, kind by kind; what comes out equals the undisturbed output.

The moments are drawn from `--chaos-seed`. One job scores rows from a generator, the next one files that its script
writes in pieces, so that kills come in the middle of both.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.fault_runs import left_overs
from tests.chaos.victims import KINDS, committed, is_published, recorded
from tests.support.processes import kill, wait_for_none
from tests.support.server_home import ServerHome

pytestmark = pytest.mark.timeout(900)  # A hung run fails by its own deadlines long before.

ITEMS = 400
MOST_KILLS_A_JOB = 15
# Five ends of a job's process without a commit between end the job, by rule 5.
MOST_KILLS_WITHOUT_COMMIT = 3

ROWS_SCRIPT = """
import os, time
def run(mini_batch, context):
    for k, path in enumerate(mini_batch):
        number = int(open(path).read())
        time.sleep((number * 7919 % 40) / 2000)
        if number % 61 == 0 and context.attempt == 1:
            raise RuntimeError("the first try always fails here")
        yield f"{os.path.basename(path)} {number * number}"
"""
FILES_SCRIPT = """
import os, time
def run(mini_batch):
    for path in mini_batch:
        number = int(open(path).read())
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], f"{number:04d}.txt"), "w") as out:
            for piece in str(number * number):
                out.write(piece)
                out.flush()
                time.sleep(0.002)
    return iter(mini_batch)
"""
ROWS = {"predictions.csv": b"".join(b"item-%04d.txt %d\n" % (k, k * k) for k in range(ITEMS))}
FILES = {f"{k:04d}.txt": str(k * k).encode() for k in range(ITEMS)}
SETTINGS = {
    "mini_batch_size": 4,
    "max_concurrency_per_instance": 2,
    "error_threshold": 0,
    "retry_settings": {"max_retries": 60, "timeout": 30},
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServerHome]:
    (tmp_path / "tmp").mkdir()
    home = ServerHome(tmp_path, variables={"TMPDIR": str(tmp_path / "tmp")})
    try:
        yield home
    finally:
        home.end()


def disturb(home: ServerHome, job: str, kind: str, chance: random.Random, *, most: int) -> int:
    """Kill processes of a kind at random moments until the job is final; give how many there were."""
    killed, done, fruitless, deadline = 0, 0, 0, time.monotonic() + 240
    while not is_published(home.home, job):
        assert time.monotonic() < deadline, f"not final after {killed} kills of {kind}"
        time.sleep(chance.uniform(0.02, 0.6))
        if not any("batchyard.bootstrap" in command for command in home.processes().values()):
            # Both halves were killed before one could restart the other: the next command starts them, as anybody's.
            home.run("server", "start", "-o", "none")
        victims = KINDS[kind](home.home, job) if kind in KINDS else sorted(home.processes())
        fruitless = 0 if committed(home.home, job) > done else fruitless
        if killed >= most or not victims or fruitless >= MOST_KILLS_WITHOUT_COMMIT:
            continue
        done = committed(home.home, job)
        if kill(chance.choice(victims)):
            killed, fruitless = killed + 1, fruitless + 1
    return killed


def check(home: ServerHome, job: str, expected: dict[str, bytes]) -> None:
    """What must be true after any job."""
    record = home.finish(job)
    assert record["status"] == "Completed", record
    counts = record["counts"]
    assert (counts["items"], counts["succeeded"], counts["failed"], counts["incomplete"]) == (ITEMS, ITEMS, 0, 0)
    files = {p.name: p.read_bytes() for p in home.output(job).iterdir() if p.name != "_manifest.json"}
    assert files.pop("_failed_items.jsonl") == b""
    assert files == expected
    deadline = time.monotonic() + 120
    while (left := [*left_overs(home.home, job), *recorded(home.home, job)]) and time.monotonic() < deadline:
        time.sleep(0.05)  # The engine may be tidying up after a process that was killed at its end.
    assert left == []


@pytest.mark.parametrize("kind", [*(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS), "any"])
def test_random_kills_lose_and_double_nothing(home: ServerHome, kind: str, chaos_seed: int, chaos_kills: int) -> None:
    chance, wanted, killed, jobs = random.Random(f"{chaos_seed} {kind}"), chaos_kills, 0, 0
    source = home.files("input", ITEMS)
    home.deploy("kills", "rows", ROWS_SCRIPT, **SETTINGS)
    home.deploy("kills", "files", FILES_SCRIPT, output_action="summary_only", **SETTINGS)
    while killed < wanted or jobs < 2:
        name, expected = (("rows", ROWS), ("files", FILES))[jobs % 2]
        job = home.invoke("kills", source, "--deployment-name", name)
        killed += disturb(home, job, kind, chance, most=min(MOST_KILLS_A_JOB, max(2, wanted - killed)))
        check(home, job, expected)
        jobs += 1
    home.run("server", "stop", "-o", "none")
    assert wait_for_none(home.home, within_s=60.0) == {}
    assert list((home.folder / "tmp").iterdir()) == []


def test_kills_of_a_job_that_is_paused_and_let_go_on_change_nothing(
    home: ServerHome, chaos_seed: int, is_full_chaos: bool
) -> None:
    chance, source = random.Random(f"{chaos_seed} pauses"), home.files("input", ITEMS)
    home.deploy("kills", "rows", ROWS_SCRIPT, **SETTINGS)
    for _ in range(5 if is_full_chaos else 1):
        job = home.invoke("kills", source)
        with ThreadPoolExecutor() as pool:
            pauses = pool.submit(pause_and_continue, home, job, random.Random(chance.random()))
            killed = disturb(home, job, "job", chance, most=6)
        assert pauses.result() and killed
        check(home, job, ROWS)


def pause_and_continue(home: ServerHome, job: str, chance: random.Random) -> int:
    """Pause the job and let it go on, three times; give how often it let itself be paused."""
    paused = 0
    for _ in range(3):
        time.sleep(chance.uniform(0.0, 0.6))
        paused += home.run("job", "pause", "-n", job, "-o", "none", exit_code=None).returncode == 0
        time.sleep(chance.uniform(0.0, 0.6))
        home.run("job", "continue", "-n", job, "-o", "none", exit_code=None)
    while not is_published(home.home, job):  # Until it is sure that none of them came too early.
        home.run("job", "continue", "-n", job, "-o", "none", exit_code=None)
    return paused
