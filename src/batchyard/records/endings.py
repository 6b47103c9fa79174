"""How a job's row ends: as its run did, or, where that run was to improve an output and did not, as it was before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from batchyard.domain.failures import FailureReport
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, JobError, Rerun, RunEnd
from batchyard.records import codec
from batchyard.records.job_rows import RELEASED, job_of
from batchyard.records.tables import AnyRow

_IN_VAIN = (JobStatus.FAILED.value, JobStatus.CANCELED.value)


def ended(row: AnyRow, values: Mapping[str, object]) -> dict[str, object]:
    """Give the columns that end a job. row: as it is now. values: columns that change, a final status among them."""
    if values["status"] not in _IN_VAIN or not job_of(row).may_be_undone:
        return {**values, **RELEASED}
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
        **RELEASED,
    }


def _run_end(row: AnyRow, values: Mapping[str, object]) -> RunEnd:
    error, failures = values.get("error", row.error), values.get("failures", row.failures)
    return RunEnd(
        JobStatus(values["status"]),
        codec.decode(Counts, str(values.get("counts", row.counts))),
        codec.decode_numbers(str(values.get("phases", row.phases))),
        None if error is None else codec.decode(JobError, str(error)),
        failures=None if failures is None else codec.decode(FailureReport, str(failures)),
    )
