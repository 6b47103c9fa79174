"""Every named fault point with every fault there is: the output equals the undisturbed one byte for byte."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.ports.faults import FAULT_POINTS
from tests.chaos.fault_runs import COLUMNS, FILES, ROWS, Outcome, run_under_fault

pytestmark = pytest.mark.timeout(900)  # A hung run fails by its own deadlines long before.


def check(outcome: Outcome, fault: str) -> None:
    assert outcome.status is JobStatus.COMPLETED, fault
    assert outcome.files == ROWS, fault


def test_an_undisturbed_run_reaches_every_named_point(tmp_path: Path) -> None:
    outcome = run_under_fault(tmp_path, "")
    check(outcome, "undisturbed")
    assert outcome.reached == set(FAULT_POINTS)
    assert outcome.owners == 1


def test_a_fault_loses_and_doubles_nothing(tmp_path: Path, point: str, action: str) -> None:
    """action: as in BATCHYARD_FAULT; with `power` everything is killed, and what was not synced is forgotten."""
    nth = 3 if point in ("score.reported", "ledger.synced", "ledger.appended", "ledger.parts_synced") else 1
    notes = tmp_path / "notes" if action == "power" else None
    outcome = run_under_fault(tmp_path, f"{point}:{nth}:{'stop' if notes else action}", notes=notes)
    check(outcome, f"{point} {action}")
    assert (tmp_path / "reached.done").exists() or point.startswith(("worker.", "zygote.")), "the fault did not happen"


@pytest.mark.long
def test_a_process_that_sleeps_at_any_point_and_wakes_late_changes_nothing(tmp_path: Path, is_full_chaos: bool) -> None:
    """All at once, or every other one as a sample: they sleep most of the time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        runs = {
            point: pool.submit(run_under_fault, tmp_path / point, f"{point}:1:stop", within_s=150.0)
            for point in FAULT_POINTS[:: 1 if is_full_chaos else 2]
        }
    for point, run in runs.items():
        check(run.result(), f"{point} stop")


@pytest.mark.parametrize("point", ["plan.frozen", "score.reported", "publish.before"])
def test_mini_batches_cut_by_bytes_survive_as_others_do(tmp_path: Path, point: str) -> None:
    check(run_under_fault(tmp_path, f"{point}:1:kill", most_bytes=20), point)


@pytest.mark.parametrize(
    ("place", "action"),
    [
        ("worker.rows_written:1", "kill"),  # The header of the first file is there, and nothing else.
        ("worker.rows_written:2", "kill"),
        ("worker.rows_written:3", "enospc"),
        ("worker.before_report:4", "kill"),
        ("score.reported:5", "kill"),
        ("ledger.parts_synced:3", "power"),
        ("ledger.synced:4", "power"),
        ("score.verdict:1", "power"),
        ("publish.before:1", "kill"),
    ],
)
def test_rows_in_part_files_by_schema_are_lost_and_doubled_as_little(tmp_path: Path, place: str, action: str) -> None:
    notes = tmp_path / "notes" if action == "power" else None
    outcome = run_under_fault(tmp_path, f"{place}:{'stop' if notes else action}", notes=notes, has_columns=True)
    assert outcome.status is JobStatus.COMPLETED
    assert outcome.files == COLUMNS
    assert (tmp_path / "reached.done").exists() or place.startswith("worker."), "the fault did not happen"


@pytest.mark.parametrize("point", ["worker.after_run", "worker.before_report", "score.reported", "publish.before"])
def test_files_that_a_script_writes_are_published_once(tmp_path: Path, point: str) -> None:
    outcome = run_under_fault(tmp_path, f"{point}:1:kill", writes_files=True)
    assert outcome.status is JobStatus.COMPLETED
    assert outcome.files == FILES


@pytest.mark.parametrize("place", ["ledger.synced:3", "score.verdict:1", "seal.after:1", "finish.after:1"])
def test_files_that_a_script_wrote_survive_a_power_cut(tmp_path: Path, place: str) -> None:
    outcome = run_under_fault(tmp_path, f"{place}:stop", writes_files=True, notes=tmp_path / "notes")
    assert outcome.status is JobStatus.COMPLETED
    assert outcome.files == FILES
