"""Killed anywhere while it is taken up again, a job ends as if nothing had happened, and scores nothing twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings, Overrides, RetrySettings
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Job, Owner, RerunKind, taken_up_again
from batchyard.domain.scoring.ledger import Ran
from batchyard.engine.claim import claim_job, orphans, take_over
from batchyard.engine.job_run import run_job
from batchyard.engine.ledger_file import extents, records
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.processes import end_all, wait_for_none

ROOT = Path(__file__).parents[2]
ITEMS = 30
ROWS = b"".join(b"item-%03d.txt\n" % k for k in range(ITEMS))
# While there is poison each item takes a while, and the first run is held behind the first poisoned one.
SCRIPT = """
import os, time
def run(mini_batch):
    for path in mini_batch:
        while os.path.exists({marker!r}) and {holds!r} and path[-7:] > "012.txt":
            time.sleep(0.05)
        time.sleep(0.02 if os.path.exists({marker!r}) else 0.0)
        if os.path.exists({marker!r}) and path.endswith(("item-007.txt", "item-019.txt")):
            raise ValueError("poison")
        yield os.path.basename(path)
"""
POINTS = (
    "claim.claimed",
    "prepare.staged",
    "ledger.opened",
    "score.started",
    "ledger.synced",
    "score.verdict",
    "seal.before",
    "seal.after",
    "publish.before",
    "publish.after",
    "finish.before",
)


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[DirectHome]:
    home = DirectHome(tmp_path / "home")
    try:
        yield home
    finally:
        end_all(home.home)


def first_run(direct: DirectHome, folder: Path, *, threshold: int) -> Job:
    """Give a job after a run in which two items were poison; the poison is gone now."""
    source, marker = folder / "input", folder / "poison"
    source.mkdir()
    marker.touch()
    for k in range(ITEMS):
        (source / f"item-{k:03d}.txt").touch()
    settings = ExecutionSettings(mini_batch_size=1, retry=RetrySettings(0, timeout_s=600.0), error_threshold=threshold)
    direct.submit("job", source, SCRIPT.format(marker=str(marker), holds=threshold == 0), settings)
    job = direct.run_next()
    marker.unlink()
    return job


def take_up(direct: DirectHome, job: Job, kind: RerunKind, overrides: Overrides | None = None) -> None:
    again = taken_up_again(job, kind, asked_by="tester", now=time.time(), overrides=overrides)
    with direct.rooms.records.writing() as tx:
        tx.jobs.take_up_again(again)


def run_once(direct: DirectHome, fault: str) -> None:
    """Run the job in a process of its own, without an engine that would go on with it, until the fault kills it."""
    program = "import sys; from pathlib import Path; from tests.support.direct import DirectHome; "
    program += "DirectHome(Path(sys.argv[1]), fault=sys.argv[2], fault_log=sys.argv[3]).run_next()"
    command = [sys.executable, "-c", program, str(direct.home), fault, str(direct.home / "reached")]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=180, capture_output=True)
    assert done.returncode == -9, done.stderr


def run_to_the_end(direct: DirectHome, fault: str, *, within_s: float = 180.0, is_reached: bool = True) -> Job:
    """Keep an engine running, with one fault in it, until the job has ended and its processes are gone."""
    log = direct.home / "reached"
    log.touch()
    variables = {"BATCHYARD_FAULT": fault, "BATCHYARD_FAULT_LOG": str(log)}
    deadline, engine = time.monotonic() + within_s, None
    while direct.job("job").status not in FINAL:
        assert time.monotonic() < deadline, f"not final: {direct.job('job')}"
        if engine is None or engine.poll() is not None:
            engine = start_engine(direct.home, variables=variables)
        time.sleep(0.1)
    assert engine is not None
    engine.wait(timeout=60)
    assert wait_for_none(direct.home, within_s=60.0) == {}
    assert not is_reached or (direct.home / "reached.done").exists(), "the fault did not happen"
    return direct.job("job")


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_while_a_failed_job_is_resumed_changes_nothing(direct: DirectHome, tmp_path: Path, point: str) -> None:
    job = first_run(direct, tmp_path, threshold=0)
    assert job.status is JobStatus.FAILED
    take_up(direct, job, RerunKind.RESUME, Overrides(error_threshold=2))
    done = run_to_the_end(direct, f"{point}:1:kill")
    assert (done.status, done.run) == (JobStatus.COMPLETED, 2)
    assert done.counts.failed == 1, "what failed for good stays failed, and nothing else does"
    rows = (direct.output("job") / "predictions.csv").read_bytes()
    assert rows == ROWS.replace(b"item-007.txt\n", b"")
    assert list((direct.home / "datastores").rglob(".*")) == []


def has_reached_its_cap(direct: DirectHome) -> bool:
    """Whether the ledger says so: with a cap below `TOLD_EVERY_S` it has `Ran` when that is reached, not before."""
    home = direct.rooms.homes.open("job")
    return any(isinstance(record, Ran) for record in records(home, extents(home)))


@contextlib.contextmanager
def removed_once_the_cap_is_reached(direct: DirectHome, marker: Path) -> Iterator[None]:
    """Remove the marker when the run has reached its cap, however long its owners take to start, or else at the end."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1) and not has_reached_its_cap(direct):
            pass
        marker.unlink()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()


@pytest.mark.parametrize("point", ["ledger.synced", "score.verdict", "finish.before"])
def test_a_kill_while_a_job_ends_at_its_cap_changes_nothing(direct: DirectHome, tmp_path: Path, point: str) -> None:
    source, marker = tmp_path / "input", tmp_path / "poison"
    source.mkdir()
    marker.touch()
    for k in range(ITEMS):
        (source / f"item-{k:03d}.txt").touch()
    once = RetrySettings(0, timeout_s=600.0)
    settings = ExecutionSettings(mini_batch_size=1, retry=once, max_duration_s=1.0)
    direct.submit("job", source, SCRIPT.format(marker=str(marker), holds=True), settings)  # Held behind item 12.
    with removed_once_the_cap_is_reached(direct, marker):  # What runs is waited for, and then counts.
        run_once(direct, f"{point}:1:kill")
        job = run_to_the_end(direct, f"{point}:99:kill", is_reached=False)
    error = job.error
    assert error is not None, f"not ended by its cap: {job}"
    assert (job.status, error.code) == (JobStatus.FAILED, "MaxDurationReached")
    assert not direct.output("job").exists()
    take_up(direct, job, RerunKind.RETRY_FAILED, Overrides(max_duration_s=600.0))
    done = direct.run_next()
    assert (done.status, done.run, done.counts.succeeded) == (JobStatus.COMPLETED, 2, ITEMS)
    assert (direct.output("job") / "predictions.csv").read_bytes() == ROWS


def test_a_job_whose_owner_died_while_it_was_to_pause_is_paused_by_the_next_one(
    direct: DirectHome, tmp_path: Path
) -> None:
    source = tmp_path / "input"
    source.mkdir()
    (source / "item").touch()
    direct.submit("job", source, "import os\ndef run(b):\n    return [os.path.basename(p) for p in b]\n")
    assert claim_job(replace(direct.rooms, owner=Owner("a boot long ago", 1, 1))) is not None
    with direct.rooms.records.writing() as tx:
        tx.jobs.request_pause("job", now=time.time())
    (orphan,) = orphans(direct.rooms, is_alive=lambda _: False)
    taken = take_over(direct.rooms, orphan)
    assert taken is not None
    run_job(direct.rooms, taken)
    assert direct.job("job").status is JobStatus.PAUSED
    with direct.rooms.records.writing() as tx:
        tx.jobs.continue_paused("job", now=time.time())
    assert direct.run_next().status is JobStatus.COMPLETED
    assert (direct.output("job") / "predictions.csv").read_bytes() == b"item\n"


def generation_of(direct: DirectHome) -> int:
    """Check that the output is whole, and give its generation."""
    folder = direct.output("job")
    manifest = json.loads((folder / "_manifest.json").read_bytes())
    for entry in manifest["outputs"]:
        assert hashlib.sha256((folder / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    return int(manifest["generation"])


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_while_failed_items_are_retried_leaves_one_generation_whole_and_ends_completed(
    direct: DirectHome, tmp_path: Path, point: str
) -> None:
    job = first_run(direct, tmp_path, threshold=-1)
    assert (job.status, job.counts.failed, generation_of(direct)) == (JobStatus.COMPLETED, 2, 1)
    take_up(direct, job, RerunKind.RETRY_FAILED)
    done = run_to_the_end(direct, f"{point}:1:kill")
    assert (done.status, done.generation, generation_of(direct)) == (JobStatus.COMPLETED, 2, 2)
    assert (done.counts.succeeded, done.counts.failed) == (ITEMS, 0)
    assert done.counts.attempts <= job.counts.attempts + 2, "what had succeeded is not scored again"
    assert (direct.output("job") / "predictions.csv").read_bytes() == ROWS
    assert (direct.output("job") / "_failed_items.jsonl").read_bytes() == b""
    assert list((direct.home / "datastores").rglob(".*")) == []


@pytest.mark.parametrize("point", ["score.verdict", "publish.before", "publish.after"])
def test_between_the_kill_and_the_next_owner_one_generation_is_whole(
    direct: DirectHome, tmp_path: Path, point: str
) -> None:
    take_up(direct, first_run(direct, tmp_path, threshold=-1), RerunKind.RETRY_FAILED)
    run_once(direct, f"{point}:1:kill")
    assert direct.job("job").status is not JobStatus.COMPLETED
    assert generation_of(direct) == (2 if point == "publish.after" else 1)


def test_a_retry_whose_output_was_changed_meanwhile_is_undone_and_leaves_the_change(
    direct: DirectHome, tmp_path: Path
) -> None:
    job = first_run(direct, tmp_path, threshold=-1)
    take_up(direct, job, RerunKind.RETRY_FAILED)
    (direct.output("job") / "predictions.csv").write_text("mine")
    done = direct.run_next()
    assert (done.status, done.generation, done.counts) == (JobStatus.COMPLETED, 1, job.counts)
    (rerun,) = done.reruns
    assert rerun.undone is not None
    assert rerun.undone.error is not None
    assert rerun.undone.error.code == "OutputConflict"
    assert (direct.output("job") / "predictions.csv").read_text() == "mine"
    assert list((direct.home / "datastores").rglob(".*")) == []
