"""Stragglers: the mini-batch that runs longest is leased to an idle worker too, and the first report wins (rule 15).

Both runs are one and the same attempt. Whoever finishes first is committed and the other worker is cut off, uncharged.
A run that fails while the other goes on is forgotten: the other one then speaks for the attempt, so that one attempt is
never charged twice. What is decided here is whom to double; `scoring` hands out and counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from batchyard.domain.scoring.events import Lease, LeaseReported, Worker
from batchyard.domain.scoring.minibatches import RangeSet
from batchyard.domain.scoring.seats import Seat

TIMES_MEDIAN = 2.0  # So many times longer than the median of the finished ones, and
LEAST_S = 1.0  # so long at least: below that, a second worker would hardly have begun.
_REMEMBERED = 101


@dataclass(frozen=True, slots=True)
class Straggler:
    """A mini-batch that may be leased again. lease: the one under which `worker` runs it."""

    worker: Worker
    lease: Lease
    mini_batch: int


@dataclass(frozen=True, slots=True)
class Double:
    """A mini-batch that runs twice, as one of its workers sees it: who the other one is."""

    other: Worker
    mini_batch: int


class Speculation:
    """Which mini-batches run twice at the moment. Does nothing where it is off."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._finished_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._doubles: dict[Worker, Double] = {}
        self._tried: set[int] = set()  # Leases that were doubled: once each.

    def reported(self, ran: int, event: LeaseReported) -> None:
        """Learn from a report of so many mini-batches how long one takes, and whether the script writes files.

        Where it does, nothing is doubled any more: a second run would want the same names for them (rule 14).
        """
        if self._is_on and ran:
            self._finished_s.append(event.seconds / ran)
            self._is_on = not any(segment.files for segment in event.segments)

    def straggler(self, seats: Mapping[Worker, Seat], *, now_s: float) -> Straggler | None:
        """Give the mini-batch that has been running longest, if that is long enough and it was not doubled before.

        Parts of a mini-batch (`isolation`) are left alone: they are one try each, and small.

        Of a lease of several only the running one is left once the rest was taken back, and it is the last one left.
        """
        if not self._is_on or not self._finished_s:
            return None
        limit_s = max(LEAST_S, TIMES_MEDIAN * median(self._finished_s))
        longest: tuple[float, Straggler] | None = None
        for worker, seat in seats.items():
            if not seat.leases or seat.leases[0].id in self._tried or worker in self._doubles:
                continue
            running_s, lease = now_s - seat.since_s, seat.leases[0]
            left = list(seat.left_of(lease))
            is_single = lease.items is None and (lease.count == 1 or seat.is_asked_back)
            if left and is_single and running_s > limit_s and (longest is None or running_s > longest[0]):
                longest = running_s, Straggler(worker, lease, left[-1][1] - 1)
        return longest[1] if longest else None

    def doubled(self, straggler: Straggler, *, by: Worker, lease: Lease) -> None:
        """The mini-batch of a straggler was leased to another worker too. lease: the second one."""
        self._tried |= {straggler.lease.id, lease.id}
        self._doubles[straggler.worker] = Double(by, straggler.mini_batch)
        self._doubles[by] = Double(straggler.worker, straggler.mini_batch)

    def won(self, worker: Worker, first: int, count: int) -> Double | None:
        """This worker has finished these mini-batches; say whether another one runs one of them too, for nothing."""
        double = self._doubles.get(worker)
        if double is None or not first <= double.mini_batch < first + count:
            return None
        self._part(worker)
        return double

    def goes_on(self, worker: Worker, mini_batch: int) -> bool:
        """This worker has failed at a mini-batch or will not finish it: whether another one still runs it."""
        double = self._doubles.get(worker)
        if double is None or double.mini_batch != mini_batch:
            return False
        self._part(worker)
        return True

    def without_doubled(self, worker: Worker, left: RangeSet) -> RangeSet:
        """Give what goes back of a worker's mini-batches: not the one that another still runs."""
        double = self._doubles.get(worker)
        if double is not None and double.mini_batch in left:
            self._part(worker)
            left.remove(double.mini_batch, double.mini_batch + 1)
        return left

    def _part(self, worker: Worker) -> None:
        double = self._doubles.pop(worker)
        del self._doubles[double.other]
