"""What an output contract says of all rows together, checked before anything is published.

No mini-batch can know whether another has its key. Every key is read again from the part files, as a digest of fixed
size with its place, and sorted on disk: equal ones are neighbours then, and memory stays flat. Rows are counted on the
way, so that what the ledger says of them is not only believed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from batchyard.domain.deployments import ExecutionSettings, OutputAction, output_format_of
from batchyard.domain.errors import ContractBroken, PlatformError
from batchyard.domain.outputs.contracts import OutputContract, RowsPerItem
from batchyard.domain.outputs.formats import is_structured
from batchyard.domain.outputs.schemas import PART_MAGIC, PartSchema, part_schema
from batchyard.domain.scoring.ledger import Committed, Planned, live
from batchyard.engine.csv_rows import cells_of
from batchyard.engine.ledger_file import Extent, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.job_home import JobHome

_DIGEST_BYTES = 16
_PLACE = struct.Struct(">QQQ")  # Mini-batch, first item of it that was scored, row. Big-endian sorts as numbers do.
_LONGEST_LINE_BYTES = 64 << 20
_LONGEST_SHOWN = 200

Key = str | int | float | bool | None
# Mini-batch, the first item of it that the rows are about, the row among them.
Place = tuple[int, int, int]


def check_whole_output(
    settings: ExecutionSettings,
    home: JobHome,
    extents: Sequence[Extent],
    planned: Planned,
    work: Path,
    *,
    reach: Callable[[], object],
) -> None:
    """Refuse an output that its contract does not allow. work: a folder for what has to be sorted.

    reach: called on the way, again and again.
    Raises: ContractBroken, with the first item at fault; PlatformError when rows are not as the ledger says; OSError.
    """
    contract = settings.output_contract
    if contract is None:
        return
    _check_counts(contract, home, extents, planned)
    has_rows = settings.output_action is OutputAction.APPEND_ROW and is_structured(output_format_of(settings))
    if contract.unique_key and contract.key_column is not None and has_rows:
        _check_keys(contract.key_column, home, extents, planned, work, reach)


def _check_counts(contract: OutputContract, home: JobHome, extents: Sequence[Extent], planned: Planned) -> None:
    """See that each range that was committed has the rows its items must have."""
    if contract.rows_per_item not in (RowsPerItem.ONE, RowsPerItem.AT_LEAST_ONE):
        return
    for record in _committed(home, extents):
        has_too_many = contract.rows_per_item is RowsPerItem.ONE and record.rows > record.succeeded
        if record.short or record.rows < record.succeeded or has_too_many:
            first, _ = open_cut(home, planned).bounds(record.first, record.items)
            message = (
                f"{record.rows} rows were committed for {record.succeeded} items from position {first} on; "
                f"output_contract.rows_per_item is {contract.rows_per_item.value}."
            )
            raise ContractBroken("RowCount", message, mini_batch=record.first, position=first)


def _check_keys(
    column: str,
    home: JobHome,
    extents: Sequence[Extent],
    planned: Planned,
    work: Path,
    reach: Callable[[], object],
) -> None:
    keys = SortedRuns(work)
    for record in _committed(home, extents):
        reach()
        keys.extend(_digest(key) + _PLACE.pack(*place) for key, place in _keys(home, record, column))
    found, first, second = 0, None, None
    before, is_repeated = b"", False
    for raw in keys:
        if raw[:_DIGEST_BYTES] == before[:_DIGEST_BYTES]:
            # The first row of a key counts as soon as another one has it, too.
            found += 1 if is_repeated else 2
            is_repeated = True
            place = _PLACE.unpack(raw[_DIGEST_BYTES:])
            if second is None or place < second:
                first, second = _PLACE.unpack(before[_DIGEST_BYTES:]), place
        else:
            is_repeated = False
        before = raw
    if first is not None and second is not None:
        raise _duplicate(column, home, extents, planned, (first, second), found)


def _duplicate(
    column: str, home: JobHome, extents: Sequence[Extent], planned: Planned, places: tuple[Place, Place], found: int
) -> ContractBroken:
    """Tell of the first row whose key another one before it has."""
    cut = open_cut(home, planned)
    told = []
    key: Key = None
    position = -1
    with closing(Listing(home.path(planned.listing))) as listing:
        for place in places:
            record = next(r for r in _committed(home, extents) if _has(r, place))
            rows = [other for other in _keys(home, record, column) if other[1][:2] == place[:2]]
            key = next(key for key, other in rows if other == place)
            position, item = _item(place, cut.bounds(place[0], record.items), len(rows), listing)
            told.append(f"{item} (row {place[2] + 1} of mini-batch {place[0]})")
    many = "" if found == 2 else f" {found:,} rows have a key that another row has."
    message = (
        f"Column {column!r} has {_shown(key)} more than once: for {told[0]} and for {told[1]}.{many} "
        "output_contract.unique_key allows each key once; nothing was published. What was scored can be read with "
        "`batchyard job download --partial`."
    )
    return ContractBroken("DuplicateKey", message, mini_batch=places[1][0], position=position)


def _item(place: Place, bounds: tuple[int, int], rows: int, listing: Listing) -> tuple[int, str]:
    """Give the position that a row is about, and that item in words; of several where nobody can know."""
    first, stop = bounds
    if stop - first == 1 or rows == stop - first:
        position = first if stop - first == 1 else first + place[2]
        return position, f"item {listing.name(position)!r}"
    return first, f"one of the items {listing.name(first)!r} to {listing.name(stop - 1)!r}"


def _has(record: Committed, place: Place) -> bool:
    return record.first <= place[0] < record.stop and (record.items[0] if record.items else 0) == place[1]


def _committed(home: JobHome, extents: Sequence[Extent]) -> Iterator[Committed]:
    return (record for record in live(lambda: records(home, extents)) if isinstance(record, Committed))


def _keys(home: JobHome, record: Committed, column: str) -> Iterator[tuple[Key, Place]]:
    """Give the key of each row of a range, and its place."""
    if not record.size_bytes:
        return
    counted = 0
    with home.read(f"parts/{record.part}") as stream:
        read = _reader(stream, record.part, column)
        offset, start = record.offset, record.items[0] if record.items else 0
        for mini_batch, size_bytes in enumerate(record.lengths, record.first):
            stream.seek(offset)
            for row, key in enumerate(read(_lines(stream, size_bytes))):
                yield key, (mini_batch, start, row)
                counted += 1
            offset += size_bytes
    if counted != record.rows:
        message = f"The part file {record.part!r} has {counted} rows where the ledger says {record.rows}."
        raise PlatformError(message)


def _reader(stream: BinaryIO, part: str, column: str) -> Callable[[Iterator[str]], Iterator[Key]]:
    """Give the function that reads keys from lines of a part file."""
    magic, line = stream.readline(len(PART_MAGIC)), stream.readline(_LONGEST_LINE_BYTES)
    try:
        schema = part_schema(line)
    except ValueError as exc:
        raise PlatformError(f"The part file {part!r} cannot be read: {exc}.") from exc
    if magic != PART_MAGIC or column not in dict(schema.columns):
        raise PlatformError(f"The part file {part!r} has no column {column!r}, which every result must have.")
    return _csv_reader(schema, column) if schema.format == "csv" else _json_reader(column)


def _csv_reader(schema: PartSchema, column: str) -> Callable[[Iterator[str]], Iterator[Key]]:
    at = [name for name, _ in schema.columns].index(column)
    kind = dict(schema.columns)[column]
    is_number = kind.startswith(("int", "uint", "float"))

    def read(lines: Iterator[str]) -> Iterator[Key]:
        for row in cells_of(lines):
            # What the file shows is what is compared, but for how a number is written.
            yield str(_number(row[at])) if is_number else row[at]

    return read


def _json_reader(column: str) -> Callable[[Iterator[str]], Iterator[Key]]:
    def read(lines: Iterator[str]) -> Iterator[Key]:
        for line in lines:
            yield _plain(json.loads(line).get(column))

    return read


def _number(text: str) -> Key:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return _plain(float(text))
    except ValueError:
        return text


def _plain(value: Any) -> Key:  # Any: JSON
    """Give a value as others of the same key have it: 1.0 is 1, lists and mappings are their text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value


def _digest(key: Key) -> bytes:
    text = f"{type(key).__name__}:{key}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _lines(stream: BinaryIO, size_bytes: int) -> Iterator[str]:
    while size_bytes:
        line = stream.readline(size_bytes)
        if not line:
            raise OSError(5, "a part file ends before its last row")
        size_bytes -= len(line)
        yield line.decode("utf-8", "surrogateescape")


def _shown(key: Key) -> str:
    text = repr(key)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
