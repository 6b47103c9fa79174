"""What the part files of a job say of their columns, and what the columns of an output are by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from batchyard.domain.errors import Conflict, NotFound, PlatformError
from batchyard.domain.outputs.formats import OutputFormat
from batchyard.domain.outputs.schemas import PART_MAGIC, Columns, Mismatch, PartSchema, part_schema, unified
from batchyard.domain.scoring.ledger import Committed, live
from batchyard.engine.gather import Gathered, ranges
from batchyard.engine.ledger_file import extents, records
from batchyard.ports.job_home import JobHome

_LONGEST_LINE_BYTES = 64 << 20
_NUMBERS = (int, float)
_TYPES_IN_JSON = {"int": _NUMBERS, "uint": _NUMBERS, "float": _NUMBERS, "bool": (bool,), "string": (str,)}


@dataclass(frozen=True, slots=True)
class PartSchemas:
    """columns: of the output. of: number of a part file with rows -> its own columns."""

    columns: Columns
    of: dict[int, Columns]


@dataclass(frozen=True, slots=True)
class RowOfPart:
    """One row among those of a mini-batch. items: the part of the mini-batch that they are of, None for all of it."""

    mini_batch: int
    items: tuple[int, int] | None
    row: int
    rows: int


def read_schemas(
    home: JobHome, gathered: Gathered, output_format: OutputFormat, *, told_of: Callable[[RowOfPart], str] | None = None
) -> PartSchemas:
    """Read the schemas of all part files with rows.

    told_of: says what a row is of; given where the types of a column must have something in common.
    Raises: Conflict when they have not, naming column, types and items.
    """
    wanted = "csv" if output_format is OutputFormat.CSV else "jsonl"
    parts = list(dict.fromkeys(found.part for found in ranges(gathered)))
    schemas = [_schema(home, gathered.parts[part], wanted).columns for part in parts]
    columns, mismatches = unified(schemas)
    if mismatches and told_of is not None:

        def place(number: int, column: str, kind: str) -> str:
            return told_of(_first_of(home, gathered, parts[number], column, kind))

        raise Conflict(" ".join(_told(found, place) for found in mismatches))
    return PartSchemas(columns, dict(zip(parts, schemas, strict=True)))


def _schema(home: JobHome, part: str, wanted: str) -> PartSchema:
    try:
        with home.read(f"parts/{part}") as stream:
            magic, line = stream.readline(len(PART_MAGIC)), stream.readline(_LONGEST_LINE_BYTES)
    except NotFound as exc:
        raise PlatformError(f"The part file {part!r}, which the ledger names, is gone.") from exc
    try:
        schema = part_schema(line) if magic == PART_MAGIC else None
    except ValueError:
        schema = None
    if schema is None or schema.format != wanted:
        raise PlatformError(f"The part file {part!r} does not hold rows as {wanted}; it begins with {magic!r}.")
    return schema


def _told(found: Mismatch, place: Callable[[int, str, str], str]) -> str:
    one = place(found.first, found.column, found.first_type)
    other = place(found.second, found.column, found.second_type)
    return (
        f"Column {found.column!r} is {found.first_type} in {one} and {found.second_type} in {other}"
        ", which cannot be one column of a parquet file. Let the script return one type, or choose output_format jsonl."
    )


def _first_of(home: JobHome, gathered: Gathered, part: int, column: str, kind: str) -> RowOfPart:
    """Find a row of a part file in which a column is of this type; the first of all where no value tells."""
    name = gathered.parts[part]
    own = [found for found in ranges(gathered) if found.part == part]
    with home.read(f"parts/{name}") as stream:
        for found in own:
            at = found.offset
            stream.seek(at)
            while at < found.offset + found.size_bytes and (line := stream.readline()):
                if _shows(json.loads(line).get(column), kind):
                    return _row_at(home, stream, name, found.offset, at)
                at += len(line)
        return _row_at(home, stream, name, own[0].offset, own[0].offset)


def _row_at(home: JobHome, stream: BinaryIO, part: str, offset: int, at: int) -> RowOfPart:
    """Give the row that begins at a byte of a part file. offset: of the committed range that it is in."""
    for record in live(lambda: records(home, extents(home))):
        if not isinstance(record, Committed) or (record.part, record.offset) != (part, offset):
            continue
        for mini_batch, length in enumerate(record.lengths, record.first):
            if at < offset + length:
                stream.seek(offset)
                content = stream.read(length)
                row, rows = content[: at - offset].count(b"\n"), content.count(b"\n")
                return RowOfPart(mini_batch, record.items, row, rows)
            offset += length
    raise PlatformError(f"The ledger no longer names the rows of {part!r}.")


def _shows(value: Any, kind: str) -> bool:  # Any: JSON values
    """Whether a value makes its column be of a type; of those that JSON has no words for any value does."""
    wanted = next((types for prefix, types in _TYPES_IN_JSON.items() if kind.startswith(prefix)), None)
    return value is not None and (wanted is None or type(value) in wanted)
