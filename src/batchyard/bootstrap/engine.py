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
from batchyard.bootstrap.job import fork
from batchyard.bootstrap.locks import AlreadyHeldError, HeldLock, hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.process_identity import is_alive, send_signal
from batchyard.bootstrap.rooms import EngineRooms
from batchyard.bootstrap.spawn import Watcher
from batchyard.bootstrap.workspace_work import WorkspaceWork
from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.domain.jobs import Owner
from batchyard.domain.workspaces import DEFAULT_WORKSPACE, Workspace
from batchyard.engine.rooms import Rooms
from batchyard.records.database import migrate
from batchyard.settings import from_environment

log = logging.getLogger(__name__)

TICK_S = 0.1
_LOOK_FOR_ORPHANS_EVERY_S = 0.5
_STOP_WITHIN_S = 5.0


class Engine:
    """One pass after another over everything there is to do, in every workspace; nothing in it waits.

    rooms_of: gives the rooms of a workspace. is_alone: whether the database is this home's own, so that every owner in
    it is or was a process of this home.
    """

    def __init__(
        self, rooms_of: Callable[[Workspace], Rooms], lock: HeldLock, watcher: Watcher, *, is_alone: bool = False
    ) -> None:
        self._rooms_of, self._lock, self._watcher, self._is_alone = rooms_of, lock, watcher, is_alone
        self._records = rooms_of(DEFAULT_WORKSPACE).records
        self._work: dict[str, WorkspaceWork] = {}
        self._work_of(DEFAULT_WORKSPACE)
        self._has_seen_all = False
        self._next_look = 0.0
        self.is_stopping = False

    @property
    def is_idle(self) -> bool:
        """Whether no child is at work and none is due."""
        return all(work.is_idle for work in self._work.values())

    def tick(self) -> None:
        """Do what is due now. Raises: PlatformError when the database does not answer; the next tick tries again."""
        self._reap()
        self._watcher.tick()
        if self._watcher.is_home_gone() or self._watcher.is_stopped():
            self.is_stopping = True
            return
        self._see_all()
        with self._records.reading() as tx:
            at_work = [self._work_of(workspace) for workspace in tx.workspaces.at_work()]
        for work in at_work:
            work.claim()
        for work in self._work.values():
            work.tidy()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_ORPHANS_EVERY_S
            for work in self._work.values():
                if work in at_work or not work.is_idle:
                    work.adopt_orphans()

    def stop(self) -> None:
        """End every child, and the job processes that an engine before this one left; what they were at goes on when
        an engine starts again."""
        left = self._left_job_processes()
        self._signal_all(left, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_WITHIN_S
        while (self._pids() or any(map(is_alive, left))) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        self._signal_all(left, signal.SIGKILL)
        self._reap()

    def _see_all(self) -> None:
        """Begin with every workspace once: its ended jobs may have been killed anywhere before this engine."""
        if not self._has_seen_all:
            with self._records.reading() as tx:
                for workspace in tx.workspaces.list():
                    self._work_of(workspace)
            self._has_seen_all = True

    def _work_of(self, workspace: Workspace) -> WorkspaceWork:
        if workspace.id not in self._work:
            rooms = self._rooms_of(workspace)
            self._work[workspace.id] = WorkspaceWork(rooms, self._fork, is_alone=self._is_alone)
        return self._work[workspace.id]

    def _left_job_processes(self) -> list[Owner]:
        if not self._is_alone:
            return []
        try:
            return [owner for work in self._work.values() for owner in work.left_owners()]
        except PlatformError as exc:
            log.error("owners not known", extra={"reason": str(exc)})
            return []

    def _pids(self) -> list[int]:
        return [pid for work in self._work.values() for pid in work.pids]

    def _signal_all(self, left: list[Owner], number: signal.Signals) -> None:
        for pid in self._pids():
            _signal(pid, number)
        for owner in left:
            send_signal(owner, number)

    def _fork(self, rooms: Rooms, run: Callable[[Rooms], None], *, ends_with_parent: bool = False) -> int:
        return fork(rooms, run, leave=self._lock.close_in_child, ends_with_parent=ends_with_parent)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # One of them alone knows the child.
            if any(work.ended(pid, os.waitstatus_to_exitcode(status)) for work in self._work.values()):
                self._next_look = 0.0


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
        rooms = EngineRooms(settings)
        rooms.of(DEFAULT_WORKSPACE).records.warm_up()
    except AlreadyHeldError as exc:
        log.info("engine runs already", extra={"reason": str(exc)})
        return ALREADY_RUNNING
    except (BatchyardError, OSError) as exc:
        log.error("home cannot be served", extra={"home": str(home), "reason": str(exc)})
        return REFUSED
    engine = Engine(rooms.of, lock, Watcher(home, other="doors"), is_alone=not settings.database_url)
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


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        log.debug("child was gone", extra={"pid": pid})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m batchyard.bootstrap.engine")
    parser.add_argument("--home", type=Path, required=True)
    sys.exit(run(parser.parse_args().home.absolute()))
