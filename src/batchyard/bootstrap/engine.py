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

from batchyard.bootstrap.database import database_url
from batchyard.bootstrap.home import ALREADY_RUNNING, REFUSED, check_home
from batchyard.bootstrap.job import DONE, fork, job_child, operation_child
from batchyard.bootstrap.locks import AlreadyHeldError, HeldLock, hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.process_identity import is_alive, send_signal
from batchyard.bootstrap.rooms import build_rooms
from batchyard.bootstrap.spawn import Watcher
from batchyard.bootstrap.tidying import Tidying
from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.domain.jobs import Owner
from batchyard.engine.claim import claim_job, claim_operation, orphans, take_over
from batchyard.engine.provision import give_up
from batchyard.engine.rooms import Rooms
from batchyard.ports.records import Holding, Operation
from batchyard.records.database import migrate
from batchyard.settings import from_environment

log = logging.getLogger(__name__)

TICK_S = 0.1
_LOOK_FOR_ORPHANS_EVERY_S = 0.5
_LONGEST_BACK_OFF_S = 5.0
_MOST_OPERATION_CRASHES = 3
_STOP_WITHIN_S = 5.0


class Engine:
    """One pass after another over everything there is to do; nothing in it waits.

    is_alone: whether the database is this home's own, so that every owner in it is or was a process of this home.
    """

    def __init__(self, rooms: Rooms, lock: HeldLock, watcher: Watcher, *, is_alone: bool = False) -> None:
        self._rooms, self._lock, self._watcher, self._is_alone = rooms, lock, watcher, is_alone
        self._jobs: dict[int, str] = {}
        self._operations: dict[int, Operation] = {}
        self._crashes: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._tidying = Tidying()
        self._next_look = 0.0
        self.is_stopping = False

    @property
    def is_idle(self) -> bool:
        """Whether no child is at work and none is due."""
        return self._tidying.is_idle and not (self._jobs or self._operations)

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
            self._operations[self._fork(operation_child(operation), ends_with_parent=True)] = operation
        self._tidying.start(self._fork)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_ORPHANS_EVERY_S
            self._adopt_orphans()

    def stop(self) -> None:
        """End every child, and the job processes that an engine before this one left; what they were at goes on when
        an engine starts again."""
        left = self._left_job_processes()
        self._signal_all(left, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while (
            self._jobs or self._operations or self._tidying.pids or any(map(is_alive, left))
        ) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        self._signal_all(left, signal.SIGKILL)
        self._reap()

    def _left_job_processes(self) -> list[Owner]:
        """Give the living owners of jobs that are no children of ours: the engine that forked them was killed."""
        if not self._is_alone:
            return []
        try:
            with self._rooms.records.reading() as tx:
                owners = [holding.owner for holding in tx.job_leases.held()]
        except PlatformError as exc:
            log.error("owners not known", extra={"reason": str(exc)})
            return []
        mine = {os.getpid(), *self._jobs}
        return [owner for owner in owners if owner is not None and owner.pid not in mine and is_alive(owner)]

    def _signal_all(self, left: list[Owner], number: signal.Signals) -> None:
        for pid in [*self._jobs, *self._operations, *self._tidying.pids]:
            _signal(pid, number)
        for owner in left:
            send_signal(owner, number)

    def _fork(self, run: Callable[[Rooms], None], *, ends_with_parent: bool = False) -> int:
        return fork(self._rooms, run, leave=self._lock.close_in_child, ends_with_parent=ends_with_parent)

    def _adopt_orphans(self) -> None:
        for orphan in orphans(self._rooms, is_alive=self._is_alive):
            try:
                self._adopt(orphan)
            except (BatchyardError, OSError) as exc:  # One job that cannot be read must not keep the others waiting.
                log.error("job not adopted", extra={"job": orphan.name, "reason": str(exc)})
        with self._rooms.records.reading() as tx:
            held, jobs = tx.operations.held(), tx.job_leases.held()
        children = [h.owner for h in jobs if h.owner is not None and h.owner.pid in self._jobs]
        self._tidying.watch(jobs, mine=[self._rooms.owner, *children], is_alive=self._is_alive)
        for holding in held:
            is_mine = holding.name in [operation.id for operation in self._operations.values()]
            # Held by this process without a child: it could not be forked, or not be released when it crashed.
            is_forgotten = holding.owner == self._rooms.owner
            is_left = holding.owner is not None and self._is_alive(holding.owner) is False
            if not is_mine and (is_forgotten or is_left):
                self._release(holding.name, holding.fence)

    def _adopt(self, orphan: Holding) -> None:
        due = self._not_before.setdefault(orphan.name, time.monotonic() + _back_off(orphan.process_ends))
        if time.monotonic() < due:
            return
        del self._not_before[orphan.name]
        job = take_over(self._rooms, orphan)
        if job is not None:
            self._jobs[self._fork(job_child(job))] = job.name
        else:  # It was given up, or somebody else has it.
            self._tidying.add(orphan.name)

    def _is_alive(self, owner: Owner) -> bool | None:
        """As `is_alive`; an owner of another boot or container is surely gone where no other host can be an owner."""
        found = is_alive(owner)
        return False if found is None and self._is_alone else found

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
        self._tidying.ended(pid, code)
        if job is not None:
            self._next_look = 0.0
            if code != DONE:
                self._tidying.add(job)
            log.info("job process ended", extra={"job": job, "pid": pid, "exit_code": code})
        operation = self._operations.pop(pid, None)
        if operation is not None and code != 0:
            self._operation_crashed(operation, code)

    def _operation_crashed(self, operation: Operation, code: int) -> None:
        times = self._crashes[operation.id] = self._crashes.get(operation.id, 0) + 1
        log.error("provisioning interrupted", extra={"operation": operation.id, "exit_code": code, "times": times})
        try:
            if times < _MOST_OPERATION_CRASHES:
                self._release(operation.id, operation.fence)
            else:
                message = f"Provisioning ended {times} times without a result (exit code {code})."
                give_up(self._rooms, operation, message)
        except PlatformError as exc:  # Nobody's child now: the next look for orphans tries again.
            log.error("operation not let go", extra={"operation": operation.id, "reason": str(exc)})

    def _release(self, operation_id: str, fence: int) -> None:
        with self._rooms.records.writing() as tx:
            tx.operations.release(operation_id, fence=fence)


def run(home: Path) -> int:
    """Serve one home until it is stopped or gone. Returns: the exit code.

    3: the home has an engine already. 4: it cannot be served, for a reason that the log tells.
    """
    set_up_logging("engine")
    settings = replace(from_environment(), home=home)
    try:
        check_home(home)
        lock = hold(home / "engine.lock")
        migrate(database_url(settings))
        rooms = build_rooms(settings)
        rooms.records.warm_up()
    except AlreadyHeldError as exc:
        log.info("engine runs already", extra={"reason": str(exc)})
        return ALREADY_RUNNING
    except (BatchyardError, OSError) as exc:
        log.error("home cannot be served", extra={"home": str(home), "reason": str(exc)})
        return REFUSED
    engine = Engine(rooms, lock, Watcher(home, other="doors"), is_alone=not settings.database_url)
    signal.signal(signal.SIGTERM, lambda *_: setattr(engine, "is_stopping", True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log.info("engine started", extra={"pid": os.getpid()})
    while not engine.is_stopping:
        try:
            engine.tick()
        except BatchyardError as exc:
            log.error("tick failed", extra={"reason": str(exc)})
        except OSError:  # No process could be forked, no file opened: what was claimed is taken over in a moment.
            log.exception("tick failed")
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
