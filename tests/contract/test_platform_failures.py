"""A disk that is full, or a store that refuses: no item is charged, and whoever asks is told what to do (rule 6)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.bootstrap.faults import NoFaults
from batchyard.bootstrap.job import job_child
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job
from batchyard.engine.claim import claim_job, orphans, take_over
from batchyard.engine.rooms import Rooms
from tests.support.direct import DirectHome
from tests.support.processes import end_all

ECHO = "def run(mini_batch): return mini_batch\n"


class AlwaysFull(NoFaults):
    """Fails each time that the job's process comes to a named point."""

    def __init__(self, point: str, reason: str) -> None:
        self._point, self._reason = point, reason

    def reach(self, point: str) -> None:
        if point == self._point:
            raise PlatformError(self._reason)


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[DirectHome]:
    home = tmp_path / "home"
    handlers = logging.getLogger().handlers[:]
    try:
        yield DirectHome(home)
    finally:
        logging.getLogger().handlers[:] = handlers
        end_all(home)


def run_until_given_up(direct: DirectHome, rooms: Rooms, name: str) -> Job:
    """Let owner after owner meet the failure, as the engine does, until the job is final."""
    job = claim_job(rooms)
    while job is not None:
        with pytest.raises(PlatformError):
            job_child(job)(rooms)
        (orphan,) = orphans(rooms, is_alive=lambda _: False)
        job = take_over(rooms, orphan)
    return direct.job(name)


@pytest.mark.parametrize(
    ("point", "reason", "remedy"),
    [
        ("score.started", "Could not append to '1.log': No space left on device.", "Free space on the disk"),
        ("ledger.opened", "Could not sync '1.log': Input/output error.", "See `batchyard server logs`"),
        ("plan.listed", "The datastore refuses: permission denied.", "See `batchyard server logs`"),
    ],
)
def test_a_platform_that_goes_on_failing_charges_no_item_and_says_why_and_what_to_do(
    direct: DirectHome, tmp_path: Path, point: str, reason: str, remedy: str
) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.txt").write_text("a")
    direct.submit("full", tmp_path / "input", ECHO)
    rooms = replace(direct.rooms, faults=AlwaysFull(point, reason))
    job = run_until_given_up(direct, rooms, "full")
    assert job.status is JobStatus.FAILED
    assert job.counts.failed == 0
    assert job.failures.failed == ()
    assert job.error is not None
    assert (job.error.code, job.error.error_class) == ("ProcessEnded", ErrorClass.PLATFORM)
    assert reason in job.error.message
    assert remedy in job.error.message
    assert "batchyard job resume -n full" in job.error.message
    assert reason in (direct.logs_of("full") / "logs" / "job_error.txt").read_text()
