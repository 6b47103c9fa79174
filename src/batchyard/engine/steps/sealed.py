"""The end of a step whose outputs are sealed: they are published and registered, by whoever comes."""

from __future__ import annotations

from batchyard.domain.errors import Conflict
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError
from batchyard.engine.lease import JobLease
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.models import register_models
from batchyard.engine.steps.outputs import publish_outputs, sealed_outputs
from batchyard.ports.job_home import JobHome
from batchyard.ports.job_leases import JobChange


def publish_sealed(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> JobChange:
    """Publish what was sealed, and give the end of the job."""
    outputs = sealed_outputs(job, home)
    if outputs is None:
        message = "The record of the outputs is not the one that was sealed; the disk has lost or changed it."
        return JobChange(JobStatus.FAILED, error=JobError("LedgerDamaged", message, ErrorClass.PLATFORM))
    lease.check()
    try:
        publish_outputs(rooms, job, outputs, check=lease.check)
        register_models(rooms, job)
    except Conflict as exc:
        return JobChange(JobStatus.FAILED, error=JobError("OutputConflict", str(exc), ErrorClass.DATA))
    rooms.faults.reach("command.published")
    return JobChange(JobStatus.COMPLETED, generation=job.generation + 1)
