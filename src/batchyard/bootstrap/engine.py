"""The engine process: a light single-threaded loop that claims work, forks a process for each piece, and reaps."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from batchyard.bootstrap.adapters import database_url
from batchyard.bootstrap.job import fork, job_child, operation_child
from batchyard.bootstrap.locks import AlreadyHeldError, HeldLock, hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.process_identity import is_alive
from batchyard.bootstrap.rooms import build_rooms
from batchyard.bootstrap.spawn import Watcher
from batchyard.domain.errors import PlatformError
from batchyard.engine.claim import claim_job, claim_operation, orphans, take_over
from batchyard.engine.provision import give_up
from batchyard.engine.rooms import Rooms
from batchyard.ports.records import Operation
from batchyard.records.database import migrate
from batchyard.settings import from_environment

log = logging.getLogger(__name__)

TICK_S = 0.1
_LOOK_FOR_ORPHANS_EVERY_S = 0.5
_LONGEST_BACK_OFF_S = 5.0
_MOST_OPERATION_CRASHES = 3
_STOP_WITHIN_S = 5.0


class Engine:
    """One pass after another over everything there is to do; nothing in it waits."""

    def __init__(self, rooms: Rooms, lock: HeldLock, watcher: Watcher) -> None:
        self._rooms, self._lock, self._watcher = rooms, lock, watcher
        self._jobs: dict[int, str] = {}
        self._operations: dict[int, Operation] = {}
        self._crashes: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._next_look = 0.0
        self.is_stopping = False

    def tick(self) -> None:
        """Do what is due now. Raises: PlatformError when the database does not answer; the next tick tries again."""
        self._reap()
        self._watcher.tick()
        if self._watcher.is_home_gone() or self._watcher.is_stopped():
            self.is_stopping = True
            return
        while (job := claim_job(self._rooms)) is not None:
            self._jobs[self._fork(job_child(job))] = job.name
        while (operation := claim_operation(self._rooms)) is not None:
            self._operations[self._fork(operation_child(operation))] = operation
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_ORPHANS_EVERY_S
            self._adopt_orphans()

    def stop(self) -> None:
        """End every child; what they were at goes on when an engine starts again."""
        for pid in [*self._jobs, *self._operations]:
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while (self._jobs or self._operations) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        for pid in [*self._jobs, *self._operations]:
            _signal(pid, signal.SIGKILL)
        self._reap()

    def _fork(self, run: Callable[[Rooms], None]) -> int:
        return fork(self._rooms, run, leave=self._lock.close_in_child)

    def _adopt_orphans(self) -> None:
        for orphan in orphans(self._rooms, is_alive=is_alive):
            due = self._not_before.setdefault(orphan.name, time.monotonic() + _back_off(orphan.process_ends))
            if time.monotonic() < due:
                continue
            del self._not_before[orphan.name]
            job = take_over(self._rooms, orphan)
            if job is not None:
                self._jobs[self._fork(job_child(job))] = job.name
        with self._rooms.records.reading() as tx:
            held = tx.operations.held()
        for holding in held:
            is_mine = holding.name in [operation.id for operation in self._operations.values()]
            if not is_mine and holding.owner is not None and is_alive(holding.owner) is False:
                self._release(holding.name, holding.fence)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, os.waitstatus_to_exitcode(status))

    def _ended(self, pid: int, code: int) -> None:
        job = self._jobs.pop(pid, None)
        if job is not None:
            self._next_look = 0.0
            log.info("job process ended", extra={"job": job, "pid": pid, "exit_code": code})
        operation = self._operations.pop(pid, None)
        if operation is not None and code != 0:
            self._operation_crashed(operation, code)

    def _operation_crashed(self, operation: Operation, code: int) -> None:
        times = self._crashes[operation.id] = self._crashes.get(operation.id, 0) + 1
        log.error("provisioning interrupted", extra={"operation": operation.id, "exit_code": code, "times": times})
        if times < _MOST_OPERATION_CRASHES:
            self._release(operation.id, operation.fence)
        else:
            give_up(self._rooms, operation, f"Provisioning ended {times} times without a result (exit code {code}).")

    def _release(self, operation_id: str, fence: int) -> None:
        with self._rooms.records.writing() as tx:
            tx.operations.release(operation_id, fence=fence)


def run(home: Path) -> int:
    """Serve one home until it is stopped or gone. Returns: the exit code, 3 when the home has an engine already."""
    set_up_logging("engine")
    try:
        lock = hold(home / "engine.lock")
    except AlreadyHeldError as exc:
        log.info("engine runs already", extra={"reason": str(exc)})
        return 3
    settings = replace(from_environment(), home=home)
    migrate(database_url(settings))
    engine = Engine(build_rooms(settings), lock, Watcher(home, other="doors"))
    signal.signal(signal.SIGTERM, lambda *_: setattr(engine, "is_stopping", True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log.info("engine started", extra={"pid": os.getpid()})
    while not engine.is_stopping:
        try:
            engine.tick()
        except PlatformError as exc:
            log.error("tick failed", extra={"reason": str(exc)})
        time.sleep(TICK_S)
    engine.stop()
    log.info("engine ended")
    return 0


def _back_off(process_ends: int) -> float:
    return 0.0 if process_ends == 0 else min(_LONGEST_BACK_OFF_S, 0.25 * 4**process_ends)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        log.debug("child was gone", extra={"pid": pid})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m batchyard.bootstrap.engine")
    parser.add_argument("--home", type=Path, required=True)
    sys.exit(run(parser.parse_args().home.absolute()))
