"""A worker's part files where rows have columns: each file holds rows of one schema.

A file starts with `MAGIC` and a line of JSON, {"format": "csv" or "jsonl", "columns": [[name, type], …]}; then come
the rows. Types are those of `schema`. A result that does not fit the schema of the current file goes, with its
mini-batch, into a new one of a wider schema: `<name>.part`, `<name>.2.part`, `<name>.3.part`, …; where types cannot be
widened, into the one of another family. Each is made with its header before any of its rows is written, so whoever
finds a row finds the schema.

Ends and offsets that are told here go on from file to file; `places` says in which file they are, and where.
"""

from __future__ import annotations

import json

from batchyard_runtime.parts import PartFile
from batchyard_runtime.schema import widen
from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from batchyard_runtime.columns import Table

    Schema = dict[str, str]

MAGIC = b"batchyard part 2\n"
_MOST_COLUMNS = 4096
_MOST_FAMILIES = 16
_ENDING = ".part"


class _Family:
    """Rows whose types widen to one schema, and the file where those of now go. number: of the file."""

    def __init__(self, schema: Schema, file: PartFile, number: int) -> None:
        self.schema = schema
        self.file = file
        self.number = number


class SchemaParts:
    """What `PartFile` is to text: rows are appended, cut off again, and segments end. end: as if all were one file.

    Nothing is made before the first result; `make_room` comes before the first `append`.
    """

    def __init__(self, path: str, *, row_format: str, mixes: bool, reach: Callable[[str], None] | None = None) -> None:
        """path: of the first file. row_format: "csv" or "jsonl". mixes: a column may hold an `object`."""
        self._path = path
        self._format = row_format
        self._mixes = mixes
        self._reach = reach
        self._families: list[_Family] = []
        self._current: _Family | None = None
        self._files = 0
        self._base = 0
        self._moves: list[tuple[int, int, int]] = []
        self.end = 0

    @property
    def names(self) -> list[str]:
        """The columns of the current file, in order."""
        return [] if self._current is None else list(self._current.schema)

    def takes(self, table: Table) -> bool:
        """Tell whether the current file can hold these rows."""
        current = self._current
        return current is not None and (not table.rows or self._merged(current.schema, table) == current.schema)

    def make_room(self, table: Table) -> None:
        """Go on in a file that can hold these rows; after `end_segment`. Raises: WritesFailed, Violation."""
        for family in self._families:
            if self._merged(family.schema, table) == family.schema:
                return self._turn_to(family)
        for family in self._families:
            merged = self._merged(family.schema, table)
            if merged is not None:
                _refuse_very_wide(merged)
                superseded, family.file = family.file, self._new_file(merged)
                superseded.close()
                family.schema, family.number = merged, self._files
                return self._turn_to(family)
        schema = dict(zip(table.names, table.types))  # noqa: B905 - strict= is newer than Python 3.8
        _refuse_very_wide(schema)
        self._refuse_one_more(table)
        self._families.append(_Family(schema, self._new_file(schema), self._files))
        return self._turn_to(self._families[-1])

    def append(self, rows: bytes) -> None:
        """Add bytes at the end. Raises: WritesFailed."""
        if rows and self._current is not None:
            self._current.file.append(rows)
            self.end += len(rows)

    def cut(self, end: int) -> None:
        """Forget what was appended since `end` was read, within this segment. Raises: WritesFailed."""
        if self._current is not None and end < self.end:
            self._current.file.cut(end - self._base)
        self.end = end

    def end_segment(self) -> int:
        """Write the segment out, give the CRC-32 of its bytes, and begin the next one. Raises: WritesFailed."""
        return 0 if self._current is None else self._current.file.end_segment()

    def end_segment_apart(self, start: int) -> tuple[int, int]:
        """End the segment as two; give the CRC-32 of its bytes before `start`, and of the rest."""
        return (0, 0) if self._current is None else self._current.file.end_segment_apart(start - self._base)

    def places(self, offsets: Iterable[int]) -> list[tuple[int, int]]:
        """Give the number of the file and the offset in it for each of these; once for what is reported together."""
        found = [self._place(offset) for offset in offsets]
        del self._moves[:-1]
        return found

    def close(self) -> None:
        """Close the descriptors without writing: in a process that the script forked."""
        for family in self._families:
            family.file.close()

    def _place(self, offset: int) -> tuple[int, int]:
        for start, number, base in reversed(self._moves):
            if offset >= start:
                return number, offset - base
        return 1, 0

    def _turn_to(self, family: _Family) -> None:
        self._current = family
        self._base = self.end - family.file.end
        self._moves.append((self.end, family.number, self._base))

    def _merged(self, schema: Schema, table: Table) -> Schema | None:
        """Give the schema that holds rows of both, None where a column's types do not widen."""
        merged = dict(schema)
        for name, kind in zip(table.names, table.types):  # noqa: B905
            wider = widen(merged.get(name, kind), kind, mixes=self._mixes)
            if not wider:
                return None
            merged[name] = wider
        return merged

    def _new_file(self, schema: Schema) -> PartFile:
        number = self._files + 1
        path = self._path if number == 1 else "%s.%d%s" % (self._path[: -len(_ENDING)], number, _ENDING)
        header = json.dumps({"format": self._format, "columns": list(schema.items())}, separators=(",", ":"))
        file = PartFile(path, reach=self._reach, header=MAGIC + header.encode("ascii") + b"\n")
        self._files = number
        return file

    def _refuse_one_more(self, table: Table) -> None:
        if len(self._families) < _MOST_FAMILIES:
            return
        name, one, other = next(
            (name, self._families[0].schema[name], kind)
            for name, kind in zip(table.names, table.types)  # noqa: B905
            if name in self._families[0].schema and not widen(self._families[0].schema[name], kind, mixes=self._mixes)
        )
        message = "column %r is %s here and %s in other mini-batches. Give all rows values of one type."
        raise Violation("WrongType", message % (name, other, one))


def _refuse_very_wide(schema: Schema) -> None:
    if len(schema) > _MOST_COLUMNS:
        message = "rows of this worker have %d different columns, at most %d are possible. Put what varies into one."
        raise Violation("UnexpectedColumn", message % (len(schema), _MOST_COLUMNS))
