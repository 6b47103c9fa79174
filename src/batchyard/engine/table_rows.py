"""Tabular input of a parallel step, frozen row by row: what workers make data frames of, however often they ask.

Beside the listing (an item is a row, `<file>#<row>`, counted from 1) the job home gets `.rows`, a line of JSON
for each row; `.rows.index`, u64 offsets of them; `.columns`, names and types, which are the same in every mini-batch.
Memory stays flat; rows of equal keys are brought together by sorted runs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from batchyard.domain.errors import BatchyardError, InvalidInput, Mistake
from batchyard.domain.item_names import item_text
from batchyard.domain.job_specs import TableCut
from batchyard.domain.pipelines.tabular import TabularFormat
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.tables import Tables

_SLICE = 4096
_SEQUENCE = struct.Struct(">Q")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?|[-+]?(?:inf|nan)", re.ASCII | re.I)
_LARGEST_CELL_CHARACTERS = 64 << 20

# Any: a value of a row, or the JSON of one. A row: its cells in the order of the columns, or by name.
Row = list[Any] | dict[str, Any]


class Columns:
    """Learns the names and types of columns while rows go by. is_text: cells are text; the type is told by it."""

    def __init__(self, *, is_text: bool) -> None:
        self._is_text = is_text
        self._kinds: dict[str, set[str]] = {}

    @property
    def names(self) -> list[str]:
        """The columns so far, in the order in which they were seen."""
        return list(self._kinds)

    def add(self, names: list[str], row: Row) -> None:
        """Take in one more row."""
        cells = row.items() if isinstance(row, dict) else zip(names, row, strict=True)
        for name, value in cells:
            self._kinds.setdefault(name, set()).add(_kind_of_text(value) if self._is_text else _kind_of(value))

    def types(self) -> list[list[str]]:
        """Give each column with the type that it has in every frame, in pandas' words."""
        return [[name, _dtype(kinds)] for name, kinds in self._kinds.items()]


class FrozenRows:
    """Writes the rows of a table and cuts them. starts: the first row of each mini-batch; names come by the slice."""

    def __init__(self, target: Path, cut: TableCut) -> None:
        """Raises: OSError."""
        self._target, self._cut = target, cut
        self._digest = hashlib.sha256()
        self.starts = array("Q")
        self.items = 0

    def write(self, rows: Iterator[tuple[bytes, bytes, bytes]], columns: Columns) -> Iterator[list[bytes]]:
        """Write all rows, give their names. rows: key, name, line; equal keys follow each other. Raises: OSError."""
        with open(f"{self._target}.rows", "wb", 1 << 20) as out, open(f"{self._target}.rows.index", "wb") as index:
            names: list[bytes] = []
            offsets, at, begun, last = array("Q", [0]), 0, 0, b""
            for key, name, line in rows:
                is_full = self._cut.most_bytes is not None and at - begun + len(line) > self._cut.most_bytes
                if not self.items or is_full or (self._cut.most_bytes is None and key != last):
                    self.starts.append(self.items)
                    begun = at
                out.write(line)
                self._digest.update(line)
                at, last = at + len(line), key
                self.items += 1
                offsets.append(at)
                names.append(name)
                if len(names) == _SLICE:
                    index.write(offsets.tobytes())
                    offsets = array("Q")
                    yield names
                    names = []
            index.write(offsets.tobytes())
            if names:
                yield names
            self._end(out, index, columns)

    def hexdigest(self) -> str:
        """Give the hash of the rows and of what their columns are."""
        return self._digest.hexdigest()

    def _end(self, out: BinaryIO, index: BinaryIO, columns: Columns) -> None:
        content = json.dumps({"columns": columns.types(), "keys": list(self._cut.keys)}).encode()
        self._digest.update(content)
        with open(f"{self._target}.columns", "wb") as about, open(f"{self._target}.starts", "wb") as starts:
            about.write(content)
            starts.write((self.starts + array("Q", [self.items])).tobytes())
            for stream in (out, index, about, starts):
                stream.flush()
                os.fsync(stream.fileno())


def rows_of_files(
    root: bytes, paths: Iterator[bytes], cut: TableCut, columns: Columns, tables: Tables
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Give the rows of files in their order: key, name, line of JSON.

    Raises: InvalidInput naming the file and row that cannot be read, or lacks a key; OSError.
    """
    for path in paths:
        number = 0
        try:
            for names, row in _READERS[cut.input_format](os.path.join(root, path), tables):
                number += 1
                if isinstance(row, list) and columns.names and names != columns.names:
                    raise ValueError(f"its columns are {names}, those of the files before it {columns.names}")
                columns.add(names, row)
                line = json.dumps(row, default=_as_text).encode() + b"\n"
                yield _key(names, row, cut), path + b"#%d" % number, line
        except (ValueError, TypeError, KeyError, csv.Error, BatchyardError) as exc:
            where = f"{item_text(path)!r}, row {number + 1}"
            allowed = f"rows of {cut.input_format.value} with the same columns and types"
            raise InvalidInput("The step", [Mistake("input_data", f"{where} ({exc})", allowed)]) from exc


def grouped(rows: Iterator[tuple[bytes, bytes, bytes]], folder: Path) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Bring rows of equal keys together, each in their order. folder: for sorted runs."""
    runs = SortedRuns(folder)
    for number, (key, name, line) in enumerate(rows):
        runs.add(key + b"\0" + _SEQUENCE.pack(number) + name + b"\0" + line)
    for record in runs:
        key, _, rest = record.partition(b"\0")
        name, _, line = rest[_SEQUENCE.size :].partition(b"\0")
        yield key, name, line


def _key(names: list[str], row: Row, cut: TableCut) -> bytes:
    if not cut.keys:
        return b""
    values = row if isinstance(row, dict) else dict(zip(names, row, strict=True))
    lacking = [key for key in cut.keys if key not in values]
    if lacking:
        raise ValueError(f"it has no column {', '.join(map(repr, lacking))}, which partition_keys name")
    return json.dumps([values[key] for key in cut.keys], default=_as_text).encode()


def _read_csv(path: bytes, _: Tables) -> Iterator[tuple[list[str], Row]]:
    csv.field_size_limit(_LARGEST_CELL_CHARACTERS)
    with open(path, encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        names = next(reader, [])
        if len(set(names)) < len(names):
            raise ValueError("its header has a column twice")
        for cells in reader:
            if not cells:
                continue  # An empty line is no row.
            if len(cells) != len(names):
                raise ValueError(f"it has {len(cells)} cells, the header {len(names)}")
            yield names, [cell if cell else None for cell in cells]


def _read_jsonl(path: bytes, _: Tables) -> Iterator[tuple[list[str], Row]]:
    with open(path, encoding="utf-8-sig") as stream:
        for line in stream:
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("it is no object")
                yield list(row), row


def _read_parquet(path: bytes, tables: Tables) -> Iterator[tuple[list[str], Row]]:
    return ((names, row) for names, row in tables.rows(Path(os.fsdecode(path))))


_READERS: Mapping[TabularFormat, Callable[[bytes, Tables], Iterator[tuple[list[str], Row]]]] = {
    TabularFormat.CSV: _read_csv,
    TabularFormat.JSONL: _read_jsonl,
    TabularFormat.PARQUET: _read_parquet,
}


def _kind_of_text(cell: str | None) -> str:
    if cell is None:
        return "null"
    if _INTEGER.fullmatch(cell):
        return "int"
    if _DECIMAL.fullmatch(cell):
        return "float"
    return "bool" if cell in ("True", "False", "true", "false", "TRUE", "FALSE") else "str"


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return "str"
    kinds = {bool: "bool", int: "int", float: "float", datetime: "time"}
    return kinds.get(type(value), "str")


def _dtype(kinds: set[str]) -> str:
    """Tell the type of a column of these kinds of values, as pandas would."""
    if kinds == {"int"}:
        return "int64"
    if kinds <= {"int", "float", "null"}:
        return "float64" if kinds != {"null"} else "object"
    if kinds == {"bool"}:
        return "bool"
    return "datetime64[ns]" if "time" in kinds and kinds <= {"time", "null"} else "object"


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"a value of type {type(value).__name__} cannot be given to workers; convert the column first")
