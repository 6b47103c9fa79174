"""How a job begins: workers import the script while the input is listed, and every early end leaves none of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.bootstrap.faults import NoFaults
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.errors import LeaseLost, PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.claim import orphans, take_over
from batchyard.engine.job_run import run_job
from batchyard.instances.local import LocalInstances
from tests.support.direct import DirectHome
from tests.support.processes import processes_of

ECHO = "def run(mini_batch): return mini_batch\n"
SETTINGS = ExecutionSettings(max_concurrency_per_instance=2)


class At(NoFaults):
    """Does something when the job's process comes to a named point."""

    def __init__(self, point: str, act: Callable[[], None]) -> None:
        self._point, self._act = point, act

    def reach(self, point: str) -> None:
        if point == self._point:
            self._act()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    folder = tmp_path / "input"
    folder.mkdir()
    for k in range(3):
        (folder / f"{k}.txt").write_text(str(k))
    return folder


def test_init_runs_while_the_input_is_being_listed(direct: DirectHome, three: Path, tmp_path: Path) -> None:
    """Listing takes longer than the start here: it goes on for ever, until a worker has run `init()`."""
    told = tmp_path / "told"
    script = f"def init(): open({str(told)!r}, 'w').close()\n{ECHO}"
    breaks = list[float]()

    class Slow(LocalInstances):
        def tend(self) -> None:
            breaks.append(time.monotonic())
            while not told.exists():
                assert time.monotonic() < breaks[0] + 30, "no worker ran init() while the input was listed"
                super().tend()

    direct.rooms = replace(direct.rooms, make_instances=Slow)
    direct.submit("job", three, script, SETTINGS)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED
    assert breaks


def test_an_empty_input_fails_the_job_and_leaves_no_worker(direct: DirectHome, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    direct.submit("job", tmp_path / "empty", ECHO, SETTINGS)
    job = direct.run_next()
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "EmptyInput"
    assert processes_of(direct.home) == {}


def test_an_input_that_vanishes_after_the_workers_started_fails_the_job_and_leaves_no_worker(
    direct: DirectHome, three: Path
) -> None:
    direct.rooms = replace(direct.rooms, faults=At("workers.started", lambda: three.rename(three.with_name("gone"))))
    direct.submit("job", three, ECHO, SETTINGS)
    job = direct.run_next()
    assert job.error is not None
    assert job.error.code == "InputUnreadable"
    assert processes_of(direct.home) == {}


@pytest.mark.parametrize("kind", [LeaseLost, PlatformError])
@pytest.mark.parametrize("point", ["workers.started", "plan.listed", "plan.frozen"])
def test_an_owner_that_ends_while_it_lists_leaves_no_worker(
    direct: DirectHome, three: Path, point: str, kind: type[Exception]
) -> None:
    def end() -> None:
        raise kind("as a test wants it")

    direct.rooms = replace(direct.rooms, faults=At(point, end))
    direct.submit("job", three, ECHO, SETTINGS)
    with pytest.raises(kind):
        direct.run_next()
    assert processes_of(direct.home) == {}


def test_a_script_that_fails_on_import_while_the_input_is_listed_ends_the_job_with_its_stack(
    direct: DirectHome, three: Path
) -> None:
    direct.submit("job", three, "import no_such_module\n", SETTINGS)
    job = direct.run_next()
    assert job.error is not None
    assert job.error.code == "ScriptStartFailed"
    assert "No module named 'no_such_module'" in job.error.message
    assert processes_of(direct.home) == {}


# Item 2 kills the zygote in its first try, items 1 and 4 their own worker: who replaces them comes from somewhere else.
KILLS = """
import json, os, signal
def run(mini_batch, context):
    name = os.path.basename(mini_batch[0])
    if context.attempt == 1 and name in ("1.txt", "4.txt"):
        os._exit(1)
    if context.attempt == 1 and name == "2.txt":
        with open("../workers.jsonl") as lines:
            for line in lines:
                if "zygote" in line: os.kill(json.loads(line)["pid"], signal.SIGKILL)
    return [name]
"""


def test_a_zygote_killed_in_the_middle_of_a_job_changes_nothing_of_its_output(
    direct: DirectHome, tmp_path: Path
) -> None:
    (tmp_path / "input").mkdir()
    for k in range(9):
        (tmp_path / "input" / f"{k}.txt").touch()
    settings = replace(SETTINGS, mini_batch_size=1, error_threshold=0)
    direct.submit("job", tmp_path / "input", KILLS, settings)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED
    assert (direct.output("job") / "predictions.csv").read_text() == "".join(f"{k}.txt\n" for k in range(9))
    assert processes_of(direct.home) == {}


@pytest.mark.parametrize(("wish", "status"), [("cancel", JobStatus.CANCELED), ("pause", JobStatus.PAUSED)])
@pytest.mark.parametrize("point", ["claim.claimed", "ledger.synced"])
def test_a_job_that_is_to_end_when_it_is_taken_over_starts_no_worker(
    direct: DirectHome, three: Path, point: str, wish: str, status: JobStatus
) -> None:
    """ledger.synced: the owner before had a ledger with a commit; claim.claimed: it had none."""
    job = abandoned(direct, three, at=point)
    with direct.rooms.records.writing() as tx:
        ask = tx.jobs.request_cancel if wish == "cancel" else tx.jobs.request_pause
        ask("job", now=time.time())
    (orphan,) = orphans(direct.rooms, is_alive=lambda _: False)
    taken = take_over(direct.rooms, orphan)
    assert taken is not None
    run_job(replace(direct.rooms, make_instances=no_workers), taken)
    ended = direct.job("job")
    assert ended.status is status
    assert bool(ended.counts.succeeded) is (point == "ledger.synced")
    assert job.fence < ended.fence
    assert list((direct.home / "jobs" / "job").glob("*-2")) == []


def no_workers(plan: object) -> LocalInstances:
    raise AssertionError(f"workers were made: {plan}")


def abandoned(direct: DirectHome, source: Path, *, at: str) -> Job:
    """Give a job whose owner ended at a point; at `ledger.synced`, after the first commit."""

    class Ends(NoFaults):
        def reach(self, point: str) -> None:
            ledger = direct.home / "jobs" / "job" / "ledger" / "1.log"
            has_commit = ledger.exists() and b"Committed" in ledger.read_bytes()
            if point == at and (has_commit or at == "claim.claimed"):
                raise PlatformError("as a test wants it")

    direct.rooms = replace(direct.rooms, faults=Ends())
    direct.submit("job", source, ECHO, ExecutionSettings(mini_batch_size=1))
    with pytest.raises(PlatformError):
        direct.run_next()
    direct.rooms = replace(direct.rooms, faults=NoFaults())
    return direct.job("job")
