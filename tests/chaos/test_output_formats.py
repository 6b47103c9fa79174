"""Rows in columns, in several files, under kills, full disks and second publishers: every item once, in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings, OutputFormat
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.claim import claim_job, take_over
from batchyard.engine.job_run import run_job
from batchyard.engine.rooms import Rooms
from tests.chaos.fault_runs import ITEMS, SHARD_BYTES, UNLIKE_ROWS_SCRIPT, run_under_fault
from tests.chaos.test_publishers import At
from tests.support.direct import DirectHome
from tests.support.outputs import row_files, rows_of

pytestmark = pytest.mark.timeout(900)
CSV, JSONL, PARQUET = OutputFormat.CSV, OutputFormat.JSONL, OutputFormat.PARQUET
STRUCTURED = pytest.mark.parametrize("output_format", [CSV, JSONL, PARQUET])


def check(folder: Path) -> None:
    rows = rows_of(folder)
    assert [row["item"] for row in rows] == [f"item-{k:03d}.txt" for k in range(ITEMS)]
    assert [int(row["number"]) for row in rows] == list(range(ITEMS))
    assert [row["text"] for row in rows] == [f'"{k}",\n' + "x" * 100 for k in range(ITEMS)]
    assert [float(row.get("fourth") or 0) for row in rows] == [k / 4 if k % 4 == 0 else 0.0 for k in range(ITEMS)]
    assert len(row_files(folder)) > 1


@pytest.mark.parametrize(
    ("output_format", "fault"),
    [
        (CSV, "worker.rows_written:2:kill"),
        (JSONL, "worker.before_report:2:kill"),
        (PARQUET, "score.reported:3:kill"),
        (CSV, "ledger.synced:3:power"),
        (CSV, "collect.laying_out:1:kill"),
        (PARQUET, "collect.laying_out:2:kill"),
        (PARQUET, "collect.laying_out:2:enospc"),
        (PARQUET, "collect.laid_out:1:power"),
        (JSONL, "collect.row_file_written:2:kill"),
        (PARQUET, "collect.row_file_written:2:power"),
        (CSV, "publish.before:1:kill"),
        (PARQUET, "publish.after:1:kill"),
    ],
)
def test_a_fault_loses_and_doubles_no_row_of_any_format(
    tmp_path: Path, output_format: OutputFormat, fault: str
) -> None:
    point, nth, action = fault.split(":")
    notes = tmp_path / "notes" if action == "power" else None
    asked = f"{point}:{nth}:{'stop' if notes else action}"
    outcome = run_under_fault(tmp_path, asked, notes=notes, output_format=output_format)
    assert outcome.status is JobStatus.COMPLETED
    assert (tmp_path / "reached.done").exists() or point.startswith("worker."), "the fault did not happen"
    check(tmp_path / "home/datastores/workspaceblobstore/out/job/score")


def submitted(direct: DirectHome, tmp_path: Path, output_format: OutputFormat) -> None:
    source = tmp_path / "input"
    source.mkdir()
    for k in range(ITEMS):
        (source / f"item-{k:03d}.txt").write_text("x")
    settings = ExecutionSettings(
        mini_batch_size=2,
        max_concurrency_per_instance=2,
        output_format=output_format,
        output_file_name=f"rows.{output_format.value}",
        output_shard_bytes=SHARD_BYTES,
    )
    direct.submit("job", source, UNLIKE_ROWS_SCRIPT.replace("PAUSE_S", "0"), settings)


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


@STRUCTURED
@pytest.mark.parametrize("point", ["collect.laying_out", "collect.row_file_written", "publish.before"])
def test_a_publisher_that_slept_while_another_published_changes_nothing(
    tmp_path: Path, output_format: OutputFormat, point: str
) -> None:
    direct = DirectHome(tmp_path / "home")
    submitted(direct, tmp_path, output_format)
    sleeper = replace(direct.rooms, faults=At(point, lambda: run_job(direct.rooms, taken_over(direct.rooms))))
    with pytest.raises(PlatformError):
        run_job(sleeper, claimed(sleeper))
    assert direct.job("job").status is JobStatus.COMPLETED
    check(direct.output("job"))
    assert [path.name for path in direct.output("job").parent.iterdir()] == ["score"]


@STRUCTURED
def test_a_publisher_after_one_that_published_finds_its_own_bytes(tmp_path: Path, output_format: OutputFormat) -> None:
    direct = DirectHome(tmp_path / "home")
    submitted(direct, tmp_path, output_format)

    def fail() -> None:
        raise PlatformError("asked for")

    first = replace(direct.rooms, faults=At("publish.after", fail))
    with pytest.raises(PlatformError):
        run_job(first, claimed(first))
    before = {path.name: path.read_bytes() for path in direct.output("job").iterdir()}
    run_job(direct.rooms, taken_over(direct.rooms))
    assert direct.job("job").status is JobStatus.COMPLETED
    assert {path.name: path.read_bytes() for path in direct.output("job").iterdir()} == before
    check(direct.output("job"))
