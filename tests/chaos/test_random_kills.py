"""Any process of a served home is killed at random moments; what comes out equals the undisturbed output."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import kill, wait_for_none
from tests.support.server_home import ServerHome

ITEMS = 500
MOST_KILLS = 12

ROWS_SCRIPT = """
import os, time
def run(mini_batch, context):
    number = int(open(mini_batch[0]).read())
    time.sleep((number * 7919 % 40) / 2000)
    if number % 61 == 0 and context.attempt == 1:
        raise RuntimeError("the first try always fails here")
    return [f"{os.path.basename(mini_batch[0])} {number * number}"]
"""
FILES_SCRIPT = """
import os, time
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    time.sleep((number * 7919 % 40) / 2000)
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], f"{number:04d}.txt"), "w") as out:
        out.write(str(number * number))
    return [1]
"""
SETTINGS = {
    "mini_batch_size": 1,
    "max_concurrency_per_instance": 2,
    "error_threshold": 0,
    "retry_settings": {"max_retries": 20, "timeout": 10},
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path)
    try:
        yield home
    finally:
        home.end()


def disturb(home: ServerHome, job: str, chance: random.Random) -> list[str]:
    """Kill a process of the home again and again until the job is published; give what was killed."""
    manifest, killed = home.output(job) / "_manifest.json", list[str]()
    deadline = time.monotonic() + 90
    while not manifest.exists():
        assert time.monotonic() < deadline, f"not published after these kills: {killed}"
        time.sleep(chance.uniform(0.1, 0.9))
        running = sorted(home.processes().items())
        if not any("batchyard.bootstrap" in command for _, command in running):
            # Both halves were killed before one could restart the other: the next command starts them, as anybody's.
            home.run("server", "start", "-o", "none")
        elif len(killed) < MOST_KILLS and not manifest.exists():
            pid, command = chance.choice(running)
            if kill(pid):
                killed.append(command)
    return killed


def check(home: ServerHome, job: str) -> dict[str, bytes]:
    """What must be true after any job, and the files of its output without the manifest."""
    record = home.finish(job)
    assert record["status"] == "Completed"
    counts = record["counts"]
    assert (counts["items"], counts["succeeded"], counts["failed"], counts["incomplete"]) == (ITEMS, ITEMS, 0, 0)
    home.run("server", "stop", "-o", "none")
    assert wait_for_none(home.home, within_s=10) == {}
    assert list((home.home / "datastores").rglob(".*")) == []
    folder = home.output(job)
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "_manifest.json"}
    assert files.pop("_failed_items.jsonl") == b""
    return files


def test_random_kills_lose_and_double_no_row(home: ServerHome, rows_seed: int) -> None:
    source = home.files("input", ITEMS)
    home.deploy("kills", "one", ROWS_SCRIPT, **SETTINGS)
    job = home.invoke("kills", source)
    assert disturb(home, job, random.Random(rows_seed))
    expected = b"".join(b"item-%04d.txt %d\n" % (k, k * k) for k in range(ITEMS))
    assert check(home, job) == {"predictions.csv": expected}


def test_random_kills_lose_and_double_no_file_of_a_summary_only_job(home: ServerHome, files_seed: int) -> None:
    source = home.files("input", ITEMS)
    home.deploy("kills", "one", FILES_SCRIPT, output_action="summary_only", **SETTINGS)
    job = home.invoke("kills", source)
    assert disturb(home, job, random.Random(2026 + files_seed))
    assert check(home, job) == {f"{k:04d}.txt": str(k * k).encode() for k in range(ITEMS)}
