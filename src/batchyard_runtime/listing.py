"""The frozen listing of a job's input, read by offset: no worker loads it, however long it is."""

from __future__ import annotations

import mmap
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

_CHUNK_ITEMS = 4096


class Listing:
    """Gives the absolute paths of mini-batches' items. are_files: whether items can be looked at by their paths.

    Item k's path is listing[index[k]:index[k+1]-1]; each path ends with one NUL; index is little-endian u64.
    """

    are_files = True

    def __init__(
        self, *, root: str, listing: str, index: str, items: int, mini_batch_size: int, starts: str = ""
    ) -> None:
        """root: joined before each path. starts: a file of u64 with the first item of each mini-batch, and `items` at
        the end; "" where all have the same size.

        Raises: OSError, ValueError when the files do not hold `items` items.
        """
        if sys.byteorder != "little":
            raise ValueError("the listing can be read on little-endian machines only")
        words = memoryview(_map(index)).cast("Q")
        self._listing = _map(listing)
        if len(words) < items + 1 or words[items] > len(self._listing):
            raise ValueError("the listing is shorter than its %d items" % items)
        self._index = words
        self._prefix = root.rstrip("/") + "/"
        self._items = items
        self._size = mini_batch_size
        self._starts = memoryview(_map(starts)).cast("Q") if starts else None
        if self._starts is not None and self._starts[-1] != items:
            raise ValueError("the mini-batches do not hold the listing's %d items" % items)

    def mini_batches(self, first: int, count: int) -> Iterator[list[str]]:
        """Give the paths of each of these mini-batches, as the file system spells them (`os.fsencode` gives the bytes).

        Raises: IndexError for one that is not in the listing.
        """
        size = self._size
        step = max(1, _CHUNK_ITEMS // size)
        if self._starts is not None:
            yield from self._packed(self._starts, first, count, step)
            return
        for start in range(first, first + count, step):
            stop = min(start + step, first + count)
            paths = self._paths(start * size, min(stop * size, self._items))
            for at in range(0, len(paths), size):
                yield paths[at : at + size]

    def position(self, mini_batch: int) -> int:
        """Give the place of a mini-batch's first item in the listing."""
        return mini_batch * self._size if self._starts is None else int(self._starts[mini_batch])

    def relative(self, path: str) -> str:
        """Give one of the paths without the input's root."""
        return path[len(self._prefix) :]

    def _packed(self, starts: memoryview, first: int, count: int, step: int) -> Iterator[list[str]]:
        for start in range(first, first + count, step):
            stop = min(start + step, first + count)
            bounds = starts[start : stop + 1].tolist()
            paths = self._paths(bounds[0], bounds[-1])
            for at in range(len(bounds) - 1):
                yield paths[bounds[at] - bounds[0] : bounds[at + 1] - bounds[0]]

    def _paths(self, first: int, last: int) -> list[str]:
        """Decode many at once, which takes a fraction of the time of one by one.

        NUL is in no path, and decoding with surrogateescape gives the same for the whole as for the parts.
        """
        if not 0 <= first < last:
            raise IndexError("item %d is not in the listing" % first)
        names = os.fsdecode(self._listing[self._index[first] : self._index[last] - 1])
        return (self._prefix + names.replace("\0", "\0" + self._prefix)).split("\0")


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
