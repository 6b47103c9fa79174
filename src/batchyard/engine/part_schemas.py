"""What the part files of a job say of their columns, and what the columns of an output are by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchyard.domain.errors import Conflict, NotFound, PlatformError
from batchyard.domain.outputs.formats import OutputFormat
from batchyard.domain.outputs.schemas import PART_MAGIC, Columns, Mismatch, PartSchema, part_schema, unified
from batchyard.engine.gather import Gathered, ranges
from batchyard.ports.job_home import JobHome

_LONGEST_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class PartSchemas:
    """columns: of the output. of: number of a part file with rows -> its own columns."""

    columns: Columns
    of: dict[int, Columns]


def read_schemas(
    home: JobHome, gathered: Gathered, output_format: OutputFormat, *, item_of: Callable[[int], str] | None = None
) -> PartSchemas:
    """Read the schemas of all part files with rows.

    item_of: number of a mini-batch -> the name of its first item, where the types of a column must have something in
    common. Raises: Conflict when they have not, naming column, types and items.
    """
    wanted = "csv" if output_format is OutputFormat.CSV else "jsonl"
    firsts: dict[int, int] = {}
    for found in ranges(gathered):
        firsts.setdefault(found.part, found.mini_batch)
    schemas = [_schema(home, gathered.parts[part], wanted).columns for part in firsts]
    columns, mismatches = unified(schemas)
    if mismatches and item_of is not None:
        mini_batches = list(firsts.values())
        raise Conflict(" ".join(_told(found, mini_batches, item_of) for found in mismatches))
    return PartSchemas(columns, dict(zip(firsts, schemas, strict=True)))


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


def _told(found: Mismatch, mini_batches: list[int], item_of: Callable[[int], str]) -> str:
    one, other = item_of(mini_batches[found.first]), item_of(mini_batches[found.second])
    return (
        f"Column {found.column!r} is {found.first_type} in rows of {one!r} and {found.second_type} in rows of {other!r}"
        ", which cannot be one column of a parquet file. Let the script return one type, or choose output_format jsonl."
    )
