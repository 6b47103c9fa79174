"""Publishing met by what goes wrong around it: a second publisher, a damaged ledger, odd files, folders that resist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.deployments import ExecutionSettings, OutputAction
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.claim import claim_job, take_over
from batchyard.engine.job_run import run_job
from batchyard.engine.rooms import Rooms
from tests.support.direct import DirectHome

ROWS_SCRIPT = """
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""
ROWS_AND_FILES_SCRIPT = """
import os
def run(mini_batch):
    for path in mini_batch:
        open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path)), "w").close()
    return [os.path.basename(path) for path in mini_batch]
"""
LINK_SCRIPT = """
import os
def run(mini_batch):
    os.symlink("/nowhere/at/all", os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "latest"))
    return list(mini_batch)
"""
PREDICTIONS_SCRIPT = """
import os
def run(mini_batch):
    open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "predictions.csv"), "w").close()
    return list(mini_batch)
"""


class At:
    """Does something the first time a point is reached."""

    def __init__(self, point: str, act: Callable[[], object]) -> None:
        self._point, self._act, self._is_done = point, act, False

    def reach(self, point: str) -> None:
        if point == self._point and not self._is_done:
            self._is_done = True
            self._act()


def fail() -> None:
    raise PlatformError("asked for")


@pytest.fixture
def direct(tmp_path: Path) -> DirectHome:
    return DirectHome(tmp_path / "home")


def submit(direct: DirectHome, tmp_path: Path, script: str, action: OutputAction = OutputAction.APPEND_ROW) -> None:
    source = tmp_path / "input"
    source.mkdir()
    for k in range(4):
        (source / f"item-{k}").write_text("x")
    direct.submit("job", source, script, ExecutionSettings(mini_batch_size=1, output_action=action))


def claimed(rooms: Rooms) -> Job:
    job = claim_job(rooms)
    assert job is not None
    return job


def taken_over(rooms: Rooms) -> Job:
    with rooms.records.reading() as tx:
        held = tx.job_leases.held()
    job = take_over(rooms, held[0])
    assert job is not None
    return job


def beside_output(direct: DirectHome) -> list[str]:
    folder = direct.output("job").parent
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("point", ["collect.rows_written", "collect.manifest_written", "publish.before"])
def test_a_publisher_that_slept_while_another_published_changes_nothing(
    direct: DirectHome, tmp_path: Path, point: str
) -> None:
    submit(direct, tmp_path, ROWS_AND_FILES_SCRIPT)
    sleeper = replace(direct.rooms, faults=At(point, lambda: run_job(direct.rooms, taken_over(direct.rooms))))
    with pytest.raises(PlatformError):
        run_job(sleeper, claimed(sleeper))
    assert direct.job("job").status is JobStatus.COMPLETED
    names = sorted(p.name for p in direct.output("job").iterdir())
    assert names == ["_failed_items.jsonl", "_manifest.json", *[f"item-{k}" for k in range(4)], "predictions.csv"]
    assert beside_output(direct) == ["score"]


@pytest.mark.parametrize("point", ["collect.rows_written", "publish.before"])
def test_a_publisher_that_sleeps_while_another_only_begins_publishes_nothing_half(
    direct: DirectHome, tmp_path: Path, point: str
) -> None:
    submit(direct, tmp_path, ROWS_AND_FILES_SCRIPT)

    def begin_and_fail() -> None:
        rooms = replace(direct.rooms, faults=At("collect.rows_written", fail))
        with pytest.raises(PlatformError):
            run_job(rooms, taken_over(rooms))

    sleeper = replace(direct.rooms, faults=At(point, begin_and_fail))
    with pytest.raises(PlatformError):
        run_job(sleeper, claimed(sleeper))
    assert beside_output(direct) == []
    run_job(direct.rooms, taken_over(direct.rooms))
    assert direct.job("job").status is JobStatus.COMPLETED
    assert (direct.output("job") / "predictions.csv").read_text().split() == [f"item-{k}" for k in range(4)]


def test_a_sealed_ledger_that_the_disk_has_shortened_is_never_published(direct: DirectHome, tmp_path: Path) -> None:
    submit(direct, tmp_path, ROWS_SCRIPT)
    rooms = replace(direct.rooms, faults=At("seal.after", fail))
    with pytest.raises(PlatformError):
        run_job(rooms, claimed(rooms))
    ledger = direct.home / "jobs/job/ledger/1.log"
    ledger.write_bytes(ledger.read_bytes()[:-150])
    run_job(direct.rooms, taken_over(direct.rooms))
    job = direct.job("job")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "LedgerDamaged"
    assert beside_output(direct) == []


@pytest.mark.parametrize(
    ("script", "action"),
    [(LINK_SCRIPT, OutputAction.SUMMARY_ONLY), (PREDICTIONS_SCRIPT, OutputAction.APPEND_ROW)],
)
def test_a_file_that_can_never_be_published_fails_the_job_instead_of_trying_for_ever(
    direct: DirectHome, tmp_path: Path, script: str, action: OutputAction
) -> None:
    submit(direct, tmp_path, script, action)
    run_job(direct.rooms, claimed(direct.rooms))
    job = direct.job("job")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "OutputConflict"
    assert beside_output(direct) == []


class Resisting(LocalJobHome):
    """A job home whose folders cannot be deleted, as those that a script has mounted or made immutable."""

    def remove_tree(self, name: str) -> None:
        raise PlatformError(f"Could not remove {name!r}: Device or resource busy.")


class ResistingHomes:
    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, job: str) -> Resisting:
        return Resisting(self._root / job)


def test_a_folder_that_cannot_be_cleared_fails_no_job(direct: DirectHome, tmp_path: Path) -> None:
    submit(direct, tmp_path, ROWS_SCRIPT)
    rooms = replace(direct.rooms, homes=ResistingHomes(direct.home / "jobs"))
    run_job(rooms, claimed(rooms))
    assert direct.job("job").status is JobStatus.COMPLETED


def test_a_result_that_cannot_be_written_for_people_does_not_keep_a_job_from_its_end(
    direct: DirectHome, tmp_path: Path
) -> None:
    submit(direct, tmp_path, ROWS_SCRIPT)
    blocked = tmp_path / "a file and no folder"
    blocked.write_text("")
    logs = [direct.logs_of("job")]
    rooms = replace(
        direct.rooms, logs_of=lambda job: logs[-1], faults=At("finish.before", lambda: logs.append(blocked))
    )
    run_job(rooms, claimed(rooms))
    assert direct.job("job").status is JobStatus.COMPLETED
