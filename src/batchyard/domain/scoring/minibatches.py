"""How a frozen listing is cut into mini-batches, and sets of mini-batches kept as ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cut:
    """Items 0..items-1 of the listing, cut in order into mini-batches of `size`; the last may be shorter.

    starts: where bytes were counted too: the first item of each mini-batch, and `items` at the end; None by size alone.
    """

    items: int
    size: int
    starts: Sequence[int] | None = None

    @property
    def mini_batches(self) -> int:
        """How many; by size alone ceil(items / size)."""
        if self.starts is not None:
            return len(self.starts) - 1
        return -(-self.items // self.size)

    def bounds(self, mini_batch: int, items: tuple[int, int] | None = None) -> tuple[int, int]:
        """The positions [first, last) of a mini-batch's items in the listing; items: only this part of them."""
        first = mini_batch * self.size if self.starts is None else self.starts[mini_batch]
        if items is not None:
            return first + items[0], first + items[1]
        return first, first + self.items_in(mini_batch, 1)

    def mini_batch_of(self, position: int) -> int:
        """The mini-batch that holds the item at a position of the listing."""
        return position // self.size if self.starts is None else bisect_right(self.starts, position) - 1

    def items_in(self, first: int, count: int) -> int:
        """How many items the mini-batches first..first+count-1 hold."""
        if self.starts is not None:
            return self.starts[first + count] - self.starts[first]
        return min((first + count) * self.size, self.items) - first * self.size if count else 0


class RangeSet:
    """A set of whole numbers kept as sorted, disjoint, never touching [start, stop) ranges.

    Memory follows the number of gaps, not of members: a job of 10⁷ mini-batches that ends in order is one range.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Add start..stop-1; what is there already stays."""
        if start >= stop:
            return
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start = min(start, self._starts[low])
            stop = max(stop, self._stops[high - 1])
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """Take out start..stop-1; what is not there is ignored."""
        if start >= stop:
            return
        low = bisect_right(self._stops, start)
        high = bisect_left(self._starts, stop)
        if low >= high:
            return
        kept: list[tuple[int, int]] = []
        if self._starts[low] < start:
            kept.append((self._starts[low], start))
        if self._stops[high - 1] > stop:
            kept.append((stop, self._stops[high - 1]))
        self._starts[low:high] = [s for s, _ in kept]
        self._stops[low:high] = [e for _, e in kept]

    def take(self, limit: int) -> tuple[int, int] | None:
        """Take out the lowest range, at most `limit` long; None when empty."""
        if not self._starts:
            return None
        start = self._starts[0]
        stop = min(self._stops[0], start + limit)
        self.remove(start, stop)
        return start, stop

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether any of start..stop-1 is in the set."""
        at = bisect_right(self._stops, start)
        return at < len(self._starts) and self._starts[at] < stop

    def gaps(self, stop: int) -> Iterator[tuple[int, int]]:
        """Give the ranges of 0..stop-1 that are not in the set, ascending."""
        at = 0
        for start, end in zip(self._starts, self._stops, strict=True):
            if start >= stop:
                break
            if at < start:
                yield at, start
            at = end
        if at < stop:
            yield at, stop

    def __contains__(self, member: int) -> bool:
        return self.overlaps(member, member + 1)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __len__(self) -> int:
        """How many members, not how many ranges."""
        return sum(self._stops) - sum(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)
