"""Sorting more byte strings than should be in memory: sorted runs on disk, merged while they are read.

Everything is done by the slice: what is done for each record is felt at half a million.
"""

from __future__ import annotations

import marshal
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice
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
        self._take([record])

    def extend(self, records: Iterable[bytes]) -> None:
        """Take many, in slices."""
        rest = iter(records)
        while slice_ := list(islice(rest, _SLICE)):
            self._take(slice_)

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self.slices())

    def slices(self) -> Iterator[list[bytes]]:
        """Give all of them in order, as lists of some thousands; none is empty."""
        self._held.sort()
        held = _slices(self._held)
        return _merge([*map(_read_run, self._runs), held]) if self._runs else held

    def _take(self, slice_: list[bytes]) -> None:
        self._held += slice_
        self._held_bytes += sum(map(len, slice_)) + _OVERHEAD_BYTES * len(slice_)
        self.count += len(slice_)
        if self._held_bytes > self._run_bytes:
            self._spill()

    def _spill(self) -> None:
        self._held.sort()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"run-{len(self._runs)}"
        with open(path, "wb") as stream:
            for slice_ in _slices(self._held):
                # Read back by this process alone, and many times faster than record by record.
                block = marshal.dumps(slice_)
                stream.write(_LENGTH.pack(len(block)) + block)
        self._runs.append(path)
        self._held, self._held_bytes = [], 0


def _merge(runs: list[Iterator[list[bytes]]]) -> Iterator[list[bytes]]:
    """Merge sorted slices: of each run's first one, what lies below the lowest last record is next for sure."""
    heads = [(slice_, run) for run in runs if (slice_ := next(run, []))]
    while heads:
        cut = min(slice_[-1] for slice_, _ in heads)
        merged: list[bytes] = []
        rest: list[tuple[list[bytes], Iterator[list[bytes]]]] = []
        for slice_, run in heads:
            at = bisect_right(slice_, cut)
            merged += slice_[:at]
            if left := slice_[at:] or next(run, []):
                rest.append((left, run))
        merged.sort()  # Runs end to end: Python's sort finds and merges them.
        yield merged
        heads = rest


def _slices(records: list[bytes]) -> Iterator[list[bytes]]:
    return (records[at : at + _SLICE] for at in range(0, len(records), _SLICE))


def _read_run(path: Path) -> Iterator[list[bytes]]:
    with open(path, "rb", buffering=1 << 18) as stream:
        while head := stream.read(_LENGTH.size):
            yield marshal.loads(stream.read(*_LENGTH.unpack(head)))
