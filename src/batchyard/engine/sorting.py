"""Sorting more byte strings than should be in memory: sorted runs on disk, merged while they are read."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

_LENGTH = struct.Struct("<I")
_RUN_BYTES = 16 << 20
_OVERHEAD_BYTES = 33  # What Python adds to each bytes object.
_SLICE = 4096


class SortedRuns:
    """Takes byte strings in any order and gives them back in ascending order, once.

    folder: for the runs; made when the first one is written, left to the caller to delete. At most run_bytes of them
    are in memory (their own bytes; Python doubles that).
    """

    def __init__(self, folder: Path, *, run_bytes: int = _RUN_BYTES) -> None:
        self._folder, self._run_bytes = folder, run_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._runs: list[Path] = []
        self.count = 0

    def add(self, record: bytes) -> None:
        """Take one more."""
        self.extend((record,))

    def extend(self, records: Iterable[bytes]) -> None:
        """Take many: in slices, since what is done for each record is felt at half a million."""
        rest = iter(records)
        while slice_ := list(islice(rest, _SLICE)):
            self._held += slice_
            self._held_bytes += sum(map(len, slice_)) + _OVERHEAD_BYTES * len(slice_)
            self.count += len(slice_)
            if self._held_bytes > self._run_bytes:
                self._spill()

    def __iter__(self) -> Iterator[bytes]:
        self._held.sort()
        if not self._runs:
            return iter(self._held)
        return heapq.merge(*(_read_run(path) for path in self._runs), self._held)

    def _spill(self) -> None:
        self._held.sort()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"run-{len(self._runs)}"
        with open(path, "wb") as stream:
            for record in self._held:
                stream.write(_LENGTH.pack(len(record)) + record)
        self._runs.append(path)
        self._held, self._held_bytes = [], 0


def _read_run(path: Path) -> Iterator[bytes]:
    with open(path, "rb", buffering=1 << 18) as stream:
        while head := stream.read(_LENGTH.size):
            yield stream.read(_LENGTH.unpack(head)[0])
