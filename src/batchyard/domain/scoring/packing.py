"""Packing items into mini-batches by their bytes as well as their number, and which of those to begin with."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

_MOST_HEAVY = 4096
# A mini-batch that is less than this part of a worker's share can wait for its turn: ending with it costs little.
_PART_OF_A_SHARE = 20


class Packing:
    """Cuts items, in their order, as their sizes come: whichever comes first, so many items or so many bytes.

    An item larger than `most_bytes` makes a mini-batch of its own. Memory does not follow the number of items.
    """

    def __init__(self, *, most_items: int, most_bytes: int) -> None:
        self._most_items, self._most_bytes = most_items, most_bytes
        self._items = self._bytes = 0
        self._largest: list[tuple[int, int]] = []  # A heap of (bytes, -mini-batch), the least of the largest on top.
        self.items = self.total_bytes = self.mini_batches = 0

    def take(self, sizes: Iterable[int]) -> list[int]:
        """Take the sizes of the next items; give the positions of those that begin a mini-batch."""
        starts = []
        for size in sizes:
            if not self._items or self._items == self._most_items or self._bytes + size > self._most_bytes:
                self._weigh()
                starts.append(self.items)
                self.mini_batches += 1
                self._items = self._bytes = 0
            self.items += 1
            self._items += 1
            self._bytes += size
        return starts

    def heaviest(self, *, workers: int) -> tuple[int, ...]:
        """Give the mini-batches to begin with, the largest first, once all items are taken.

        They are those that one worker would still be at when all others have ended, were they left to the end: larger
        than a twentieth of a worker's share. So there are at most 20 for each worker, of which 4096 are remembered.
        """
        self._weigh()
        self._bytes = self._items = 0
        least = self.total_bytes / (workers * _PART_OF_A_SHARE)
        return tuple(-number for size, number in sorted(self._largest, reverse=True) if size > least)

    def _weigh(self) -> None:
        """Note how large the mini-batch is that ends here."""
        if not self._items:
            return
        self.total_bytes += self._bytes
        entry = (self._bytes, 1 - self.mini_batches)
        if len(self._largest) < _MOST_HEAVY:
            heapq.heappush(self._largest, entry)
        elif entry > self._largest[0]:
            heapq.heapreplace(self._largest, entry)
