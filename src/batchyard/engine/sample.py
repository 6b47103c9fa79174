"""The sample of an input: all of it listed, sizes looked up, mini-batches chosen, and those written for the workers."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.forecast.calibration import SampleWish
from batchyard.domain.forecast.sampling import Candidate, Chosen, choose
from batchyard.domain.scoring.packing import Packing
from batchyard.engine.plan import Listing, Skipped, collect_paths, freeze, paths_of
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.instance import FrozenListing

# More files than this are not all looked at: that takes a microsecond or two each, on a fast disk.
_MOST_LOOKED_AT = 500_000
_ANY_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class Portion:
    """A mini-batch of the sample. run_items: the size of mini-batches that it is an example of."""

    run_items: int
    chosen: Chosen


@dataclass(frozen=True, slots=True)
class Sample:
    """An input and the portions of it to score, in the order in which to score them; `Calibration` has the words."""

    listing: Path
    input_root: Path
    items: int
    size_bytes: int
    mini_batches: int
    is_size_estimated: bool
    skipped: int
    portions: tuple[Portion, ...]

    def paths(self, positions: Sequence[int]) -> dict[str, str]:
        """Give items by their positions: name for messages -> path."""
        listing = Listing(self.listing)
        try:
            return {
                listing.name(position): os.path.join(self.input_root, os.fsdecode(listing.path(position)))
                for position in positions
            }
        finally:
            listing.close()


def take_sample(source: Path, *, is_file: bool, settings: ExecutionSettings, wish: SampleWish, folder: Path) -> Sample:
    """List an input and choose the portions to score. folder: for the listing and what sorting it needs.

    Raises: InvalidInput naming what cannot be listed; OSError.
    """
    runs, skipped = SortedRuns(folder / "listing-runs"), Skipped()
    collect_paths(runs, paths_of(source, skipped, is_file=is_file))
    root = source.parent if is_file else source
    sizes = wish.run_items or (settings.mini_batch_size,)
    looked = _Sizes(items=runs.count, widest=max(*sizes, settings.mini_batch_size))
    freeze(looked.look(runs.slices(), root=os.fsencode(root)), folder / "listing")
    most_bytes = settings.mini_batch_max_bytes or _ANY_BYTES
    quota = max(wish.items, wish.percent * runs.count / 100) / len(sizes)
    by_size = [_portions(looked, size, most_bytes=most_bytes, quota=quota) for size in sizes]
    return Sample(
        listing=folder / "listing",
        input_root=root,
        items=runs.count,
        size_bytes=round(looked.size_bytes * looked.factor),
        mini_batches=round(len(looked.candidates(settings.mini_batch_size, most_bytes=most_bytes)) * looked.factor),
        is_size_estimated=looked.factor > 1,
        skipped=skipped.count,
        # In turns, so that a sample that is cut short has something of each size.
        portions=tuple(one for turn in zip_longest(*by_size) for one in turn if one is not None),
    )


def write_sample(sample: Sample, folder: Path) -> FrozenListing:
    """Write the sample as a listing of its own, whose mini-batches are its portions. Raises: OSError."""
    listing, paths, starts = Listing(sample.listing), list[bytes](), array("Q")
    try:
        for portion in sample.portions:
            starts.append(len(paths))
            one = portion.chosen.candidate
            paths += [listing.path(position) for position in range(one.first, one.first + one.items)]
    finally:
        listing.close()
    starts.append(len(paths))
    freeze([paths], folder / "sample")
    (folder / "sample.starts").write_bytes(starts.tobytes())
    largest = max(portion.chosen.candidate.items for portion in sample.portions)
    root = os.fsencode(sample.input_root)
    return FrozenListing(
        root, folder / "sample", Path(f"{folder / 'sample'}.index"), len(paths), largest, folder / "sample.starts"
    )


class _Sizes:
    """Looks at files while their listing is frozen: at all of them, or of very many at stretches, evenly apart."""

    def __init__(self, *, items: int, widest: int) -> None:
        """widest: the largest mini-batch that must fit into a stretch."""
        self._every = -(-items // _MOST_LOOKED_AT) if items > _MOST_LOOKED_AT else 1
        self._width = max(1, min(items, widest) if self._every > 1 else items)
        self._items = items
        self._stretches: dict[int, list[int]] = {}

    def look(self, slices: Iterable[list[bytes]], *, root: bytes) -> Iterator[list[bytes]]:
        """Give the slices of sorted paths as they are, having looked at the files of their stretches."""
        position = 0
        for slice_ in slices:
            for path in slice_:
                if position // self._width % self._every == 0:
                    self._stretches.setdefault(position // self._width, []).append(_size_bytes(root + b"/" + path))
                position += 1
            yield slice_

    @property
    def size_bytes(self) -> int:
        """Bytes of the files that were looked at."""
        return sum(map(sum, self._stretches.values()))

    @property
    def factor(self) -> float:
        """How many items there are for each that was looked at; 1 when all were."""
        looked_at = sum(map(len, self._stretches.values()))
        return self._items / looked_at if looked_at else 1.0

    def candidates(self, run_items: int, *, most_bytes: int) -> list[Candidate]:
        """Cut the stretches into mini-batches of at most so many items and bytes."""
        cuts = (_cut(at * self._width, sizes, run_items, most_bytes) for at, sizes in self._stretches.items())
        return list(chain.from_iterable(cuts))


def _cut(first: int, sizes: Sequence[int], run_items: int, most_bytes: int) -> Iterator[Candidate]:
    starts = Packing(most_items=run_items, most_bytes=most_bytes).take(sizes)
    for start, stop in zip(starts, [*starts[1:], len(sizes)], strict=True):
        yield Candidate(first + start, stop - start, sum(sizes[start:stop]))


def _portions(looked: _Sizes, run_items: int, *, most_bytes: int, quota: float) -> list[Portion]:
    """Choose the portions of one size. quota: items that they may have together; one mini-batch is the least."""
    candidates = looked.candidates(run_items, most_bytes=most_bytes)
    if not candidates:
        return []
    in_one = sum(one.items for one in candidates) / len(candidates)
    chosen = choose(candidates, most=max(1, round(quota / in_one)))
    return [Portion(run_items, _scaled(one, looked.factor)) for one in chosen]


def _scaled(chosen: Chosen, factor: float) -> Chosen:
    items, size_bytes = round(chosen.stands_for_items * factor), round(chosen.stands_for_bytes * factor)
    return chosen if factor == 1 else replace(chosen, stands_for_items=items, stands_for_bytes=size_bytes)


def _size_bytes(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # Scoring it will tell why it cannot be looked at.
