"""The mini-batches that nobody holds, in the order in which they are handed out."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from batchyard.domain.scoring.events import Lease
from batchyard.domain.scoring.minibatches import RangeSet


class Waiting:
    """A set of mini-batches: the heaviest come first, one at a time; then the others by ranges, as the input has them.

    heaviest: in the order in which they are to come; the same mini-batch comes again when it is given back.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]], heaviest: Sequence[int] = ()) -> None:
        self._rest = RangeSet()
        self._ranks = {mini_batch: rank for rank, mini_batch in enumerate(heaviest)}
        self._order = heaviest
        self._sorted = sorted(heaviest)
        self._heavy: list[int] = []  # A heap of ranks.
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Add start..stop-1."""
        self._rest.add(start, stop)
        for mini_batch in self._heavy_in(start, stop):
            self._rest.remove(mini_batch, mini_batch + 1)
            if self._ranks[mini_batch] not in self._heavy:
                heapq.heappush(self._heavy, self._ranks[mini_batch])

    def remove(self, start: int, stop: int) -> None:
        """Take out start..stop-1; what is not there is ignored."""
        self._rest.remove(start, stop)
        gone = {self._ranks[mini_batch] for mini_batch in self._heavy_in(start, stop)}
        if gone:
            self._heavy = [rank for rank in self._heavy if rank not in gone]
            heapq.heapify(self._heavy)

    def take(self, limit: int) -> tuple[int, int] | None:
        """Take out what comes next, [start, stop), at most `limit` long; None when empty."""
        if self._heavy:
            mini_batch = self._order[heapq.heappop(self._heavy)]
            return mini_batch, mini_batch + 1
        return self._rest.take(limit)

    @property
    def is_heavy_next(self) -> bool:
        """Whether what comes next is one of the heaviest."""
        return bool(self._heavy)

    def is_heavy(self, mini_batch: int) -> bool:
        """Whether it is one of the heaviest, waiting or not."""
        return mini_batch in self._ranks

    def is_long(self, held: Iterable[Lease]) -> bool:
        """Whether what is handed out behind these leases would wait for long, or what comes next may not wait."""
        return self.is_heavy_next or any(self.is_heavy(lease.first) for lease in held)

    def __len__(self) -> int:
        """How many mini-batches."""
        return len(self._rest) + len(self._heavy)

    def __bool__(self) -> bool:
        return bool(self._rest) or bool(self._heavy)

    def _heavy_in(self, start: int, stop: int) -> Sequence[int]:
        return self._sorted[bisect_left(self._sorted, start) : bisect_left(self._sorted, stop)]
