"""The way of a job that runs a command once: stage, run, seal its outputs, publish them, finish.

Runs in the job's own process, for one owner. An owner that ends before the outputs are sealed is followed by one that
runs the command again; after that nobody runs it again, and whoever comes publishes.
"""

from __future__ import annotations

import logging
import signal
from dataclasses import replace
from pathlib import Path

from batchyard.domain.errors import (
    BatchyardError,
    Conflict,
    InvalidInput,
    NotFound,
    PlatformError,
    SandboxUnavailable,
    ScriptError,
)
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError
from batchyard.engine.lease import Canceled, JobLease
from batchyard.engine.result_files import write_result
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.keys import look_at_inputs, step_key
from batchyard.engine.steps.logged import take_logged, tracking_variables
from batchyard.engine.steps.outputs import seal_outputs, unpublished
from batchyard.engine.steps.reuse import reused
from batchyard.engine.steps.sealed import publish_sealed
from batchyard.engine.steps.staging import BUILD_LOG, COMMAND_LOG, StagedCommand, stage_command
from batchyard.engine.tidy import tidy
from batchyard.ports.job_home import JobHome
from batchyard.ports.job_leases import JobChange
from batchyard.ports.step_process import StepPlan

log = logging.getLogger(__name__)

_KILLED = 128  # What a shell adds to the number of the signal that ended its command.


class _Ended(Exception):
    """The job ends before it has anything to publish."""

    def __init__(self, status: JobStatus, error: JobError | None = None) -> None:
        super().__init__(status.value)
        self.change = JobChange(status, error=error)


def run_command(rooms: Rooms, job: Job) -> None:
    """Take a claimed job to its end.

    Raises: LeaseLost when another process owns it now; PlatformError when the platform failed and a later owner should
    go on.
    """
    lease = JobLease(rooms.records, job, rooms.owner, monotonic=rooms.monotonic)
    lease.start()
    home = rooms.homes.open(job.name)
    try:
        sealed = job if job.status is JobStatus.FINALIZING else _run(rooms, job, lease, home)
        _finish(rooms, job, lease, home, publish_sealed(rooms, sealed, lease, home))
    except _Ended as exc:
        _finish(rooms, job, lease, home, exc.change)
    finally:
        lease.stop()


def _run(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> Job:
    """Stage and run the command and seal what it wrote. Raises: _Ended."""
    try:
        if job.fence > 1:  # The first owner has nobody before it; who is to end has no less to clear up.
            rooms.kill_left_overs(home.path("workers.jsonl"))
        lease.check_wish()
        sealed_before = unpublished(rooms, job, home)
        if sealed_before is not None:  # Outputs of it may stand at their places already, and fit no other run's.
            phases = {"finalizing": rooms.now()}
            return _advance(lease, JobChange(JobStatus.FINALIZING, phases=phases, ledger_sha256=sealed_before))
        looked = look_at_inputs(rooms, job, check=lease.check_wish)
        staged = _stage(rooms, job, lease, home)
        rooms.faults.reach("command.staged")
        key = step_key(job, staged.inputs, staged.build, looked, check=lease.check_wish)
        earlier = reused(rooms, job, home, key, check=lease.check_wish)
        if earlier is None:
            _advance(lease, JobChange(JobStatus.RUNNING, phases={"running": rooms.now()}))
            _execute(rooms, job, staged, lease, home)
            rooms.faults.reach("command.ended")
        sha256 = _seal(rooms, job, lease, home)
        rooms.faults.reach("command.sealed")
        change = JobChange(JobStatus.FINALIZING, phases={"finalizing": rooms.now()}, ledger_sha256=sha256, step_key=key)
        if earlier is not None:
            change = replace(change, reused_from=earlier.name, logged=earlier.logged)
        sealed = _advance(lease, change)
        rooms.faults.reach("command.finalizing")
        return sealed
    except Canceled:
        raise _Ended(JobStatus.CANCELED) from None


def _advance(lease: JobLease, change: JobChange) -> Job:
    """Take the job a step further. Raises: Canceled where a cancel came first; LeaseLost."""
    try:
        return lease.advance(change)
    except Conflict as exc:
        raise Canceled from exc


def _stage(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> StagedCommand:
    """Raises: Canceled; _Ended for what no later owner would fare better with; PlatformError."""
    try:
        return stage_command(rooms, job, home, meanwhile=lease.check_wish)
    except ScriptError as exc:
        raise _failed(exc.code, exc, ErrorClass.SCRIPT, log=BUILD_LOG) from exc
    except Conflict as exc:
        raise _failed("OutputConflict", exc, ErrorClass.DATA) from exc
    except (InvalidInput, NotFound) as exc:
        raise _failed("InputUnreadable", exc, ErrorClass.DATA) from exc


def _execute(rooms: Rooms, job: Job, staged: StagedCommand, lease: JobLease, home: JobHome) -> None:
    """Run the command to its end. Raises: Canceled; _Ended unless it exits with 0; LeaseLost; PlatformError."""
    try:
        process = rooms.start_step(_plan(rooms, job, staged, home))
    except InvalidInput as exc:
        raise _failed(exc.code, exc, ErrorClass.SCRIPT) from exc
    except SandboxUnavailable as exc:
        raise _failed(exc.code, exc, ErrorClass.PLATFORM) from exc
    timeout_s = job.command.timeout_s
    try:
        rooms.faults.reach("command.started")
        code = process.wait(timeout_s=timeout_s, meanwhile=lease.check_wish)
    finally:
        process.close()
    lines = "\n".join(process.last_lines())
    if code is None:
        message = f"The command ran for {timeout_s:g} s, which is its time limit, and was killed."
        error = JobError("StepTimedOut", message, ErrorClass.TIMEOUT, stack=lines, log=COMMAND_LOG)
    elif code:
        message = f"The command {_how(code)}."
        message += f" Its last lines:\n{lines}" if lines else " It printed nothing."
        error = JobError("CommandFailed", message, ErrorClass.SCRIPT, stack=lines, log=COMMAND_LOG)
    else:
        return
    raise _Ended(JobStatus.FAILED, error)


def _plan(rooms: Rooms, job: Job, staged: StagedCommand, home: JobHome) -> StepPlan:
    scratch, copies = home.path(f"scratch-{job.fence}"), home.path(f"inputs-{job.fence}")
    return StepPlan(
        job=job.name,
        python=staged.python,
        command=staged.command.text,
        code_dir=staged.code_dir,
        scratch_dir=scratch,
        log=rooms.logs_of(job.name) / COMMAND_LOG,
        log_cap_bytes=rooms.log_cap_bytes,
        sessions=home.path("workers.jsonl"),
        variables=staged.command.variables,
        environment_variables={**tracking_variables(job, scratch), **job.command.environment_variables},
        reads=tuple(path for path in staged.inputs.values() if not path.is_relative_to(copies)),
        writes=(home.path(f"outputs-{job.fence}"), copies),
    )


def _how(code: int) -> str:
    number = -code if code < 0 else code - _KILLED
    if number in signal.valid_signals():
        return f"was killed by signal {number} ({signal.Signals(number).name})"
    return f"exited with code {code}"


def _seal(rooms: Rooms, job: Job, lease: JobLease, home: JobHome) -> str:
    """Raises: Canceled; _Ended for outputs that cannot be published; LeaseLost; PlatformError."""
    rooms.faults.reach("command.sealing")
    try:
        return seal_outputs(job, home, check=lease.check_wish)
    except ScriptError as exc:
        raise _failed("OutputRefused", exc, ErrorClass.SCRIPT, log=COMMAND_LOG) from exc


def _failed(code: str, exc: BatchyardError, error_class: ErrorClass, *, log: str = "") -> _Ended:
    return _Ended(JobStatus.FAILED, JobError(code, str(exc), error_class, log=log))


def _finish(rooms: Rooms, job: Job, lease: JobLease, home: JobHome, change: JobChange) -> None:
    rooms.faults.reach("command.finish")
    lease.check()  # Whose command was killed by the next owner has nothing to tell.
    ended = replace(change, phases={"ended": rooms.now()}, logged=take_logged(rooms, job, home))
    try:
        write_result(_logs(rooms, lease.name), ended, has_items=False)
    except PlatformError as exc:  # The record is what counts.
        log.warning("result not written", extra={"job": lease.name, "reason": str(exc)})
    job = lease.advance(ended)
    log.info("job ended", extra={"job": job.name, "status": job.status.value})
    rooms.faults.reach("command.finished")
    tidy(rooms, job)


def _logs(rooms: Rooms, job: str) -> Path:
    return rooms.logs_of(job) / "logs"
