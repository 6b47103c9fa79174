"""The way of a job, straight through the house: prepare, plan, score, seal, collect, finish.

Runs in the job's own process, for one owner. Whatever ends this process, the next owner goes on from the ledger.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from batchyard.domain.deployments import OutputAction, given
from batchyard.domain.errors import (
    Conflict,
    ContractBroken,
    InvalidInput,
    NotFound,
    PlatformError,
    SandboxUnavailable,
    ScriptError,
)
from batchyard.domain.failures import FailureReport, without_stacks
from batchyard.domain.item_names import item_text
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError, RerunKind
from batchyard.domain.scoring.ledger import Planned, Resumed, Verdict
from batchyard.domain.scoring.machine import Rules
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.progress_guard import no_progress_limit_s, run_timeout_s
from batchyard.domain.scoring.tally import Tally, job_error
from batchyard.engine.collect import Sealed, collect
from batchyard.engine.lease import Canceled, JobLease
from batchyard.engine.ledger_file import LedgerFile, extents, ledger_sha256
from batchyard.engine.overview import write_errors, write_overview, write_readme
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing, plan
from batchyard.engine.prepare import Staged, clear_run_folders, frozen_listing, prepare, worker_plan
from batchyard.engine.progress import ProgressWatch, named_failures
from batchyard.engine.result_files import write_result
from batchyard.engine.rooms import Rooms
from batchyard.engine.run_limits import recall, remember
from batchyard.engine.score import score
from batchyard.engine.sealed_ledger import first_failing_item, planned_of, read_sealed
from batchyard.engine.step_arguments import arguments_of, folders_to_write, inputs_in_place
from batchyard.engine.steps.models import check_models, register_models
from batchyard.engine.steps.parallel_reuse import key_to_seal, look, take_earlier
from batchyard.engine.steps.sealed import publish_sealed
from batchyard.engine.table_plan import plan_tables
from batchyard.engine.tidy import tidy
from batchyard.ports.instance import Instances, WorkerPlan
from batchyard.ports.job_home import JobHome
from batchyard.ports.job_leases import JobChange, Progress, Wish

log = logging.getLogger(__name__)


def run_job(rooms: Rooms, job: Job) -> None:
    """Take a claimed job to its end.

    Raises: LeaseLost when another process owns it now; PlatformError when the platform failed and a later owner should
    go on. Both leave the job as its ledger says, nothing half done.
    """
    lease = JobLease(rooms.records, job, rooms.owner, monotonic=rooms.monotonic)
    lease.start()
    home = rooms.homes.open(job.name)
    try:
        sealed: Job | None = job
        if job.status is not JobStatus.FINALIZING:
            if _is_refused(rooms, job, lease, home):
                return
            tally = _score(rooms, job, lease, home)
            sealed = tally if isinstance(tally, Job) else _end_run(rooms, job, lease, home, tally)
        if sealed is not None:
            _publish(rooms, sealed, lease, home)
    except SandboxUnavailable as exc:
        # Nor would that be mended by taking over; whoever mends it resumes the job.
        clear_run_folders(home, job.fence)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, error=JobError(exc.code, str(exc), ErrorClass.PLATFORM)))
    except ScriptError as exc:
        clear_run_folders(home, job.fence)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, error=JobError("OutputRefused", str(exc), ErrorClass.SCRIPT)))
    except (InvalidInput, NotFound) as exc:
        # The input went away or may not be read: no later owner would fare better.
        clear_run_folders(home, job.fence)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, error=JobError("InputUnreadable", str(exc), ErrorClass.DATA)))
    finally:
        lease.stop()


def _is_refused(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> bool:
    """End a job that would register a version which is there already, before anything more is scored."""
    try:
        check_models(rooms, job)
    except Conflict as exc:
        rooms.kill_left_overs(home.path("workers.jsonl"))
        error = JobError("OutputConflict", str(exc), ErrorClass.DATA)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, error=error))
        return True
    return False


def _end_run(rooms: Rooms, job: Job, lease: JobLease, home: JobHome, tally: Tally) -> Job | None:
    """Take what was scored to the record; give the sealed job when there is an output to publish."""
    remember(rooms, job, tally)
    is_paused = tally.verdict is None and _pause(rooms, lease, home, tally)
    return None if is_paused else _seal(rooms, job, lease, home, tally)


def _score(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> Tally | Job:
    """Prepare, plan and score, as far as the ledger does not have it already; give what it adds up to.

    Of a step that an earlier one has done, the job with its result, sealed.
    """
    step, places = job.scoring.step, dict[str, Path]()
    try:
        looked = None if step is None else look(rooms, job, lease, home)
        staged = prepare(rooms, job, meanwhile=lease.check_wish)
        if step is not None:
            places = inputs_in_place(rooms, job, staged, meanwhile=lease.check_wish)
            earlier = take_earlier(rooms, job, lease, home, places, build=staged.build, looked=looked)
            if earlier is not None:
                return earlier
    except Canceled:
        staged = None
    _write_readme(rooms, job)
    if staged is None or lease.wish is not Wish.GO_ON:
        tally = _without_workers(rooms, job, lease, home)
        clear_run_folders(home, job.fence)
        return tally
    instances = rooms.make_instances(_worker_plan(rooms, job, staged, places))
    try:
        # Workers import the script and run init() beside all that follows, until there is something to score.
        instances.start()
        rooms.faults.reach("workers.started")
        ledger = LedgerFile(home, job.fence, faults=rooms.faults, check=lease.check, resumed=_resumed(job))
        try:
            if ledger.tally.verdict is None:
                _plan_and_score(rooms, job, staged, ledger, lease, instances)
        finally:
            ledger.close()
    finally:
        instances.close(is_early=True)
    rooms.faults.reach("score.verdict")
    return ledger.tally


def _worker_plan(rooms: Rooms, job: Job, staged: Staged, places: Mapping[str, Path]) -> WorkerPlan:
    plan, step = worker_plan(rooms, job, staged), job.scoring.step
    if step is None:
        return plan
    return replace(
        plan,
        arguments=arguments_of(step, places),
        output_folders=folders_to_write(step),
        reads=(*plan.reads, *places.values()),
        has_tables=step.tables is not None,
    )


def _without_workers(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> Tally:
    """Give what the ledger of a job adds up to that is to end, or to pause, before this owner has begun."""
    if not home.list("ledger"):
        return _canceled_before_start() if lease.wish is Wish.CANCEL else Tally()
    ledger = LedgerFile(home, job.fence, faults=rooms.faults, check=lease.check, resumed=_resumed(job))
    try:
        if ledger.tally.verdict is None and lease.wish is Wish.CANCEL:
            ledger.write(_canceled())
    finally:
        ledger.close()
    return ledger.tally


def _pause(rooms: Rooms, lease: JobLease, home: JobHome, tally: Tally) -> bool:
    """Let go of a job that was asked to pause; what it has scored stays. False when a cancel came first."""
    clear_run_folders(home, lease.fence)  # What ends is tidied up in its end, when nobody waits any more.
    try:
        lease.advance(JobChange(JobStatus.PAUSED, counts=tally.counts, phases={"paused": rooms.now()}))
    except Conflict:
        return False
    log.info("job paused", extra={"job": lease.name})
    return True


def _plan_and_score(
    rooms: Rooms, job: Job, staged: Staged, ledger: LedgerFile, lease: JobLease, instances: Instances
) -> None:
    """List the input, unless an earlier owner has, and score until the ledger holds a verdict."""
    planned = planned_of(staged.home)
    if planned is None or planned.items == 0:
        planned = _plan(rooms, job, staged, meanwhile=instances.tend)
        lease.check()
        ledger.write(planned)
    if planned.items == 0:
        ledger.write(Verdict(JobStatus.FAILED.value, "EmptyInput", _empty(planned)))
        return
    if lease.wish is Wish.PAUSE:
        return
    instances.open_listing(frozen_listing(staged, planned))
    _advance_to_running(rooms, lease, ledger.tally, planned)
    watch = ProgressWatch(
        lease,
        ledger.tally,
        listing=staged.home.path(planned.listing),
        logs=rooms.logs_of(job.name) / "logs",
        monotonic=rooms.monotonic,
    )
    rules = replace(
        _rules(job, planned, open_cut(staged.home, planned)),
        run_items=recall(rooms, job),
        local_folder=rooms.local_folder,
    )
    score(
        rules,
        ledger,
        instances,
        lease,
        faults=rooms.faults,
        watch=watch,
        monotonic=rooms.monotonic,
        on_ready=partial(_enter_scoring, rooms, lease, is_first=not ledger.tally.counts.attempts),
    )


def _plan(rooms: Rooms, job: Job, staged: Staged, *, meanwhile: Callable[[], None]) -> Planned:
    step = job.scoring.step
    if step is not None and step.tables is not None:
        return plan_tables(rooms, job, staged, step.tables, meanwhile=meanwhile)
    return plan(rooms, job, staged, meanwhile=meanwhile)


def _enter_scoring(rooms: Rooms, lease: JobLease, *, is_first: bool) -> None:
    """Note when scoring began, where no earlier owner has scored a part."""
    if is_first:
        lease.enter("scoring", rooms.now())


def _empty(planned: Planned) -> str:
    if not planned.skipped:
        return "The input has no files."
    first = item_text(os.fsencode(planned.skipped_names[0]))
    return f"The input has no files, only {planned.skipped} pipes, sockets or devices, such as {first!r}."


def _write_readme(rooms: Rooms, job: Job) -> None:
    try:
        write_readme(rooms.logs_of(job.name) / "logs")
    except PlatformError as exc:  # A log never fails a job.
        log.warning("readme not written", extra={"job": job.name, "reason": str(exc)})


def _resumed(job: Job) -> Resumed | None:
    if not job.reruns:
        return None
    last = job.reruns[-1]
    return Resumed(job.run, given(last.overrides), retries_failed=last.kind is RerunKind.RETRY_FAILED)


def _advance_to_running(rooms: Rooms, lease: JobLease, tally: Tally, planned: Planned) -> None:
    phases = {"running": rooms.now()}
    change = JobChange(JobStatus.RUNNING, counts=tally.counts, phases=phases, listed_at=planned.listed_at)
    try:
        lease.advance(change)
    except Conflict:
        log.info("cancel came first", extra={"job": lease.name})  # The next renewal tells the scoring loop.


def _rules(job: Job, planned: Planned, cut: Cut) -> Rules:
    settings = job.settings
    return Rules(
        cut=cut,
        max_attempts=settings.retry.max_retries + 1,
        error_threshold=settings.error_threshold,
        mini_batch_error_threshold=settings.mini_batch_error_threshold,
        error_threshold_percent=settings.error_threshold_percent,
        allowed_failed_percent=settings.allowed_failed_percent,
        is_speculative=settings.speculative,
        no_progress_timeout_s=no_progress_limit_s(settings),
        run_timeout_s=run_timeout_s(settings),
        max_duration_s=settings.max_duration_s,
        one_by_one=settings.output_action is OutputAction.SUMMARY_ONLY,
        isolates=settings.isolate_failing_items,
        isolates_short=settings.isolate_failing_items and settings.output_action is OutputAction.APPEND_ROW,
        slots=settings.instance_count * settings.max_concurrency_per_instance,
        heaviest=planned.heaviest,
    )


def _seal(rooms: Rooms, job: Job, lease: JobLease, home: JobHome, tally: Tally) -> Job | None:
    """Take the verdict to the record; give the sealed job when there is an output to publish.

    Completed: Running -> Finalizing with the ledger's hash, after which the ledger never changes. A cancel that came
    first wins: the row says CancelRequested, and the job ends Canceled.
    """
    verdict = tally.verdict or Verdict(JobStatus.CANCELED.value)
    if verdict.status == JobStatus.COMPLETED.value:
        rooms.faults.reach("seal.before")
        change = JobChange(
            JobStatus.FINALIZING,
            counts=tally.counts,
            phases={"finalizing": rooms.now()},
            ledger_sha256=ledger_sha256(home, extents(home)),
            step_key=None if job.scoring.step is None else key_to_seal(job, home, tally.counts),
        )
        try:
            sealed = lease.advance(change)
        except Conflict:
            verdict = _canceled()
        else:
            rooms.faults.reach("seal.after")
            return sealed
    error = job_error(tally, item_names=first_failing_item(home, tally))
    failures = _named_failures(home, tally)
    _finish(rooms, lease, JobChange(JobStatus(verdict.status), counts=tally.counts, error=error, failures=failures))
    return None


def _publish(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> None:
    """Publish the sealed ledger and end the job; a place that was taken meanwhile fails it, with everything kept."""
    if job.reused_from is not None:
        _finish(rooms, lease, replace(publish_sealed(rooms, job, lease, home), counts=job.counts))
        return
    sealed = read_sealed(home, job)
    if sealed is None:
        message = "The ledger of the job is not the one that was sealed; the disk has lost or changed it."
        error = JobError("LedgerDamaged", message, ErrorClass.PLATFORM)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, counts=job.counts, error=error))
        return
    lease.check()
    failures = named_failures(sealed.tally, home.path(sealed.planned.listing))
    try:
        collect(rooms, job, home, sealed)
        register_models(rooms, job)
    except Conflict as exc:
        error = JobError("OutputConflict", str(exc), ErrorClass.DATA)
        _finish(rooms, lease, JobChange(JobStatus.FAILED, counts=sealed.tally.counts, error=error, failures=failures))
        return
    except ContractBroken as exc:
        _finish(rooms, lease, _refused(home, sealed, exc, failures))
        return
    counts, generation = sealed.tally.counts, job.generation + 1
    _finish(rooms, lease, JobChange(JobStatus.COMPLETED, counts=counts, failures=failures, generation=generation))


def _refused(home: JobHome, sealed: Sealed, exc: ContractBroken, failures: FailureReport) -> JobChange:
    """The end of a job whose rows, taken together, break the deployment's contract: all of them stay in its home."""
    with closing(Listing(home.path(sealed.planned.listing))) as listing:
        item = listing.name(exc.position)
    error = JobError(
        exc.code, str(exc), ErrorClass.CONTRACT, item, exc.position, mini_batch=exc.mini_batch, exception=exc.error
    )
    return JobChange(JobStatus.FAILED, counts=sealed.tally.counts, error=error, failures=failures)


def _finish(rooms: Rooms, lease: JobLease, change: JobChange) -> None:
    rooms.faults.reach("finish.before")
    told = None if change.failures is None else without_stacks(change.failures)
    ended = replace(change, phases={"ended": rooms.now()}, failures=told)
    try:
        if change.status is JobStatus.COMPLETED or not lease.may_be_undone:
            _write_logs(rooms.logs_of(lease.name) / "logs", lease.name, change)
    except PlatformError as exc:  # The record is what counts; a job that is published must not be published again.
        log.warning("result not written", extra={"job": lease.name, "reason": str(exc)})
    job = lease.advance(ended)
    log.info("job ended", extra={"job": job.name, "status": job.status.value})
    rooms.faults.reach("finish.after")
    tidy(rooms, job)


def _write_logs(logs: Path, job: str, ended: JobChange) -> None:
    report = ended.failures or FailureReport()
    write_result(logs, ended)
    write_overview(logs, job, ended.status.value, Progress(ended.counts), report, ran_s=None)
    write_errors(logs, report)


def _named_failures(home: JobHome, tally: Tally) -> FailureReport:
    planned = planned_of(home)
    return FailureReport() if planned is None else named_failures(tally, home.path(planned.listing))


def _canceled_before_start() -> Tally:
    tally = Tally()
    tally.apply(_canceled())
    return tally


def _canceled() -> Verdict:
    return Verdict(JobStatus.CANCELED.value, "Canceled", "cancelled by request")
