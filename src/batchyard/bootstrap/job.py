"""One job in a process of its own, forked by the engine: a crash or a leak stays inside one job."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import NoReturn

from batchyard.bootstrap.log_lines import JsonLines
from batchyard.bootstrap.process_identity import this_process
from batchyard.domain.errors import BatchyardError, LeaseLost, PlatformError
from batchyard.domain.job_specs import CommandSpec
from batchyard.domain.jobs import Job
from batchyard.engine.calibrate import calibrate
from batchyard.engine.claim import note_end, note_stop
from batchyard.engine.job_run import run_job
from batchyard.engine.provision import provision
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.command_run import run_command
from batchyard.engine.tidy import tidy_after_crash
from batchyard.ports.records import Operation

log = logging.getLogger(__name__)

DONE, LOST, BROKEN = 0, 3, 75
_PR_SET_PDEATHSIG = 1


def fork(
    rooms: Rooms, run: Callable[[Rooms], None], *, leave: Callable[[], None], ends_with_parent: bool = False
) -> int:
    """Fork a child that runs `run` with its own identity and connections, and give its pid.

    leave: lets go of what only the parent may hold (its lock). ends_with_parent: whether it is told to end when this
    process dies; without it the child goes on, for others to find. The child exits DONE, LOST (somebody else owns the
    work) or BROKEN (the platform failed; the engine has it taken over).
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        leave()
        os.setsid()
        signal.signal(signal.SIGTERM, _exit)
        if ends_with_parent:
            _end_with(parent)
        rooms.records.after_fork()
        run(replace(rooms, owner=this_process()))
        code = DONE
    except LeaseLost as exc:
        log.warning("lease lost", extra={"reason": str(exc)})
        code = LOST
    except BatchyardError as exc:
        log.error("work interrupted", extra={"reason": str(exc)})
    except SystemExit:
        log.info("work stopped")
    except BaseException:
        log.exception("work crashed")
    finally:
        _leave(code)


def _end_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent dies, and end now if it already has."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(BROKEN)


def _leave(code: int) -> NoReturn:
    """End here, whatever a full disk or a signal does to the last lines: whoever returned would be a second engine."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def job_child(job: Job) -> Callable[[Rooms], None]:
    """Give what the process of a job does."""

    def run(rooms: Rooms) -> None:
        path = rooms.logs_of(job.name) / "logs" / "sys" / "job.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path)
        handler.setFormatter(JsonLines("job"))
        logging.getLogger().addHandler(handler)
        try:
            if isinstance(job.spec, CommandSpec):
                run_command(rooms, job)
            else:
                run_job(rooms, job)
        except SystemExit:
            note_stop(rooms, job)
            raise
        except (PlatformError, OSError) as exc:
            note_end(rooms, job, str(exc))
            raise

    return run


def operation_child(operation: Operation) -> Callable[[Rooms], None]:
    """Give what the process of an operation does."""
    spec = operation.calibration
    if spec is not None:
        return lambda rooms: calibrate(rooms, operation, spec)

    def run(rooms: Rooms) -> None:
        path = rooms.logs_of(f"operation-{operation.id}") / "build.txt"
        with open(path, "a", buffering=1) as out:
            provision(rooms, operation, out)

    return run


def tidy_child(name: str) -> Callable[[Rooms], None]:
    """Give what the process does that tidies up after a job whose own process did not end well."""
    return lambda rooms: tidy_after_crash(rooms, name)


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a signal handler
    raise SystemExit(BROKEN)
