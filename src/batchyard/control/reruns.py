"""Taking a final job up again: what may be changed, and what must still be there; no verb of its own."""

from __future__ import annotations

from batchyard.control import invocations
from batchyard.domain.deployments import Overrides, effective, given, settings_mistakes
from batchyard.domain.errors import CallerError, Conflict, InvalidInput, Mistake
from batchyard.domain.job_specs import ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.scoring.budgets import Limits
from batchyard.ports.datastore import Datastores
from batchyard.ports.job_home import JobHomes
from batchyard.ports.records import Transaction

_RESUMABLE = (JobStatus.FAILED, JobStatus.CANCELED)
_RETRIABLE = (JobStatus.COMPLETED, *_RESUMABLE)
# In the home of a parallel step from the moment it begins to publish.
_BEGUN = ("manifest.json", "outputs")
_NOTHING_SUCCEEDED = "NoItemSucceeded"
# What the ledger rests on, and where the output was promised to go.
_FIXED = ("mini_batch_size", "mini_batch_max_bytes", "output_file_name", "output_format")


def check_resumable(job: Job) -> None:
    """Let a Failed or Canceled job pass. Raises: Conflict saying what its state allows instead."""
    if job.status not in _RESUMABLE:
        raise Conflict(
            f"Job {job.name!r} is {job.status.value}; only a Failed or Canceled job can be resumed. {_instead(job)}"
        )


def check_retriable(job: Job) -> None:
    """Let a final job with failed items pass. Raises: Conflict saying what there is to do instead."""
    if job.status not in _RETRIABLE:
        raise Conflict(f"Job {job.name!r} is {job.status.value}; its failed items are retried once it has ended.")
    if not isinstance(job.spec, ScoringSpec):
        raise Conflict(f"Job {job.name!r} scores no items, so that none can be retried. {_instead(job)}")
    if not job.counts.failed:
        instead = "" if job.status is JobStatus.COMPLETED else f" Resume it: `batchyard job resume -n {job.name}`."
        raise Conflict(f"Job {job.name!r} has no failed items.{instead}")


def check_own(job: Job) -> None:
    """Let a job pass that is taken up by itself. Raises: Conflict for what goes on with the pipeline around it."""
    if job.step_of is not None:
        raise Conflict(
            f"Job {job.name!r} is step {job.step_of.name!r} of the pipeline job {job.step_of.job!r}, and goes on with "
            f"that one: `batchyard job resume -n {job.step_of.job}`."
        )


def check_no_overrides(job: Job, overrides: Overrides) -> None:
    """Refuse settings for a job that has none. Raises: InvalidInput with every one."""
    allowed = "nothing: the steps of a pipeline run as they began"
    mistakes = [Mistake(name, repr(value), allowed) for name, value in given(overrides).items()]
    if mistakes:
        raise InvalidInput(f"Run {job.run + 1} of job {job.name!r}", mistakes)


def steps_to_take_up(tx: Transaction, job: Job, *, datastores: Datastores, homes: JobHomes) -> list[Job]:
    """Give the jobs of a pipeline's steps that have not done their work, inner ones too, each after the one around it.

    Raises: Conflict or InvalidInput where one of them cannot go on, as `check_places` does.
    """
    found: list[Job] = []
    for step in tx.jobs.steps_of(job.name).values():
        if step.status in _RESUMABLE:
            found.append(step)
            if isinstance(step.spec, ScoringSpec):
                check_places(step, datastores=datastores, homes=homes, is_resumed=True)
            found += steps_to_take_up(tx, step, datastores=datastores, homes=homes)
    return found


def check_overrides(tx: Transaction, job: Job, overrides: Overrides) -> None:
    """Let overrides pass that this job can be run with from here on. Raises: InvalidInput with every mistake."""
    settings = effective(job.settings, overrides)
    fixed = [(name, getattr(overrides, name)) for name in _FIXED if getattr(overrides, name) is not None]
    mistakes = [
        *(Mistake(name, repr(value), "nothing", "It was fixed when the job began.") for name, value in fixed),
        *settings_mistakes(settings, prefix=""),
        *invocations.compute_mistakes(tx, job.spec.compute, settings),
    ]
    if mistakes:
        raise InvalidInput(f"Run {job.run + 1} of job {job.name!r}", mistakes)


def check_hopeful(job: Job, overrides: Overrides) -> None:
    """Let a resume pass that would not end at once as the run before it did. Raises: Conflict."""
    settings = effective(job.settings, overrides)
    retry = f"Score the failed items again with `batchyard job retry-failed -n {job.name}`."
    if job.error is not None and job.error.code == _NOTHING_SUCCEEDED:
        raise Conflict(f"Job {job.name!r} has nothing left to score: all its items have failed for good. {retry}")
    counts = job.counts
    breach = Limits(settings, items=counts.items - counts.skipped, mini_batches=counts.mini_batches).breach(counts)
    if breach is not None:
        raise Conflict(
            f"Job {job.name!r} would fail again at once, since what failed for good stays failed: {breach.reason} "
            f"Tolerate more, such as with `--set error_threshold=-1 error_threshold_percent=100`. {retry}"
        )


def check_places(job: Job, *, datastores: Datastores, homes: JobHomes, is_resumed: bool = False) -> None:
    """See that the ledger is there, the input too, and the output's place free or held by what the job published.

    is_resumed: nothing that was scored is scored again. What a parallel step has begun to publish may stand at its
    places then; whether it is that, publishing it again tells by the bytes.
    Raises: Conflict naming what is gone or in the way; InvalidInput for an input that cannot be read.
    """
    if job.listed_at is not None and not homes.exists(job.name):
        raise Conflict(
            f"The home of job {job.name!r} is gone, and with it what it scored. Invoke the endpoint again instead."
        )
    if job.scoring.source.sealed is None:
        datastores.check_input(job.scoring.source)
    step = job.scoring.step
    try:
        if step is not None:
            home = homes.open(job.name) if is_resumed and homes.exists(job.name) else None
            may_be_own = home is not None and any(home.exists(name) for name in _BEGUN)
            for output in () if may_be_own else step.outputs.values():
                datastores.check_free(output.place, is_file=output.type is PortType.URI_FILE)
        elif job.generation:
            datastores.check_next(job.scoring.output, job=job.name, generation=job.generation + 1)
        else:
            datastores.check_output(job.scoring.output)
    except CallerError as exc:
        raise Conflict(
            f"Job {job.name!r} cannot publish where it was going to. {exc} Move that away, and repeat the command."
        ) from exc


def _instead(job: Job) -> str:
    if not isinstance(job.spec, ScoringSpec):
        return "" if job.status is JobStatus.COMPLETED else f"Resume it: `batchyard job resume -n {job.name}`."
    if job.status is JobStatus.COMPLETED:
        return f"Its failed items are scored again by `batchyard job retry-failed -n {job.name}`."
    return "It has not ended: watch it with `batchyard job stream`."
