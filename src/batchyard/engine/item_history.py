"""Finding an item by name in a job's frozen listing, and what its ledger says of it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from batchyard.domain.errors import NotFound, PlatformError
from batchyard.domain.failures import SHORT_RESULT, log_of
from batchyard.domain.item_history import MOST_FOUND, Attempt, FoundItems, ItemHistory, ItemOutcome
from batchyard.domain.item_names import item_text
from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, Planned, Record, live
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.outcomes import short_message
from batchyard.engine.ledger_file import extents, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing
from batchyard.ports.job_home import JobHome, JobHomes


class LedgerItemHistories:
    """`ports.item_history.ItemHistories` over the homes of jobs."""

    def __init__(self, homes: JobHomes) -> None:
        self._homes = homes

    def find(self, job: str, wanted: Sequence[bytes]) -> FoundItems:
        """Give what became of the items of a name."""
        home = self._homes.open(job) if self._homes.exists(job) else None
        planned = _planned(home) if home is not None else None
        if home is None or planned is None:
            raise NotFound(f"Job {job!r} has no listing: its input was not listed yet, or its home is gone.")
        try:
            with closing(Listing(home.path(planned.listing))) as listing:
                positions = _positions(home.path(planned.listing), listing, planned.items, wanted)
                paths = {position: listing.path(position) for position in positions[:MOST_FOUND]}
        except OSError as exc:
            raise PlatformError(f"The listing of job {job!r} cannot be read: {exc}.") from exc
        if not paths:
            name = item_text(wanted[0])
            raise NotFound(f"Job {job!r} has no item {name!r}. Give its path relative to the input, or the end of it.")
        cut = open_cut(home, planned)
        items = tuple(_histories(home, paths, cut))
        return FoundItems(items, len(positions))


def _planned(home: JobHome) -> Planned | None:
    """Give the plan; an empty input may have been listed again since, so the last one counts."""
    found = None
    for record in records(home, extents(home)):
        if isinstance(record, Planned):
            found = record
            if found.items:
                break
    return found


def _positions(paths: Path, listing: Listing, items: int, wanted: Sequence[bytes]) -> list[int]:
    """Give the positions that fit: of a whole path by halving, of its end by looking through the file."""
    for name in wanted:
        position = _at_or_after(listing, items, name)
        if position < items and listing.path(position) == name:
            return [position]
    if not items:
        return []
    with _mapped(paths) as content:
        for name in wanted:
            for end in (b"/" + name.lstrip(b"/") + b"\0", name + b"\0"):
                found = sorted({listing.position_of(offset, items=items) for offset in _offsets(content, end)})
                if found:
                    return found
    return []


def _at_or_after(listing: Listing, items: int, name: bytes) -> int:
    low, high = 0, items
    while low < high:
        middle = (low + high) // 2
        if listing.path(middle) < name:
            low = middle + 1
        else:
            high = middle
    return low


@contextmanager
def _mapped(paths: Path) -> Iterator[mmap.mmap]:
    with open(paths, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _offsets(content: mmap.mmap, end: bytes) -> Iterator[int]:
    """Give where the last byte of each name with this end lies."""
    at = content.find(end)
    while at >= 0:
        yield at + len(end) - 1
        at = content.find(end, at + len(end) - 1)


def _histories(home: JobHome, paths: dict[int, bytes], cut: Cut) -> Iterator[ItemHistory]:
    attempts: dict[int, list[Attempt]] = {position: [] for position in paths}
    outcomes = dict.fromkeys(paths, ItemOutcome.INCOMPLETE)
    by_mini_batch = sorted((cut.mini_batch_of(position), position) for position in paths)
    for record in live(lambda: records(home, extents(home))):
        for mini_batch, position in by_mini_batch:
            if _is_about(record, mini_batch, position - cut.bounds(mini_batch)[0]):
                _note(record, attempts[position], outcomes, position, cut)
    for mini_batch, position in by_mini_batch:
        yield ItemHistory(paths[position], position, mini_batch, outcomes[position], tuple(attempts[position]))


def _is_about(record: Record, mini_batch: int, place: int) -> bool:
    """Whether a record tells of the item at a place in a mini-batch."""
    if isinstance(record, Committed):
        is_it = record.first <= mini_batch < record.stop
    elif isinstance(record, AttemptFailed | FailedItems):
        is_it = record.mini_batch == mini_batch
    else:
        return False
    return is_it and (record.items is None or record.items[0] <= place < record.items[1])


def _note(record: Record, attempts: list[Attempt], outcomes: dict[int, ItemOutcome], position: int, cut: Cut) -> None:
    if isinstance(record, AttemptFailed):
        log = log_of(record.worker, stack=record.stack)
        what = (record.error_class, record.error, record.message, record.stack)
        attempts.append(Attempt(record.attempt, record.worker, log, *what))
    elif isinstance(record, FailedItems):
        outcomes[position] = ItemOutcome.FAILED
    elif isinstance(record, Committed):
        mini_batch = cut.mini_batch_of(position)
        missing = dict(record.short).get(mini_batch)
        outcomes[position] = ItemOutcome.SUCCEEDED if missing is None else ItemOutcome.SHORT
        first, stop = record.items or (0, cut.items_in(mini_batch, 1))
        attempts.append(_finished(record, given=stop - first, missing=missing))


def _finished(record: Committed, *, given: int, missing: int | None) -> Attempt:
    attempt = Attempt(record.attempt, record.worker, log_of(record.worker, stack=""))
    if missing is None:
        return attempt
    message = short_message(given, missing)
    return replace(attempt, error_class=ErrorClass.DATA.value, error=SHORT_RESULT, message=message)
