"""A job's life, played once and rolled back, so that every process forked later finds its statements and codecs built.

Building them takes some 15 ms, which is felt in each job when its own process has to do it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.failures import FailureReport
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget, ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Job, Owner
from batchyard.domain.resource_ids import AssetId, DatastorePath
from batchyard.domain.scoring.run_items import RunLimit
from batchyard.ports.job_leases import JobChange, Progress
from batchyard.ports.records import Key, Kind
from batchyard.records.documents import DocumentTable
from batchyard.records.jobs import JobTable
from batchyard.records.leases import JobLeaseTable

# Of no workspace: those have longer names.
SCOPE = "rehearsal"
NAME = "rehearsal"
_RUN_LIMIT = Key(Kind.RUN_LIMIT, NAME)


def rehearse_writing(connection: Connection) -> None:
    """Do what a job's process writes, in a transaction that is rolled back by the caller."""
    documents, leases = DocumentTable(connection, SCOPE), JobLeaseTable(connection, SCOPE)
    owner = Owner(NAME, 0, 0)
    documents.save(Key(Kind.COMPUTE, NAME), Compute(NAME, max_instances=1), actor=NAME, now=0.0)
    documents.save(_RUN_LIMIT, RunLimit(1, NAME), actor=NAME, now=0.0)
    JobTable(connection, SCOPE).add(_job())
    claimed = leases.claim_next(owner, lease_s=0.0, now=0.0)
    if claimed is None:
        raise AssertionError("a queued job of an empty workspace was not claimed")
    counts, fence = Counts(), claimed.fence
    for progress in (Progress(), Progress(counts, 0.0, 0.0, FailureReport())):
        leases.renew(NAME, fence=fence, owner=owner, lease_s=0.0, progress=progress)
    for change in (
        JobChange(JobStatus.RUNNING, counts=counts, phases={"running": 0.0}, listed_at=0.0),
        JobChange(JobStatus.FINALIZING, counts=counts, phases={"finalizing": 0.0}, ledger_sha256=NAME),
        JobChange(JobStatus.COMPLETED, counts=counts, phases={"ended": 0.0}, failures=FailureReport(), generation=1),
    ):
        leases.advance(NAME, fence=fence, change=change)


def rehearse_reading(connection: Connection) -> None:
    """Do what a job's process reads."""
    DocumentTable(connection, SCOPE).get(_RUN_LIMIT)


def _job() -> Job:
    path = DatastorePath(NAME, NAME)
    spec = ScoringSpec(
        job=NAME,
        endpoint=NAME,
        deployment=NAME,
        deployment_revision=1,
        routed_by=NAME,
        source=InputSource(InputKind.FOLDER, NAME),
        settings=ExecutionSettings(),
        compute=NAME,
        model=AssetId(NAME, "1"),
        model_seal=Sealed("", 0, 0),
        code=AssetId(NAME, "1"),
        code_seal=Sealed("", 0, 0),
        scoring_script=NAME,
        environment=AssetId(NAME, "1"),
        build=EnvironmentBuild("", ""),
        output=OutputTarget(path, NAME),
    )
    return Job(spec, JobStatus.QUEUED, 0.0, NAME)
