"""Pipeline jobs, taken from step to step: the engine's side of a pipeline.

How far one is, its row and those of its steps tell; no process belongs to it. So whoever asks again after any
crash finds what is still to be done, and a step that has begun never begins a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from batchyard.control import audit, definitions
from batchyard.control.step_specs import spec_of
from batchyard.domain.access import Action
from batchyard.domain.errors import CallerError, Mistake
from batchyard.domain.job_specs import PipelineSpec, Spec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError, StepOf
from batchyard.domain.pipelines.components import Signature
from batchyard.domain.pipelines.definitions import Definition, PipelineDefinition
from batchyard.domain.pipelines.graphs import Graph, StepGraph
from batchyard.domain.pipelines.progress import NOT_DONE, Moves, next_moves
from batchyard.domain.resource_ids import Reference
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import Transaction

STEP_FAILED, STEP_CANNOT_BEGIN, UNREADABLE = "StepFailed", "StepCannotBegin", "PipelineUnreadable"
# Each costs milliseconds, and the leases of running jobs are not renewed meanwhile: the rest begins with the next look.
MOST_AT_ONCE = 20
_LONGEST_LIST = 5
# The states on the way to one, for a pipeline of which nothing but its steps has to be done.
_WAYS: Mapping[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.RUNNING: (JobStatus.QUEUED, JobStatus.PREPARING, JobStatus.RUNNING),
    JobStatus.COMPLETED: (
        JobStatus.QUEUED,
        JobStatus.PREPARING,
        JobStatus.RUNNING,
        JobStatus.FINALIZING,
        JobStatus.COMPLETED,
    ),
}


def is_due(tx: Transaction, job: Job, *, read: definitions.Read) -> bool:
    """Tell whether `advance` would change anything; to be asked in a transaction that only reads."""
    return bool(_Run.of(tx, job, read=read).moves())


def advance(
    tx: Transaction, name: str, *, read: definitions.Read, new_name: Callable[[], str], now: float
) -> Job | None:
    """Take a pipeline job as far as it goes now: begin the steps that are ready, cancel steps, or end it.

    Whatever it is that cannot begin or be read ends the job as Failed, told in its record, once no step is at work.
    Returns: the job; None when there is none that is still at work.
    """
    job = tx.jobs.get(name)
    if job is None or job.status in FINAL or not isinstance(job.spec, PipelineSpec):
        return None
    run = _Run.of(tx, job, read=read)
    moves = run.moves()
    try:
        for step in moves.begin[:MOST_AT_ONCE]:
            _begin(tx, job, _child(job, step, run.spec_of(tx, step, job=new_name()), now=now), now=now)
    except CallerError as exc:
        error = JobError(STEP_CANNOT_BEGIN, str(exc), ErrorClass.SCRIPT)
        run = replace(_Run.of(tx, job, read=read), error=error)
        moves = run.moves()
    return _carry_out(tx, run, moves, now=now)


def give_up(tx: Transaction, name: str, why: str, *, now: float) -> Job | None:
    """End a pipeline job that cannot be advanced for a fault of ours; its steps are cancelled first.

    Returns: the job; None when there is none that is still at work.
    """
    job = tx.jobs.get(name)
    if job is None or job.status in FINAL or not isinstance(job.spec, PipelineSpec):
        return None
    error = job.error or JobError(UNREADABLE, f"The pipeline cannot be taken on: {why}", ErrorClass.PLATFORM)
    run = _Run(job, job.spec, None, tx.jobs.steps_of(name), error, _read_nothing)
    return _carry_out(tx, run, run.moves(), now=now)


def _carry_out(tx: Transaction, run: _Run, moves: Moves, *, now: float) -> Job:
    for step in moves.cancel:
        _cancel(tx, run, run.steps[step], now=now)
    changes = run.changes(moves, now=now)
    return tx.jobs.advance_pipeline(run.job.name, changes) if changes else run.job


def _read_nothing(spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:  # noqa: ARG001
    return None, []


@dataclass(frozen=True, slots=True)
class _Run:
    """A pipeline job as it stands. definition: None where it cannot be read; error then says why.

    error: why it is to end as Failed whatever its steps do, None while it is not.
    """

    job: Job
    spec: PipelineSpec
    definition: PipelineDefinition | None
    steps: Mapping[str, Job]
    error: JobError | None
    read: definitions.Read

    @staticmethod
    def of(tx: Transaction, job: Job, *, read: definitions.Read) -> _Run:
        """Read what there is of a pipeline job."""
        spec = job.spec
        if not isinstance(spec, PipelineSpec):
            raise TypeError(f"job {job.name!r} is of no pipeline")
        steps = tx.jobs.steps_of(job.name)
        id = Reference("components", spec.component.name, spec.component.version)
        definition = definitions.definition_at(tx, id, read=read)
        if isinstance(definition, PipelineDefinition):
            return _Run(job, spec, definition, steps, job.error, read)
        why = str(definition) if isinstance(definition, Mistake) else f"{spec.component} is no pipeline component."
        return _Run(job, spec, None, steps, job.error or JobError(UNREADABLE, why, ErrorClass.SCRIPT), read)

    def moves(self) -> Moves:
        """Say what is to be done."""
        nodes = self.definition.steps if self.definition is not None else {}
        signature = self.definition.signature if self.definition is not None else Signature()
        return next_moves(
            Graph(signature, {name: StepGraph(None, step.inputs, step.outputs) for name, step in nodes.items()}),
            {name: step.status for name, step in self.steps.items()},
            continue_on_step_failure=self.spec.settings.continue_on_step_failure,
            cancel_requested=self.job.cancel_requested,
            given_up=self.error is not None,
        )

    def spec_of(self, tx: Transaction, step: str, *, job: str) -> Spec:
        """Freeze a step that begins. Raises: CallerError."""
        if self.definition is None:
            raise TypeError(f"the definition of job {self.job.name!r} cannot be read")
        return spec_of(tx, self.spec, self.definition, step, job=job, steps=self.steps, read=self.read)

    def changes(self, moves: Moves, *, now: float) -> list[JobChange]:
        """Give the changes of the pipeline's own row that the moves bring about."""
        if moves.end is JobStatus.CANCELED:
            return [JobChange(JobStatus.CANCELED, phases={"ended": now})]
        if moves.end is JobStatus.FAILED:
            return [JobChange(JobStatus.FAILED, phases={"ended": now}, error=self._error())]
        if moves.end is not None or moves.begin:
            return self._way(moves.end or JobStatus.RUNNING, now=now)
        if moves.cancel and not self.job.cancel_requested and self.job.error is None:
            # Kept now: once the others are cancelled, it could no longer be told what was first.
            return [*self._way(JobStatus.RUNNING, now=now), JobChange(JobStatus.RUNNING, error=self._error())]
        return []

    def _way(self, to: JobStatus, *, now: float) -> list[JobChange]:
        way = _WAYS[to]
        rest = way[way.index(self.job.status) + 1 :] if self.job.status in way else ()
        return [
            JobChange(status, phases={"ended" if status in FINAL else status.value.lower(): now}) for status in rest
        ]

    def _error(self) -> JobError:
        """Say why the pipeline fails: the first step that did, and which others."""
        if self.error is not None:
            return self.error
        failed = {name: step for name, step in self.steps.items() if step.status is JobStatus.FAILED}
        failed = failed or {name: step for name, step in self.steps.items() if step.status in NOT_DONE}
        if not failed:
            return JobError(UNREADABLE, "No step that is left can begin.", ErrorClass.PLATFORM)
        (name, first), *others = failed.items()
        names = ", ".join(repr(other) for other, _ in others[:_LONGEST_LIST])
        more = ", …" if len(others) > _LONGEST_LIST else ""
        told = f" So did {names}{more}." if others else ""
        why = first.error.message if first.error is not None else "it was cancelled."
        message = f"Step {name!r} ({first.name}) {first.status.value.lower()}: {why}{told}"
        known = first.error or JobError(STEP_FAILED, "", ErrorClass.PLATFORM)
        return replace(known, code=STEP_FAILED, message=message)


def _child(pipeline: Job, step: str, spec: Spec, *, now: float) -> Job:
    return Job(
        spec=spec,
        status=JobStatus.QUEUED,
        created_at=now,
        created_by=pipeline.created_by,
        phases={"queued": now},
        display_name=step,
        tags=pipeline.tags,
        step_of=StepOf(pipeline.name, step),
    )


def _begin(tx: Transaction, pipeline: Job, child: Job, *, now: float) -> None:
    tx.jobs.add(child)
    details = {"pipeline": pipeline.name, "step": child.display_name}
    act = audit.Act(pipeline.created_by, Action.ENDPOINT_INVOKE, now, details=details)
    audit.record(tx, act, audit.job_target(child.name), before=None, after=child.spec)


def _cancel(tx: Transaction, run: _Run, child: Job, *, now: float) -> None:
    after = tx.jobs.request_cancel(child.name, now=now)
    if after.status is child.status:
        return
    why = "the pipeline was cancelled" if run.job.cancel_requested else "the pipeline has failed"
    details = {"pipeline": run.job.name, "step": child.display_name}
    details |= {"status_before": child.status.value, "status_after": after.status.value}
    act = audit.Act(run.job.created_by, Action.JOB_CANCEL, now, why, details=details)
    audit.record(tx, act, audit.job_target(child.name), before=child, after=after)
