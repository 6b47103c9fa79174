"""One worker with the leases it holds: handing out, taking back, and matching reports to leases.

Tickets count the mini-batches handed to the worker; `batchyard_runtime.stamp` tells why taking back by ticket is sure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batchyard.domain.scoring.events import Failure, InstanceEvent, Lease, LeaseReported, TakenBack, Worker
from batchyard.instances.reports import read_done, reported
from batchyard.instances.stacks import LastWords
from batchyard.instances.workers import WorkerProcess
from batchyard_runtime.frames import BadFrame

_SETTLE_NS = 1_000_000


@dataclass(slots=True)
class _Handed:
    """A lease the worker has. ticket: of its first mini-batch. told: from which mini-batch on it was taken back."""

    lease: Lease
    ticket: int
    told: int

    @property
    def stop(self) -> int:
        """One past the last ticket."""
        return self.ticket + self.lease.count


@dataclass(slots=True)
class _Waiting:
    """A lease to be sent once taking back is over; or, taken back itself, only to be told of in its turn."""

    lease: Lease
    is_taken: bool = False


class Seat:
    """A worker, its process and its leases. Events go to `tell`.

    is_ready: `init()` returned. is_killed: we ended it; reason: why. over, over_ticket: the attempt it was killed for,
    or None. start_failure: how its start failed, as far as told. is_out_of_space: it could not write rows.
    is_trusted: no report of it was malformed; after one nothing it says counts.
    last_words: its stacks are being waited for, then it is killed.
    began_ns, sign_ns: its start and its last sign of life, CLOCK_MONOTONIC.
    """

    def __init__(
        self, worker: Worker, process: WorkerProcess, *, part: str, tell: Callable[[InstanceEvent], None]
    ) -> None:
        self.worker = worker
        self.process = process
        self.began_ns = self.sign_ns = time.monotonic_ns()
        self.is_ready = False
        self.is_killed = False
        self.reason = ""
        self.over: Failure | None = None
        self.over_ticket = 0
        self.last_words: LastWords | None = None
        self.start_failure: Failure | None = None
        self.is_out_of_space = False
        self.is_trusted = True
        self._part = part
        self._tell = tell
        self._handed: deque[_Handed] = deque()
        self._waiting: deque[_Waiting] = deque()
        self._next_ticket = 1
        self._stop_before: int | None = None
        self._settles_ns = 0

    @property
    def is_busy(self) -> bool:
        """Whether the worker owes a report."""
        return bool(self._handed)

    @property
    def is_settling(self) -> bool:
        """Whether `settle` is due in a millisecond."""
        return bool(self._settles_ns)

    def holds(self, ticket: int) -> bool:
        """Whether this ticket was handed out and is not reported."""
        return any(handed.ticket <= ticket < handed.stop for handed in self._handed)

    def assign(self, lease: Lease) -> None:
        """Send a lease, or keep it until what is being taken back is reported: the stop would hold for it too."""
        if self._stop_before is not None:
            self._waiting.append(_Waiting(lease))
            return
        if not self._handed:
            self.sign_ns = time.monotonic_ns()
        self._handed.append(_Handed(lease, self._next_ticket, told=lease.first + lease.count))
        self.process.send(
            {
                "kind": "lease",
                "id": lease.id,
                "first": lease.first,
                "count": lease.count,
                "attempt": lease.attempt,
                "items": lease.items,
                "run_items": lease.run_items,
                "ticket": self._next_ticket,
            }
        )
        self._next_ticket += lease.count

    def take_back(self) -> None:
        """Stop the worker from starting more. What was not sent yet is told at once, the rest by `settle`."""
        for waiting in self._waiting:
            if not waiting.is_taken:
                waiting.is_taken = True
                self._tell(TakenBack(self.worker, waiting.lease.id, waiting.lease.first, waiting.lease.count))
        stamp = self.process.stamp
        if self._stop_before is not None or not self._handed or stamp is None:
            return
        stop = stamp[0] + 1
        if stop < self._handed[-1].stop:
            self._stop_before = stop
            self.process.stop_before(stop)
            self._settles_ns = time.monotonic_ns() + _SETTLE_NS

    def settle(self, now_ns: int) -> None:
        """Tell what surely will not be started, once the millisecond after the stop has passed."""
        if not self._settles_ns or now_ns < self._settles_ns or self._stop_before is None:
            return
        stamp = self.process.stamp
        if stamp is None:
            return
        self._settles_ns = 0
        cut = max(stamp[0] + 1, self._stop_before)
        for handed in self._handed:
            if cut < handed.stop:
                self._tell_taken(handed, handed.lease.first + max(cut, handed.ticket) - handed.ticket)

    def report(self, header: dict[str, Any], body: bytes) -> None:  # Any: JSON of a frame's header
        """Take in a `done` frame: tell the lease, and before it what of it was not started. Raises: BadFrame."""
        if not self._handed:
            raise BadFrame("a lease is reported that nobody handed out")
        handed = self._handed[0]
        event = read_done(header, body, worker=self.worker, lease=handed.lease, part=self._part)
        tried = handed.lease.first + reported(event)
        if tried > handed.told:
            raise BadFrame(f"lease {event.lease} is reported with mini-batches that were taken back")
        is_cut = self._stop_before is not None or header.get("spent") is True
        if tried < handed.lease.first + handed.lease.count and not is_cut:
            raise BadFrame(f"lease {event.lease} is reported without mini-batches that were not taken back")
        self._handed.popleft()
        self.sign_ns = time.monotonic_ns()
        self._tell_taken(handed, tried)
        self._tell(event)
        if self._stop_before is not None and not self._handed:
            self._go_on()

    def _tell_taken(self, handed: _Handed, first: int) -> None:
        """Tell that the lease's mini-batches from `first` on are free, as far as that is news."""
        if first < handed.told:
            self._tell(TakenBack(self.worker, handed.lease.id, first, handed.told - first))
            handed.told = first

    def _go_on(self) -> None:
        """Everything that was stopped is reported: let the worker start again, and send what waited."""
        self._stop_before = None
        self._settles_ns = 0
        self.process.stop_before(None)
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if one.is_taken:
                # Its turn has come: all given before it are reported unless one was just sent again.
                self._tell(LeaseReported(self.worker, one.lease.id, (), (), 0.0))
            else:
                self.assign(one.lease)
