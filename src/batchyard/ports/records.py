"""The metadata database: documents, jobs, operations, audit.

`Records` is held by doors and engine alone; a use case is handed a `Transaction`, which has no commit. Leaving
`writing()` without an exception commits everything or nothing; an exception rolls back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from batchyard.domain.audit import AuditEntry
from batchyard.domain.job_notes import JobNotes
from batchyard.domain.job_specs import OutputTarget
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, Owner
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import Workspace
from batchyard.ports.job_leases import Holding, JobChange, JobLeases

if TYPE_CHECKING:
    from batchyard.domain.forecast.calibration import Calibration, CalibrationSpec

T = TypeVar("T")


class Kind(Enum):
    """The nouns that share the document table."""

    ENDPOINT = "endpoint"
    DEPLOYMENT = "deployment"
    COMPUTE = "compute"
    MODEL = "model"
    ENVIRONMENT = "environment"
    CODE = "code"
    DATA = "data"
    COMPONENT = "component"
    SCHEDULE = "schedule"
    SEALED_PLACE = "sealed_place"
    RUN_LIMIT = "run_limit"


@dataclass(frozen=True, slots=True)
class Key:
    """What names a document in its workspace.

    parent: the endpoint of a deployment, else "". version: "" where there are none.
    """

    kind: Kind
    name: str
    version: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A document with what the database knows of it. revision: 1, and one more with each change. Times: epoch, UTC."""

    key: Key
    document: T
    revision: int
    etag: str
    created_at: float
    created_by: str
    modified_at: float
    modified_by: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. next_token: opaque, gives the following page; None on the last."""

    items: tuple[T, ...]
    next_token: str | None = None


class Documents(Protocol):
    """Current documents and their older revisions. Names compare exactly."""

    def get(self, key: Key, *, revision: int | None = None) -> Stored[Any] | None:
        """Give the current document, or that revision (also of a deleted one); None when there is none."""

    def list(
        self,
        kind: Kind,
        *,
        parent: str = "",
        name: str | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Page[Stored[Any]]:
        """Give current documents of a kind, by name, then by creation, newest first.

        parent: only documents under it; "" for those of all. name: only versions of this name.
        """

    def save(self, key: Key, document: object, *, actor: str, now: float, if_match: str | None = None) -> Stored[Any]:
        """Store a new current revision; revisions go on counting after a delete.

        if_match: an etag the current document must have, "*" for any that exists; None does not care.
        Raises: PreconditionFailed when it has another one, or is missing.
        """

    def delete(self, key: Key, *, if_match: str | None = None) -> bool:
        """Take the current document out of sight, keeping its revisions; False when there was none."""

    def revisions(self, key: Key) -> Sequence[Stored[Any]]:
        """Give all revisions, newest first."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None leaves a field open.

    statuses: any of them. tags: all of them, each with its value; None for any value. created_from, created_before:
    seconds since the epoch, UTC; the first is included. parent: the steps of this pipeline job; None for jobs that are
    no steps, or, with_steps, for all jobs.
    """

    endpoint: str | None = None
    deployment: str | None = None
    compute: str | None = None
    statuses: frozenset[JobStatus] = frozenset()
    tags: tuple[tuple[str, str | None], ...] = ()
    created_from: float | None = None
    created_before: float | None = None
    is_archived: bool | None = None
    parent: str | None = None
    with_steps: bool = False


class Jobs(Protocol):
    """Jobs as consumers and operators see them."""

    def add(self, job: Job) -> None:
        """Store a new job and reserve every place that it publishes to.

        Raises: Conflict when the name is taken, when the (endpoint, request id) was seen, or as `check_free` does.
        """

    def check_free(self, targets: Sequence[OutputTarget]) -> None:
        """See that no target is, lies in, or holds a place that a job which is not final publishes to.

        Raises: Conflict naming the holder, or two of the targets that are in each other's way.
        """

    def get(self, name: str) -> Job | None:
        """Give a job, with `queue_reason` when it is queued, or None."""

    def by_request(self, endpoint: str, request_id: str) -> Job | None:
        """Give the job that this request id made on this endpoint, or None."""

    def list(self, which: JobFilter, *, limit: int = 50, token: str | None = None) -> Page[Job]:
        """Give jobs, newest first, with `queue_reason` where they are queued."""

    def by_step_key(self, key: str) -> Job | None:
        """Give the newest job with this step key that has completed, or None."""

    def steps_of(self, job: str) -> Mapping[str, Job]:
        """Give the jobs of the steps of a pipeline job that have begun, by the name of the step; no inner ones."""

    def step_states(self, job: str) -> Mapping[str, JobStatus]:
        """Give the states of `steps_of`, which costs little: no spec is read."""

    def pipelines_at_work(self) -> Sequence[Job]:
        """Give the pipeline jobs that are neither final nor paused, in the order of invocation."""

    def advance_pipeline(self, name: str, changes: Sequence[JobChange]) -> Job:
        """Take a pipeline job through these states, one after the other; it has neither owner nor lease.

        Raises: NotFound; Conflict for an illegal transition, after which nothing is changed.
        """

    def take_up_again(self, job: Job) -> None:
        """Store a final job as it is queued for its next run, and reserve its places again.

        Raises: NotFound; Conflict when what is stored is not the end of the run before, or as `check_free` does.
        """

    def request_cancel(self, name: str, *, now: float) -> Job:
        """Ask a running job to end (status CancelRequested), or end a queued or paused one at once (Canceled, or
        as it was before, as in `JobLeases.advance`).

        Raises: NotFound; Conflict when it is sealed or final in another way than Canceled.
        """

    def request_pause(self, name: str, *, now: float) -> Job:
        """Ask a running job to pause (`pause_requested`), or pause a queued one at once; again changes nothing.

        Raises: NotFound; Conflict when it is sealed, to be cancelled, or final.
        """

    def continue_paused(self, name: str, *, now: float) -> Job:
        """Queue a paused job again. Raises: NotFound; Conflict when it is not Paused (yet)."""

    def annotate(self, name: str, notes: JobNotes) -> Job:
        """Replace what people wrote on a job, whatever its status, and nothing else of it. Raises: NotFound."""


class OperationStatus(Enum):
    """Azure's words for a long-running operation."""

    RUNNING = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Operation:
    """A promise that takes time to keep. key/revision: the document it is about.

    calibration: what is to be calibrated; None for a PUT of a deployment, which is provisioned. calibrated: what that
    told, once it has Succeeded.
    """

    id: str
    key: Key
    revision: int
    status: OperationStatus
    created_at: float
    created_by: str
    ended_at: float | None = None
    error_code: str = ""
    error_message: str = ""
    fence: int = 0
    calibration: CalibrationSpec | None = None
    calibrated: Calibration | None = None


class Operations(Protocol):
    """Long-running operations and who works on them; leases as for jobs."""

    def add(self, operation: Operation) -> None:
        """Store a new one."""

    def get(self, id: str) -> Operation | None:
        """Give one, or None."""

    def claim_next(self, owner: Owner, *, lease_s: float) -> Operation | None:
        """Take the oldest running operation that is free or whose lease lapsed, fence + 1; None when none waits."""

    def held(self) -> Sequence[Holding]:
        """Give every running operation that has an owner (name is the id)."""

    def release(self, id: str, *, fence: int) -> None:
        """Let go of one whose owner ended, so that `claim_next` gives it again; nothing if the fence moved on."""

    def finish(
        self,
        id: str,
        *,
        fence: int,
        error_code: str = "",
        error_message: str = "",
        calibrated: Calibration | None = None,
        now: float,
    ) -> None:
        """End it: Succeeded without an error code, else Failed. Raises: LeaseLost."""

    def forget_calibrations(self, *, ended_before: float) -> None:
        """Delete calibrations that ended before a time: nobody asks for them any more."""


class Audit(Protocol):
    """The append-only list of mutations."""

    def append(self, entry: AuditEntry) -> None:
        """Add a row in this transaction."""

    def list(self, *, target: str | None = None, action: str | None = None, limit: int = 200) -> Sequence[AuditEntry]:
        """Give entries, newest first; target matches exactly."""


class Workspaces(Protocol):
    """The workspaces of the database; the same from within each of them. The default one is always there."""

    def get(self, scope: Scope) -> Workspace | None:
        """Give the one that a scope names, compared without case, or None."""

    def by_id(self, id: str) -> Workspace | None:
        """Give the one with this id, or None."""

    def list(self) -> Sequence[Workspace]:
        """Give all, by subscription, resource group and name, without case."""

    def save(self, workspace: Workspace) -> None:
        """Store a new one, or another state of the one with this id. Raises: Conflict when its names are taken."""

    def delete(self, id: str) -> None:
        """Take one out of sight; its rows stay under an id that nothing leads to any more."""

    def at_work(self) -> Sequence[Workspace]:
        """Give those with a job that is neither final nor paused, or with a running operation; one question for all."""


class Transaction(Protocol):
    """Everything of the database, in one transaction of one workspace. It cannot commit.

    scope: that workspace. No name, row or list of another one is met in it, except through `of`.
    """

    scope: Scope
    documents: Documents
    jobs: Jobs
    job_leases: JobLeases
    operations: Operations
    audit: Audit
    workspaces: Workspaces

    def of(self, workspace: Workspace) -> Transaction:
        """Give the same transaction in another workspace; one that writes waits for that one's writers, too."""


class Records(Protocol):
    """The database, seen from one workspace. Safe to use from several threads."""

    def of(self, workspace: Workspace) -> Records:
        """Give the same database seen from another workspace; costs nothing.

        Its `writing` raises NotFound when the workspace has been deleted.
        """

    def writing(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that may write; it waits for other writers, and commits when left without an exception.

        Raises: PlatformError when the database does not answer (locked for 30 s, unreachable, full disk).
        """

    def reading(self) -> AbstractContextManager[Transaction]:
        """Open a consistent view for reading; writing in it is an error."""

    def warm_up(self) -> None:
        """Do once, before forking, what each forked process would have to do for itself; changes nothing stored.

        Raises: PlatformError when the database does not answer.
        """

    def after_fork(self) -> None:
        """Forget connections inherited from a parent process; the first call of a forked child."""
