"""Jobs: invoked, shown, listed, edited, cancelled, paused, continued, resumed, retried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batchyard.control import audit, invocations, pinned_paths, registry, reruns
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.deployments import Overrides, given
from batchyard.domain.errors import Conflict, NotFound, PlaceRefused, near_names
from batchyard.domain.job_notes import JobEdit, changed_fields, edited, notes_of
from batchyard.domain.job_specs import PipelineSpec, ScoringSpec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Invocation, Job, RerunKind, taken_up_again
from batchyard.ports.datastore import Datastores
from batchyard.ports.job_home import JobHomes
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import JobFilter, Page, Transaction
from batchyard.ports.tables import Tables

_ON_THE_WAY = (JobStatus.PREPARING, JobStatus.RUNNING)


def invoke(
    tx: Transaction,
    caller: Caller,
    invocation: Invocation,
    *,
    datastores: Datastores,
    tables: Tables,
    now: float,
    new_name: str,
    reason: str = "",
    ticket: str = "",
) -> Job:
    """Route an invocation, check and freeze everything a run depends on, reserve the output, and queue the job.

    new_name: for the job when the invocation wishes none. The same request id on the same endpoint gives the same
    job again, whatever became of the endpoint since. `file://` inputs are for the owner of the home alone.
    Raises: Forbidden; NotFound for the endpoint or the named deployment; CallerError when there is no default;
    Conflict (no revision can serve, output exists or is reserved, job name taken); InvalidInput with every mistake.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    known = tx.jobs.by_request(invocation.endpoint, invocation.request_id) if invocation.request_id else None
    if known is not None:
        return known
    route, served = invocations.reach(tx, invocation)
    invocations.refuse_taken(tx, invocation.job_name)
    spec = invocations.freeze(
        tx, caller, invocation, route, served, datastores=datastores, tables=tables, new_name=new_name
    )
    job = Job(
        spec=spec,
        status=JobStatus.QUEUED,
        created_at=now,
        created_by=caller.name,
        phases={"queued": now},
        request_id=invocation.request_id or None,
        display_name=spec.job,
        tags=invocation.tags,
    )
    tx.jobs.add(job)
    details = {"endpoint": spec.endpoint, "deployment": spec.deployment, "revision": str(spec.deployment_revision)}
    act = audit.Act(caller.name, Action.ENDPOINT_INVOKE, now, reason, ticket, details)
    audit.record(tx, act, audit.job_target(job.name), before=None, after=spec)
    return job


def note_refusal(
    tx: Transaction, caller: Caller, endpoint: str, refused: PlaceRefused, *, now: float, reason: str, ticket: str
) -> None:
    """Append the audit row of an invocation that was refused for where it would publish to. Raises: Forbidden."""
    authorise(caller, Action.ENDPOINT_INVOKE)
    act = audit.Act(caller.name, Action.ENDPOINT_INVOKE, now, reason, ticket, {"refused": str(refused)})
    audit.record(tx, act, audit.target(registry.endpoint_key(endpoint)), before=None, after=None)


def get(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job. Raises: Forbidden; NotFound naming near ones of the newest."""
    authorise(caller, Action.JOB_READ)
    return _load(tx, name)


def list_jobs(
    tx: Transaction, caller: Caller, which: JobFilter, *, limit: int = 50, token: str | None = None
) -> Page[Job]:
    """Give a page of jobs, newest first; those of a deleted endpoint too.

    Raises: Forbidden; NotFound when the filter names an endpoint that does not exist and left no jobs.
    """
    authorise(caller, Action.JOB_READ)
    page = tx.jobs.list(which, limit=limit, token=token)
    if which.endpoint is not None and not page.items and token is None:
        registry.load_endpoint(tx, which.endpoint)
    return page


def steps(tx: Transaction, caller: Caller, name: str) -> list[Job]:
    """Give the jobs of the steps of a pipeline job that have begun, no inner ones. Raises: Forbidden; NotFound."""
    authorise(caller, Action.JOB_READ)
    return list(tx.jobs.steps_of(_load(tx, name).name).values())


def read_logs(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job whose logs the caller may read. Raises: Forbidden; NotFound."""
    authorise(caller, Action.JOB_READ_LOGS)
    return _load(tx, name)


def read_output(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job whose output (or committed rows) the caller may read. Raises: Forbidden; NotFound."""
    authorise(caller, Action.JOB_READ_OUTPUT)
    return _load(tx, name)


def read_rows(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job of whose rows the caller may know what made them.

    Raises: Forbidden; NotFound; Conflict for one that scores nothing: it has no rows.
    """
    job = read_output(tx, caller, name)
    _refuse_unscored(job)
    return job


def read_partial(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job whose committed rows the caller may read before there is an output, or instead of one.

    Raises: Forbidden; NotFound; Conflict for one that is completed: its output is whole.
    """
    job = read_rows(tx, caller, name)
    if job.status is JobStatus.COMPLETED:
        raise Conflict(f"Job {name!r} is Completed: its output is whole. Download it without `--partial`.")
    return job


def read_ended(tx: Transaction, caller: Caller, name: str) -> Job:
    """Give a job that has ended, whose output the caller may read, to be looked at as a whole.

    Raises: Forbidden; NotFound; Conflict for one that goes on: what there is of it changes.
    """
    job = read_rows(tx, caller, name)
    if job.status not in FINAL:
        raise Conflict(f"Job {name!r} is {job.status.value}: what there is of it still changes. Wait for its end.")
    return job


def edit(
    tx: Transaction, caller: Caller, name: str, change: JobEdit, *, now: float, reason: str = "", ticket: str = ""
) -> Job:
    """Change what is written on a job, or archive it, whatever its status; a change of nothing leaves no audit row.

    Raises: Forbidden; NotFound.
    """
    authorise(caller, Action.JOB_WRITE)
    before = _load(tx, name)
    notes, after_notes = notes_of(before), edited(notes_of(before), change)
    changed = changed_fields(notes, after_notes)
    if not changed:
        return before
    after = tx.jobs.annotate(name, after_notes)
    details = {
        "changed": ", ".join(changed),
        **({"is_archived": str(after.is_archived).lower()} if "is_archived" in changed else {}),
    }
    act = audit.Act(caller.name, Action.JOB_WRITE, now, reason, ticket, details)
    audit.record(tx, act, audit.job_target(name), before=notes, after=after_notes)
    return after


def cancel(tx: Transaction, caller: Caller, name: str, *, now: float, reason: str = "", ticket: str = "") -> Job:
    """Ask a running job to end, or end a queued one at once; asking again changes nothing.

    Raises: Forbidden; NotFound; Conflict when it is sealed, or final in another way than Canceled.
    """
    authorise(caller, Action.JOB_CANCEL)
    before = _load(tx, name)
    after = tx.jobs.request_cancel(name, now=now)
    act = audit.Act(caller.name, Action.JOB_CANCEL, now, reason, ticket)
    return _recorded(tx, act, before, after)


def pause(tx: Transaction, caller: Caller, name: str, *, now: float, reason: str = "", ticket: str = "") -> Job:
    """Ask a running job to pause, or pause a queued one at once; asking again changes nothing.

    A running job lets the mini-batches end that run, gives its instances back, and is Paused then.
    Raises: Forbidden; NotFound; Conflict when it is sealed, to be cancelled, or final, or when it scores nothing.
    """
    authorise(caller, Action.JOB_PAUSE)
    before = _load(tx, name)
    if not isinstance(before.spec, ScoringSpec):
        what = "runs a pipeline" if isinstance(before.spec, PipelineSpec) else "runs a command"
        raise Conflict(
            f"Job {name!r} {what} and cannot be paused: only scoring stops between two mini-batches. Cancel it; "
            f"`batchyard job resume` then runs what has not finished."
        )
    after = tx.jobs.request_pause(name, now=now)
    act = audit.Act(caller.name, Action.JOB_PAUSE, now, reason, ticket)
    return _recorded(tx, act, before, after)


def continue_(tx: Transaction, caller: Caller, name: str, *, now: float, reason: str = "", ticket: str = "") -> Job:
    """Queue a paused job again, to go on from its ledger.

    Raises: Forbidden; NotFound; Conflict when it is not Paused (yet).
    """
    authorise(caller, Action.JOB_CONTINUE)
    before = _load(tx, name)
    after = tx.jobs.continue_paused(name, now=now)
    act = audit.Act(caller.name, Action.JOB_CONTINUE, now, reason, ticket)
    return _recorded(tx, act, before, after)


def resume(
    tx: Transaction,
    caller: Caller,
    name: str,
    *,
    overrides: Overrides,
    datastores: Datastores,
    homes: JobHomes,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Job:
    """Queue a Failed or Canceled job for another run, which goes on from its ledger; its output is reserved again.

    overrides: settings to run with from here on; name and spec stay. Of a pipeline the steps that have not done their
    work are taken up again; what has finished is not run a second time.
    Raises: Forbidden; NotFound; InvalidInput with every mistake; Conflict (its state, its output's place, its home).
    """
    authorise(caller, Action.JOB_RESUME)
    before = _load(tx, name)
    reruns.check_resumable(before)
    reruns.check_own(before)
    if isinstance(before.spec, PipelineSpec):
        reruns.check_no_overrides(before, overrides)
        steps = reruns.steps_to_take_up(tx, before, datastores=datastores, homes=homes)
        return _resume_pipeline(tx, audit.Act(caller.name, Action.JOB_RESUME, now, reason, ticket), before, steps)
    reruns.check_overrides(tx, before, overrides)
    reruns.check_hopeful(before, overrides)
    reruns.check_places(before, datastores=datastores, homes=homes)
    pinned_paths.check_again(tx, before)
    act = audit.Act(caller.name, Action.JOB_RESUME, now, reason, ticket)
    return _taken_up(tx, act, before, RerunKind.RESUME, overrides)


def retry_failed(
    tx: Transaction,
    caller: Caller,
    name: str,
    *,
    overrides: Overrides,
    datastores: Datastores,
    homes: JobHomes,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Job:
    """Queue a job that has ended for another run, which scores its failed items again, and what is missing.

    A completed one publishes its output whole as the next generation, or stays as it is when the run comes to nothing.
    Raises: Forbidden; NotFound; InvalidInput with every mistake; Conflict (its state, its output's place, its home).
    """
    authorise(caller, Action.JOB_RETRY_FAILED)
    before = _load(tx, name)
    reruns.check_retriable(before)
    reruns.check_overrides(tx, before, overrides)
    reruns.check_places(before, datastores=datastores, homes=homes)
    pinned_paths.check_again(tx, before)
    act = audit.Act(caller.name, Action.JOB_RETRY_FAILED, now, reason, ticket)
    return _taken_up(tx, act, before, RerunKind.RETRY_FAILED, overrides)


def _taken_up(tx: Transaction, act: audit.Act, before: Job, kind: RerunKind, overrides: Overrides) -> Job:
    after = taken_up_again(before, kind, asked_by=act.actor, now=act.now, overrides=overrides)
    tx.jobs.take_up_again(after)
    changed = {key: str(value) for key, value in given(overrides).items()}
    details = {"status_before": before.status.value, "run": str(after.run), **changed}
    audit.record(tx, replace(act, details=details), audit.job_target(before.name), before=before, after=after)
    return after


def _resume_pipeline(tx: Transaction, act: audit.Act, before: Job, steps: Sequence[Job]) -> Job:
    for job in (*steps, before):
        after = _taken_up(tx, act, job, RerunKind.RESUME, Overrides())
        if isinstance(job.spec, PipelineSpec):
            # Its steps are queued already: a cancel has to reach them, so that it waits for nothing itself.
            changes = [JobChange(status, phases={status.value.lower(): act.now}) for status in _ON_THE_WAY]
            after = tx.jobs.advance_pipeline(job.name, changes)
    return after


def _recorded(tx: Transaction, act: audit.Act, before: Job, after: Job) -> Job:
    """Append the audit row of a request that changed something, and give the job."""
    if (after.status, after.pause_requested) != (before.status, before.pause_requested):
        details = {"status_before": before.status.value, "status_after": after.status.value}
        audit.record(tx, replace(act, details=details), audit.job_target(before.name), before=before, after=after)
    return after


def _refuse_unscored(job: Job) -> None:
    if not isinstance(job.spec, ScoringSpec):
        raise Conflict(
            f"Job {job.name!r} scores nothing itself and has no rows. Name a job of a model, or a parallel step."
        )


def _load(tx: Transaction, name: str) -> Job:
    job = tx.jobs.get(name)
    if job is None:
        # Jobs are many and mostly named by chance: any few of them that are not near would help nobody.
        near = near_names(name, [known.name for known in tx.jobs.list(JobFilter()).items])
        hint = f" Known: {', '.join(map(repr, near))}." if near else ""
        raise NotFound(f"The job {name!r} does not exist.{hint}")
    return job
