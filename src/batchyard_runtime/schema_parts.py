"""A worker's part files where rows have columns: each file holds rows of one schema.

A file starts with `MAGIC` and a line of JSON, {"format": "csv" or "jsonl", "columns": [[name, type], …]}; then come
the rows. Types are those of `schema`. A result that does not fit the schema of the current file goes, with its
mini-batch, into a new one of a wider schema: `<name>.part`, `<name>.2.part`, `<name>.3.part`, …; where types cannot be
widened, into the one of another family. Each is made with its header before any of its rows is written, so whoever
finds a row finds the schema.

The columns of an output stand in the order of their first appearance in the input, which is read from the headers: the
header of a file has no column that none of the rows up to its first ones in the input's order has. Mini-batches come
mostly in that order; one that comes late (a retry, the copy of a slow one) goes into a file of exactly its own columns.

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
    Place = tuple[int, int]  # Of rows in the input: a mini-batch, and the first item in it.

MAGIC = b"batchyard part 2\n"
_MOST_COLUMNS = 4096
_MOST_FAMILIES = 16
_MOST_LATE_FILES = 16  # That stay open.
_ENDING = ".part"


class _Family:
    """Rows whose types widen to one schema, and the file where those of now go. number: of the file.

    first: the least place of rows in this file; last: the greatest of rows in any of the family's.
    """

    def __init__(self, schema: Schema, file: PartFile, number: int, place: Place) -> None:
        self.schema = schema
        self.file = file
        self.number = number
        self.first = self.last = place

    def go_on(self, schema: Schema, file: PartFile, number: int, place: Place) -> None:
        """Take a new file in the place of the one before."""
        self.file.close()
        self.schema, self.file, self.number, self.first = schema, file, number, place

    def note(self, place: Place) -> None:
        """Note that rows of this place go into the file."""
        self.first, self.last = min(self.first, place), max(self.last, place)


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
        self._late: dict[tuple[str, ...], _Family] = {}
        self._current: _Family | None = None
        self._files = 0
        self._base = 0
        self._moves: list[tuple[int, int, int]] = []
        self.end = 0

    @property
    def names(self) -> list[str]:
        """The columns of the current file, in order."""
        return [] if self._current is None else list(self._current.schema)

    def takes(self, table: Table, place: Place) -> bool:
        """Tell whether the current file can hold these rows, and count on it that they come."""
        current = self._current
        if current is None or (table.rows and not self._fits(current, table, place)):
            return False
        if table.rows:
            current.note(place)
        return True

    def make_room(self, table: Table, place: Place) -> None:
        """Go on in a file that can hold these rows; after `end_segment`. Raises: WritesFailed, Violation."""
        if not table.rows:
            # Columns without rows are none of the output's; with the first row another file begins.
            return self._begin_family({}, place)
        for family in (*self._families, *self._late.values()):
            if self._fits(family, table, place):
                return self._turn_to(family, place)
        for family in self._families:
            merged = self._merged(family.schema, table)
            if merged is not None:
                if place <= family.last:
                    return self._make_room_for_late(table, place)
                _refuse_very_wide(merged)
                family.go_on(merged, *self._new_file(merged), place)
                return self._turn_to(family, place)
        self._refuse_one_more(table)
        return self._begin_family(dict(zip(table.names, table.types)), place)  # noqa: B905 - newer than Python 3.8

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
        for family in (*self._families, *self._late.values()):
            family.file.close()

    def _place(self, offset: int) -> tuple[int, int]:
        for start, number, base in reversed(self._moves):
            if offset >= start:
                return number, offset - base
        return 1, 0

    def _fits(self, family: _Family, table: Table, place: Place) -> bool:
        is_in_order = place >= family.first or table.names == list(family.schema)
        return is_in_order and self._merged(family.schema, table) == family.schema

    def _begin_family(self, schema: Schema, place: Place) -> None:
        _refuse_very_wide(schema)
        self._families.append(_Family(schema, *self._new_file(schema), place))
        self._turn_to(self._families[-1], place)

    def _make_room_for_late(self, table: Table, place: Place) -> None:
        names = tuple(table.names)
        schema = dict(zip(names, table.types))  # noqa: B905 - strict= is newer than Python 3.8
        _refuse_very_wide(schema)
        family = self._late.get(names)
        if family is None:
            if len(self._late) == _MOST_LATE_FILES:
                self._late.pop(next(iter(self._late))).file.close()
            family = self._late[names] = _Family(schema, *self._new_file(schema), place)
        else:
            merged = self._merged(family.schema, table) or schema
            family.go_on(merged, *self._new_file(merged), place)
        self._turn_to(family, place)

    def _turn_to(self, family: _Family, place: Place) -> None:
        family.note(place)
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

    def _new_file(self, schema: Schema) -> tuple[PartFile, int]:
        number = self._files + 1
        path = self._path if number == 1 else "%s.%d%s" % (self._path[: -len(_ENDING)], number, _ENDING)
        header = json.dumps({"format": self._format, "columns": list(schema.items())}, separators=(",", ":"))
        file = PartFile(path, reach=self._reach, header=MAGIC + header.encode("ascii") + b"\n")
        self._files = number
        return file, number

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
