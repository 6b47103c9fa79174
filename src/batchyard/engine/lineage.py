"""The way back from a published row or file, and that of an item into the output: by ledger, listing and manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any  # JSON of a manifest

from batchyard.domain.deployments import OutputAction, output_format_of
from batchyard.domain.errors import Conflict, NotFound, PlatformError, near_names
from batchyard.domain.item_history import ItemHistory
from batchyard.domain.job_states import FINAL
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.checks import failed_list_beside
from batchyard.domain.outputs.formats import OutputColumn, OutputFormat
from batchyard.domain.outputs.lineage import MOST_NAMED, Attribution, Origin, Trace, TracedItem
from batchyard.domain.outputs.manifests import read_manifest
from batchyard.domain.outputs.verification import Check, Result
from batchyard.domain.scoring.ledger import Committed, Planned, Slice, live
from batchyard.domain.scoring.minibatches import Cut
from batchyard.engine.home_checks import check_listing, find_ledger
from batchyard.engine.item_history import LedgerItemHistories
from batchyard.engine.ledger_file import Extent, is_whole, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing
from batchyard.engine.published_files import OutputOfJob, output_of
from batchyard.engine.published_rows import PublishedRows, row_files
from batchyard.engine.range_rows import Read, bytes_of, rows_of_mini_batches, value_in_row
from batchyard.engine.row_places import RowPlace, row_places
from batchyard.ports.datastore import Datastores
from batchyard.ports.job_home import JobHome, JobHomes

_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class JobLineages:
    """`ports.lineage.Lineages` over homes and datastores."""

    homes: JobHomes
    datastores: Datastores

    def of_row(self, job: Job, row: int) -> Trace:
        """Trace a row by its number."""
        book = self._book(job)
        if job.settings.output_action is not OutputAction.APPEND_ROW:
            raise NotFound(f"Job {job.name!r} publishes no rows: its output_action is summary_only.")
        last = None
        for place in book.places():
            if place.first_row <= row < place.first_row + place.rows:
                return self._row_of(job, book, place, row)
            last = place
        count = last.first_row + last.rows if last else 0
        known = f"its rows are 0 to {count - 1}" if count else "it has no rows"
        raise NotFound(f"Job {job.name!r} has no row {row}: {known}, counted from 0 without headers.")

    def of_file(self, job: Job, name: str) -> Trace:
        """Trace a published file."""
        book = self._book(job)
        files = output_of(self.datastores, self.homes, job)
        document = _manifest(files)
        entries = {str(entry["name"]): entry for entry in document["outputs"]}
        if name == files.manifest or name == failed_list_beside(files.manifest):
            return Trace(Attribution.JOB, note="It tells of all items of the job.")
        if name not in entries:
            near = ", ".join(map(repr, near_names(name, list(entries))))
            raise NotFound(f"Job {job.name!r} published no file {name!r}.{f' Known: {near}.' if near else ''}")
        entry = entries[name]
        if "rows" in entry:
            return _file_of_rows(document, name)
        if entry.get("exact") is False:
            return Trace(Attribution.WORKER, note="A worker wrote it in init() or shutdown(), for no item.")
        writers = {(one["mini_batch"], one.get("first_item", 0)) for one in entry.get("written_by") or ()}
        if not writers:
            return Trace(Attribution.JOB, note="It was published by a version that did not keep who wrote a file.")
        return book.written_by(writers, count=entry.get("writers", len(writers)))

    def of_item(self, job: Job, wanted: Sequence[bytes]) -> list[Trace]:
        """Trace the items of a name forward."""
        book = self._book(job)
        found = LedgerItemHistories(self.homes).find(job.name, wanted)
        return [self._item(job, book, history) for history in found.items]

    def _book(self, job: Job) -> _Book:
        home = self.homes.open(job.name) if self.homes.exists(job.name) else None
        ledger = find_ledger(home, job.ledger_sha256) if home is not None and job.generation else None
        if not job.generation:
            raise Conflict(
                f"Job {job.name!r} is {job.status.value} and has published nothing. {_towards_an_output(job)}"
            )
        if job.reused_from is not None:
            raise Conflict(f"Job {job.name!r} has the result of job {job.reused_from!r}: trace that one.")
        if home is None or ledger is None:
            raise Conflict(f"The ledger of job {job.name!r} is gone or was changed. `job verify` says what is wrong.")
        planned = next((one for one in records(home, ledger) if isinstance(one, Planned) and one.items), None)
        if planned is None:
            raise PlatformError(f"The ledger of job {job.name!r} has no plan.")
        _refuse_other_listing(job, home, planned)
        return _Book(home, ledger, planned, open_cut(home, planned))

    def _row_of(self, job: Job, book: _Book, place: RowPlace, row: int) -> Trace:
        record = book.record_at(place)
        with closing(_Source(output_of(self.datastores, self.homes, job), book)) as source:
            read = source.reader(record, place)
            shared = rows_of_mini_batches(record, book.cut, read)
            if shared is None:
                items = book.positions(record.first, record.stop, record.items)
                note = f"It is one of the rows of mini-batches {record.first} to {record.stop - 1}."
                return book.trace(Attribution.MINI_BATCH, [_origin(record, place)], items, note=note)
            starts = list(accumulate(shared, initial=place.first_row))
            number = next(n for n, rows in enumerate(shared) if starts[n] <= row < starts[n] + rows)
            within, rows = row - starts[number], shared[number]
            origin = _origin(record, place, number=number, first_row=starts[number], rows=rows)
            items = book.positions(origin.mini_batch, origin.stop, record.items)
            if len(items) == 1 or rows == len(items):
                is_only = len(items) == 1
                position = items[0] if is_only else items[within]
                how = Attribution.ONLY_ITEM if is_only else Attribution.BY_POSITION
                return book.trace(how, [origin], [position])
            told = _position_in_row(job, book, items, bytes_of(read, record, number), within)
            if told is not None:
                return book.trace(Attribution.ROW, [origin], [told])
        note = f"The mini-batch gave {rows} rows for {len(items)} items, so which of them it is of is not known."
        return book.trace(Attribution.MINI_BATCH, [origin], items, note=note)

    def _item(self, job: Job, book: _Book, history: ItemHistory) -> Trace:
        """Trace an item to the attempt that scored it, and to its rows where they can be told."""
        item = (TracedItem(history.path, history.position),)
        record = book.record_of(history.position)
        if record is None:
            return Trace(Attribution.ONLY_ITEM, (), item, 1, history.outcome.value, "It has no rows in the output.")
        place = next(one for one in book.places() if book.is_at(record, one))
        with closing(_Source(output_of(self.datastores, self.homes, job), book)) as source:
            shared = rows_of_mini_batches(record, book.cut, source.reader(record, place))
        if shared is None:
            return Trace(Attribution.MINI_BATCH, (_origin(record, place),), item, 1, history.outcome.value)
        number = history.mini_batch - record.first
        first_row, rows = place.first_row + sum(shared[:number]), shared[number]
        items = book.positions(history.mini_batch, history.mini_batch + 1, record.items)
        how = Attribution.ONLY_ITEM if len(items) == 1 else Attribution.MINI_BATCH
        if how is Attribution.MINI_BATCH and rows == len(items):
            how, first_row, rows = Attribution.BY_POSITION, first_row + items.index(history.position), 1
        origin = _origin(record, place, number=number, first_row=first_row, rows=rows)
        return Trace(how, (origin,), item, 1, history.outcome.value)


@dataclass(frozen=True, slots=True)
class _Book:
    """What is known of a published job: its ledger, its plan and how that cuts the listing."""

    home: JobHome
    ledger: Sequence[Extent]
    planned: Planned
    cut: Cut

    def places(self) -> Iterator[RowPlace]:
        with tempfile.TemporaryDirectory(prefix="batchyard-lineage-") as work:
            yield from row_places(self.home, self.ledger, Path(work))

    def committed(self) -> Iterator[Committed]:
        for record in live(lambda: records(self.home, self.ledger)):
            if isinstance(record, Committed):
                yield record

    def is_at(self, record: Committed, place: RowPlace) -> bool:
        start = record.items[0] if record.items else 0
        return (record.first, record.stop, start) == (place.first, place.stop, place.first_item)

    def record_at(self, place: RowPlace) -> Committed:
        return next(record for record in self.committed() if self.is_at(record, place))

    def record_of(self, position: int) -> Committed | None:
        """Give the range that scored an item, None when none did."""
        mini_batch = self.cut.mini_batch_of(position)
        place = position - self.cut.bounds(mini_batch)[0]
        return next((record for record in self.committed() if _covers(record, mini_batch, place)), None)

    def positions(self, first: int, stop: int, items: Slice | None) -> range:
        """Give the items of mini-batches, or of a part of one."""
        start, _ = self.cut.bounds(first, items)
        return range(start, self.cut.bounds(stop - 1, items)[1])

    def written_by(self, writers: set[tuple[int, int]], *, count: int) -> Trace:
        """Trace a file of the script by who wrote it: (mini-batch, first item of its part)."""
        origins, items = [], list[int]()
        for record in self.committed():
            start = record.items[0] if record.items else 0
            for mini_batch, first_item in sorted(writers):
                if record.first <= mini_batch < record.stop and first_item == start:
                    origins.append(_origin(record, None, number=mini_batch - record.first))
                    items += self.positions(mini_batch, mini_batch + 1, record.items)
        how = Attribution.ONLY_ITEM if len(items) == 1 else Attribution.MINI_BATCH
        note = "" if count == len(writers) else f"{count} mini-batches wrote it together; the first are named."
        return self.trace(how, sorted(origins, key=lambda one: one.mini_batch), sorted(items), note=note)

    def trace(self, how: Attribution, origins: Sequence[Origin], items: Sequence[int], *, note: str = "") -> Trace:
        """Name the items at these positions."""
        with closing(Listing(self.home.path(self.planned.listing))) as listing:
            named = tuple(TracedItem(listing.path(position), position) for position in items[:MOST_NAMED])
        return Trace(how, tuple(origins), named, len(items), note=note)


class _Source:
    """Finds the bytes of a range as they were written: in its part file, or in the output where it has them so."""

    def __init__(self, files: OutputOfJob, book: _Book) -> None:
        self._files, self._book = files, book
        self._rows: PublishedRows | None = None

    def reader(self, record: Committed, place: RowPlace) -> Read | None:
        if self._book.home.exists(f"parts/{record.part}") and is_whole(self._book.home, record):
            return partial(self._of_part, record)
        of = row_files(self._files, _manifest(self._files))
        rows = PublishedRows(self._files, of or ())
        if of is None or rows.size_bytes != sum(one.size_bytes for one in self._book.committed()):
            return None
        self._rows = rows
        return lambda offset, size: rows.read(place.offset + offset, size)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()

    def _of_part(self, record: Committed, offset: int, left: int) -> Iterator[bytes]:
        with self._book.home.read(f"parts/{record.part}") as stream:
            stream.seek(record.offset + offset)
            while left and (piece := stream.read(min(left, _STEP_BYTES))):
                left -= len(piece)
                yield piece


def _towards_an_output(job: Job) -> str:
    if job.status not in FINAL:
        return "Wait for its output."
    resumed = f"`batchyard job resume -n {job.name}` goes on with what is missing"
    if not job.counts.failed:
        return f"{resumed}."
    return f"{resumed}; `batchyard job retry-failed -n {job.name}` scores its failed items again, too."


def _refuse_other_listing(job: Job, home: JobHome, planned: Planned) -> None:
    """See that items have the names they had when they were scored: one pass over the listing, nothing of it kept.

    Raises: Conflict naming the first file that is not the one that the ledger has the hash of.
    """
    for event in check_listing(home, planned):
        if isinstance(event, Check) and event.result is Result.WRONG:
            raise Conflict(
                f"The listing of job {job.name!r} is gone or was changed ({event.file!r}), so which items its rows are "
                "of cannot be said. `job verify` says what is wrong."
            )


def _covers(record: Committed, mini_batch: int, place: int) -> bool:
    is_there = record.first <= mini_batch < record.stop
    return is_there and (record.items is None or record.items[0] <= place < record.items[1])


def _origin(
    record: Committed,
    place: RowPlace | None,
    *,
    number: int | None = None,
    first_row: int | None = None,
    rows: int | None = None,
) -> Origin:
    """Give the attempt behind a range; number: of the one mini-batch in it, None when which is not known."""
    first, stop = (record.first, record.stop) if number is None else (record.first + number, record.first + number + 1)
    if number is None and place is not None:
        first_row, rows = place.first_row, place.rows
    fence = int(record.part.partition("-")[0] or 0)
    return Origin(first, stop, record.attempt, record.worker, fence, first_row, rows)


def _position_in_row(job: Job, book: _Book, items: range, content: bytes | None, row: int) -> int | None:
    """Give the item that a row names itself, in one of the columns that workers put in front of the script's own."""
    columns = job.settings.output_columns
    is_csv = output_format_of(job.settings) is OutputFormat.CSV
    find: dict[OutputColumn, Callable[[str], int | None]] = {
        OutputColumn.POSITION: lambda text: int(text) if text.isdecimal() else None,
        OutputColumn.ITEM: lambda text: _position_of(book, items, text),
    }
    for place, column in enumerate(columns):
        if column in find and content is not None:
            text = value_in_row(content, row, place, column.value, is_csv=is_csv)
            position = None if text is None else find[column](text)
            if position in items:
                return position
    return None


def _position_of(book: _Book, items: range, name: str) -> int | None:
    with closing(Listing(book.home.path(book.planned.listing))) as listing:
        return next((position for position in items if listing.name(position) == name), None)


def _file_of_rows(document: Mapping[str, Any], name: str) -> Trace:
    first = 0
    for entry in document["outputs"]:
        if entry["name"] == name:
            last = first + int(entry["rows"]) - 1
            return Trace(Attribution.JOB, note=f"It holds rows {first} to {last}; ask for one by its number.")
        first += int(entry.get("rows", 0))
    raise NotFound(name)


def _manifest(files: OutputOfJob) -> Mapping[str, Any]:
    with files.open(files.manifest) as stream:
        document, check = read_manifest(stream.read(), files.manifest)
    if document is None or check.result is Result.WRONG:
        raise Conflict("The output's manifest was changed. `job verify` says what is wrong.")
    return document
