"""Which ended jobs are still to be tidied up by an engine, and the children that are at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from batchyard.bootstrap.job import tidy_child
from batchyard.domain.jobs import Owner
from batchyard.engine.rooms import Rooms
from batchyard.engine.tidy import tidy_all
from batchyard.ports.job_leases import Holding

Work = Callable[[Rooms], None]

# The first time when what the end of the last server left has been left alone for long enough.
_FIRST_LOOK_FOR_ABANDONED_S, _LOOK_FOR_ABANDONED_EVERY_S = 90.0, 3600.0


class Tidying:
    """Begins with all jobs there are: what was there before this engine may have been killed anywhere."""

    def __init__(self) -> None:
        self._due: list[Work] = [tidy_all]
        self._next_look = time.monotonic() + _FIRST_LOOK_FOR_ABANDONED_S
        self._running: dict[int, Work] = {}
        self._others: dict[str, Owner] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due or at work, and no job of another engine's process is waited for."""
        return not (self._due or self._running or self._others)

    @property
    def pids(self) -> Collection[int]:
        """The children that are at it."""
        return self._running

    def add(self, job: str) -> None:
        """Note a job whose process did not end well."""
        self._due.append(tidy_child(job))

    def watch(self, held: Sequence[Holding], *, mine: Collection[Owner], is_alive: Callable[[Owner], object]) -> None:
        """Note jobs that ended under processes of another engine, once those are gone: nobody else sees how they end.

        held: the jobs that run now. mine: the owners whose end this engine sees by itself.
        """
        others = {holding.name: holding.owner for holding in held if holding.owner and holding.owner not in mine}
        for name in self._others.keys() - others.keys():
            if is_alive(self._others[name]) is False:
                self.add(name)
            else:
                others[name] = self._others[name]
        self._others = others

    def start(self, fork: Callable[[Work], int]) -> None:
        """Have a child do each thing that is due. Raises: OSError; what was not forked is due the next time."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_FOR_ABANDONED_EVERY_S
            self._due.append(_remove_abandoned)
        while self._due:
            self._running[fork(self._due[0])] = self._due[0]
            del self._due[0]

    def ended(self, pid: int, code: int) -> None:
        """Take in the end of a child, if it is one of these; what was killed is done again."""
        work = self._running.pop(pid, None)
        if work is not None and code < 0:
            self._due.append(work)


def _remove_abandoned(rooms: Rooms) -> None:
    rooms.remove_abandoned()
