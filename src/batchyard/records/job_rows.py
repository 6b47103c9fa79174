"""Jobs as rows and back, shared by what consumers see (`jobs`) and by who runs them (`leases`)."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.failures import FailureReport
from batchyard.domain.job_notes import JobNotes, notes_of
from batchyard.domain.job_specs import CommandSpec, PipelineSpec, ScoringSpec, Spec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Counts, Job, JobError, Owner, Rerun, StepOf
from batchyard.domain.logged import Logged
from batchyard.records import codec
from batchyard.records.tables import AnyRow

# What a job without an owner has not: a lease, and what is only true of a running one.
NOT_HELD: dict[str, object] = {
    "lease_until": None,
    "owner_boot": None,
    "owner_pid": None,
    "owner_start": None,
    "rate_items_s": None,
    "eta_s": None,
}

PIPELINE = "pipeline"
_SPEC_OF: Mapping[str, type[Spec]] = {"scoring": ScoringSpec, "command": CommandSpec, PIPELINE: PipelineSpec}
_KIND_OF = {type_: kind for kind, type_ in _SPEC_OF.items()}


def owner_columns(owner: Owner | None) -> dict[str, object]:
    """Give an owner as columns."""
    if owner is None:
        return {"owner_boot": None, "owner_pid": None, "owner_start": None}
    return {"owner_boot": owner.pid_space, "owner_pid": owner.pid, "owner_start": owner.start_ticks}


def owner_of(row: AnyRow) -> Owner | None:
    """Give the owner that a row names, or None."""
    return None if row.owner_boot is None else Owner(row.owner_boot, row.owner_pid, row.owner_start)


def notes_columns(notes: JobNotes) -> dict[str, object]:
    """Give what people write on a job as columns."""
    return {
        "display_name": notes.display_name,
        "description": notes.description,
        "tags": codec.encode_mapping(notes.tags),
        "properties": codec.encode_mapping(notes.properties),
        "is_archived": notes.is_archived,
    }


def row_of(job: Job) -> dict[str, object]:
    """Give a new job as columns; the scope is the table's."""
    spec = job.spec
    columns: dict[str, object] = {
        "name": job.name,
        "kind": _KIND_OF[type(spec)],
        "parent": job.step_of.job if job.step_of else None,
        "step": job.step_of.name if job.step_of else None,
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "status": job.status.value,
        "created_at": job.created_at,
        "created_by": job.created_by,
        "request_id": job.request_id,
        "compute": spec.compute,
        "instances": job.instance_count,
        "fence": job.fence,
        "lease_until": None,
        **owner_columns(job.owner),
        "process_ends": 0,
        "cancel_requested": job.cancel_requested,
        "pause_requested": job.pause_requested,
        "run": job.run,
        "spec": codec.encode(spec),
        "counts": codec.encode(job.counts),
        "phases": codec.encode_mapping(job.phases),
        "error": None if job.error is None else codec.encode(job.error),
        "failures": codec.encode(job.failures) if job.failures != FailureReport() else None,
        "logged": codec.encode(job.logged) if job.logged != Logged() else None,
        "ledger_sha256": job.ledger_sha256,
        "step_key": job.step_key,
        "reused_from": job.reused_from,
        "listed_at": job.listed_at,
        "rate_items_s": job.rate_items_s,
        "eta_s": job.eta_s,
        **notes_columns(notes_of(job)),
        "reruns": codec.encode_list(job.reruns),
        "generation": job.generation,
    }
    return columns | NOT_HELD if job.status in FINAL else columns


def job_of(row: AnyRow, *, queue_reason: str = "") -> Job:
    """Give the job of a row of all columns."""
    return Job(
        spec=codec.decode(_SPEC_OF[row.kind], row.spec),
        step_of=None if row.parent is None else StepOf(row.parent, row.step),
        status=JobStatus(row.status),
        created_at=row.created_at,
        created_by=row.created_by,
        counts=codec.decode(Counts, row.counts),
        phases=codec.decode_numbers(row.phases),
        error=None if row.error is None else codec.decode(JobError, row.error),
        failures=FailureReport() if row.failures is None else codec.decode(FailureReport, row.failures),
        logged=Logged() if row.logged is None else codec.decode(Logged, row.logged),
        run=row.run,
        fence=row.fence,
        owner=owner_of(row),
        cancel_requested=row.cancel_requested,
        pause_requested=row.pause_requested,
        request_id=row.request_id,
        ledger_sha256=row.ledger_sha256,
        step_key=row.step_key,
        reused_from=row.reused_from,
        listed_at=row.listed_at,
        rate_items_s=row.rate_items_s,
        eta_s=row.eta_s,
        queue_reason=queue_reason,
        display_name=row.display_name,
        description=row.description,
        tags=codec.decode_texts(row.tags),
        properties=codec.decode_texts(row.properties),
        reruns=codec.decode_list(Rerun, row.reruns),
        generation=row.generation,
        is_archived=row.is_archived,
    )
