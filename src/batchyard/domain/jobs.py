"""Jobs: what was asked, frozen at invoke, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import reduce

from batchyard.domain.deployments import ExecutionSettings, Overrides, effective
from batchyard.domain.failures import FailureReport
from batchyard.domain.job_specs import CommandSpec, InputSource, ScoringSpec, Spec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.logged import Logged
from batchyard.domain.resource_ids import DatastorePath


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a consumer asked of an endpoint, before anything was decided.

    deployment_may_be_stale: see `routing.route`.
    request_id: the same id again gives the same job (Azure's repeatability_request-id), or None.
    job_name: wished name, or None for a made one. output_path: a folder, or with output_is_file a file's full path.
    """

    endpoint: str
    source: InputSource
    deployment: str | None = None
    deployment_may_be_stale: bool = False
    overrides: Overrides = field(default_factory=Overrides)
    job_name: str | None = None
    request_id: str | None = None
    output_path: DatastorePath | None = None
    output_is_file: bool = False
    experiment_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class ErrorClass(Enum):
    """Whose fault a failure is. All but platform are charged to items.

    contract: what an item is, or what was given for it, is not what the deployment's contracts say.
    """

    SCRIPT = "script"
    DATA = "data"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CONTRACT = "contract"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, with its first failing item. position: in the listing, None when no item is to blame.

    log: the log file to read, relative to the job's logs.
    """

    code: str
    message: str
    error_class: ErrorClass
    item: str | None = None
    position: int | None = None
    mini_batch: int | None = None
    exception: str = ""
    stack: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Items and mini-batches so far. succeeded + failed + skipped + incomplete = items, always.

    attempts: runs of mini-batches that ended, failed ones included. rows: lines of output. run_items: one `run()` was
    given at most so many items, for lack of memory; 0 when whole mini-batches.
    """

    items: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int = 0
    mini_batches: int = 0
    mini_batches_succeeded: int = 0
    mini_batches_failed: int = 0
    attempts: int = 0
    run_items: int = 0

    @property
    def incomplete(self) -> int:
        """Items neither scored nor given up (still to do, or cut off by an early end)."""
        return self.items - self.succeeded - self.failed - self.skipped

    @property
    def mini_batches_done(self) -> int:
        """Mini-batches that need no more work."""
        return self.mini_batches_succeeded + self.mini_batches_failed

    @property
    def outcome(self) -> str:
        """How many failed in words, `3 of 10 items failed`; "" when none did."""
        return f"{self.failed} of {self.items} items failed" if self.failed else ""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, told apart from every other one of any machine: ids are reused, start times are not.

    pid_space: within which `pid` means something, the boot of a host and a namespace of its processes (a container's).
    """

    pid_space: str
    pid: int
    start_ticks: int


class RerunKind(Enum):
    """What a run after the first one is for."""

    RESUME = "resume"  #: what is missing is scored; what failed for good stays so
    RETRY_FAILED = "retry-failed"  #: what is missing and what failed for good is scored


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run of a job ended, kept when the next one begins."""

    status: JobStatus
    counts: Counts
    phases: Mapping[str, float]
    error: JobError | None = None
    ledger_sha256: str | None = None
    failures: FailureReport | None = None


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run after the first one, asked for by hand. asked_at: seconds since the epoch, UTC.

    run: its number, from 2 on. overrides: laid over the settings of the run before it; the spec itself never changes.
    before: how the run before it ended. undone: how this one ended, when it came to nothing: a completed job whose
    failed items were tried again in vain is what it was before, with its output.
    """

    run: int
    kind: RerunKind
    asked_at: float
    asked_by: str
    before: RunEnd
    overrides: Overrides = field(default_factory=Overrides)
    undone: RunEnd | None = None


@dataclass(frozen=True, slots=True)
class StepOf:
    """Which step of which pipeline job a job is. job: the one right above it. name: of the step."""

    job: str
    name: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as recorded. Times are seconds since the epoch, UTC.

    phases: name of each phase entered by this run -> when (queued, preparing, running, scoring, finalizing, ended);
    scoring is a part of running, from the first worker that was ready.
    run: 1, and one more for each time it was taken up again, of which `reruns` tells, oldest first.
    generation: of the output that is published; 0 while there is none. is_archived: lists leave it out.
    step_of: None for a job that was asked for itself.
    pause_requested: it is to pause, and its owner is seeing to it.
    fence: grows with each owner. queue_reason: why it waits, "" when it does not.
    rate_items_s / eta_s: while running, from the engine; None when unknown. failures: in groups, without stacks.
    logged: what the script of a step logged through MLflow.
    step_key: the hash of all that a step's result follows from, once it is sealed; None where no equal step may use it.
    reused_from: the earlier job whose result this one has in the place of its own, None when it ran.
    """

    spec: Spec
    status: JobStatus
    created_at: float
    created_by: str
    counts: Counts = field(default_factory=Counts)
    phases: Mapping[str, float] = field(default_factory=dict)
    error: JobError | None = None
    run: int = 1
    fence: int = 0
    owner: Owner | None = None
    cancel_requested: bool = False
    pause_requested: bool = False
    request_id: str | None = None
    ledger_sha256: str | None = None
    listed_at: float | None = None
    rate_items_s: float | None = None
    eta_s: float | None = None
    failures: FailureReport = field(default_factory=FailureReport)
    queue_reason: str = ""
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    reruns: tuple[Rerun, ...] = ()
    generation: int = 0
    is_archived: bool = False
    step_of: StepOf | None = None
    logged: Logged = field(default_factory=Logged)
    step_key: str | None = None
    reused_from: str | None = None

    @property
    def scoring(self) -> ScoringSpec:
        """The spec of a job that scores; who asks knows that it does."""
        if not isinstance(self.spec, ScoringSpec):
            raise TypeError(f"job {self.name!r} scores nothing: it has a {type(self.spec).__name__}")
        return self.spec

    @property
    def command(self) -> CommandSpec:
        """The spec of a job that runs a command; who asks knows that it does."""
        if not isinstance(self.spec, CommandSpec):
            raise TypeError(f"job {self.name!r} runs no command: it has a {type(self.spec).__name__}")
        return self.spec

    @property
    def settings(self) -> ExecutionSettings:
        """The settings in force for this run of a job that scores: those of its spec, with what was changed when it was
        taken up again."""
        changes = [rerun.overrides for rerun in self.reruns if rerun.undone is None]
        return reduce(effective, changes, self.scoring.settings)

    @property
    def instance_count(self) -> int:
        """How many instances of its compute it holds while it runs; 0 for a pipeline, whose steps hold theirs."""
        return self.settings.instance_count if isinstance(self.spec, ScoringSpec) else self.spec.instance_count

    @property
    def name(self) -> str:
        """The job's name, unique in its workspace."""
        return self.spec.job

    @property
    def is_completed_with_errors(self) -> bool:
        """Whether it is published, but not for every item: the status alone does not tell (Azure has no such state)."""
        return is_completed_with_errors(self.status, self.counts)

    @property
    def began_at(self) -> float:
        """When this run was asked for; the last one that came to something."""
        return max([self.created_at, *(rerun.asked_at for rerun in self.reruns if rerun.undone is None)])

    @property
    def may_be_undone(self) -> bool:
        """Whether this run leaves the job as it was before, unless it completes: its output is there already."""
        last = self.reruns[-1] if self.reruns else None
        return last is not None and last.undone is None and last.before.status is JobStatus.COMPLETED


def is_completed_with_errors(status: JobStatus, counts: Counts) -> bool:
    """Whether a job that ended so has an output that lacks failed items."""
    return status is JobStatus.COMPLETED and counts.failed > 0


def taken_up_again(job: Job, kind: RerunKind, *, asked_by: str, now: float, overrides: Overrides | None = None) -> Job:
    """Give a final job as it is queued for its next run; name, spec, fence and what it counted stay."""
    before = RunEnd(job.status, job.counts, job.phases, job.error, job.ledger_sha256, job.failures)
    rerun = Rerun(job.run + 1, kind, now, asked_by, before, overrides or Overrides())
    return replace(
        job,
        status=JobStatus.QUEUED,
        run=rerun.run,
        reruns=(*job.reruns, rerun),
        phases={"queued": now},
        error=None,
        owner=None,
        cancel_requested=False,
        pause_requested=False,
        ledger_sha256=None,
        step_key=None,
        reused_from=None,
        rate_items_s=None,
        eta_s=None,
    )
