"""How a job's row ends: as its run did, or, where that run was to improve an output and did not, as it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from batchyard.domain.failures import FailureReport
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Counts, JobError, Rerun, RunEnd
from batchyard.ports.job_leases import JobChange
from batchyard.records import codec
from batchyard.records.job_rows import NOT_HELD, job_of
from batchyard.records.tables import AnyRow

_IN_VAIN = (JobStatus.FAILED.value, JobStatus.CANCELED.value)


def ended(row: AnyRow, values: Mapping[str, object]) -> dict[str, object]:
    """Give the columns that end a job. row: as it is now. values: columns that change, a final status among them."""
    if values["status"] not in _IN_VAIN or not job_of(row).may_be_undone:
        return {**values, **NOT_HELD}
    reruns = codec.decode_list(Rerun, row.reruns)
    before = reruns[-1].before
    told = replace(reruns[-1], undone=_run_end(row, values))
    return {
        "status": before.status.value,
        "counts": codec.encode(before.counts),
        "phases": codec.encode_mapping(before.phases),
        "error": None if before.error is None else codec.encode(before.error),
        "ledger_sha256": before.ledger_sha256,
        "failures": None if before.failures is None else codec.encode(before.failures),
        "reruns": codec.encode_list([*reruns[:-1], told]),
        "cancel_requested": False,
        "pause_requested": False,
        **NOT_HELD,
    }


def changed_columns(row: AnyRow, change: JobChange) -> dict[str, object]:
    """Give the columns that a change of a job writes."""
    told: dict[str, object] = {"ledger_sha256": change.ledger_sha256, "listed_at": change.listed_at}
    told["generation"] = change.generation
    told["counts"] = None if change.counts is None else codec.encode(change.counts)
    told["error"] = None if change.error is None else codec.encode(change.error)
    told["failures"] = None if change.failures is None else codec.encode(change.failures)
    told["logged"] = None if change.logged is None else codec.encode(change.logged)
    told |= {"step_key": change.step_key, "reused_from": change.reused_from}
    values: dict[str, object] = {column: value for column, value in told.items() if value is not None}
    values["status"] = change.status.value
    values["phases"] = codec.encode_mapping(codec.decode_numbers(row.phases) | dict(change.phases))
    if change.status is JobStatus.CANCEL_REQUESTED:
        values["cancel_requested"] = True
    if change.status in FINAL or change.status in (JobStatus.FINALIZING, JobStatus.PAUSED):
        values["pause_requested"] = False
    if change.status is JobStatus.PAUSED:
        return values | NOT_HELD
    return ended(row, values) if change.status in FINAL else values


def _run_end(row: AnyRow, values: Mapping[str, object]) -> RunEnd:
    error, failures = values.get("error", row.error), values.get("failures", row.failures)
    return RunEnd(
        JobStatus(values["status"]),
        codec.decode(Counts, str(values.get("counts", row.counts))),
        codec.decode_numbers(str(values.get("phases", row.phases))),
        None if error is None else codec.decode(JobError, str(error)),
        failures=None if failures is None else codec.decode(FailureReport, str(failures)),
    )
