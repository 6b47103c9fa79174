"""The rows of an output as files of one format: which there are, with how many rows, and of which bytes each is made.

Text, csv and lines of JSON are joined from the part files as they stand; only what does not fit the columns of all is
written anew first, and Parquet files are. Cutting and writing anew depend on the sealed ledger alone (rule 10).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from batchyard.domain.outputs.formats import OutputFormat, is_structured
from batchyard.domain.outputs.schemas import Columns
from batchyard.engine.csv_rows import header, recoded, whole_rows
from batchyard.engine.gather import Gathered, ranges
from batchyard.engine.part_schemas import PartSchemas, RowOfPart, read_schemas
from batchyard.ports.datastore import Piece
from batchyard.ports.job_home import JobHome
from batchyard.ports.tables import Tables

_UNIT = struct.Struct("<IQQ")  # Number of the path, offset, bytes.
_CHUNK_BYTES = 1 << 20
_REACH_EVERY = 1024


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file: rows in it; its units are those from `first` to before `stop`."""

    rows: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class RowFiles:
    """All files of the rows, at least one. columns: None for text. units: the file that lists bytes, in order.

    is_rewritten: some csv rows are not as the workers wrote them, but with the columns of all.
    """

    format: OutputFormat
    columns: Columns | None
    files: Sequence[RowFile]
    paths: Sequence[Path]
    units: Path
    head: Piece | None
    is_rewritten: bool = False

    def pieces(self, number: int) -> Iterator[Piece]:
        """Give the bytes of one file; neighbours in one path become one piece."""
        if self.head is not None:
            yield self.head
        path, start, size = -1, 0, 0
        for unit_path, offset, length in self._units_of(self.files[number]):
            if unit_path == path and offset == start + size:
                size += length
                continue
            if size:
                yield Piece(self.paths[path], start, size)
            path, start, size = unit_path, offset, length
        if size:
            yield Piece(self.paths[path], start, size)

    def size_bytes(self, number: int) -> int:
        """Give how large one file is."""
        return sum(piece.size_bytes for piece in self.pieces(number))

    def _units_of(self, file: RowFile) -> Iterator[tuple[int, int, int]]:
        with open(self.units, "rb") as stream:
            stream.seek(file.first * _UNIT.size)
            for _ in range(file.first, file.stop):
                yield _UNIT.unpack(stream.read(_UNIT.size))


class _Source(NamedTuple):
    """Whole rows in one file. path: its number."""

    path: int
    offset: int
    size_bytes: int
    rows: int


def lay_out_lines(
    home: JobHome,
    gathered: Gathered,
    work: Path,
    *,
    output_format: OutputFormat,
    most_bytes: int | None,
    reach: Callable[[], object],
) -> RowFiles:
    """Say of which bytes the files of rows in text, csv or lines of JSON are made, which `work` has to outlast.

    most_bytes: a further file begins where one would grow larger, None for one file. Files end between rows, those of
    text between leases, of which it is known how many rows they have. reach: called on the way, again and again.
    """
    work.mkdir(parents=True, exist_ok=True)
    schemas = read_schemas(home, gathered, output_format) if is_structured(output_format) else None
    paths = [*(home.path(f"parts/{name}") for name in gathered.parts), work / "recoded"]
    sources, head = _sources(gathered), None
    if output_format is OutputFormat.CSV and schemas is not None and schemas.columns:
        head = _write_head(work / "head", schemas)
        sources = _with_all_columns(sources, paths, schemas)
    if schemas is not None and most_bytes is not None:
        sources = _by_row(sources, paths, has_quotes=output_format is OutputFormat.CSV)
    room = None if most_bytes is None else most_bytes - (head.size_bytes if head else 0)
    files = _cut(sources, work / "units", room, reach)
    columns = None if schemas is None else schemas.columns
    is_rewritten = head is not None and paths[-1].stat().st_size > 0
    return RowFiles(output_format, columns, files, paths, work / "units", head, is_rewritten)


def lay_out_tables(
    home: JobHome,
    gathered: Gathered,
    work: Path,
    *,
    tables: Tables,
    most_bytes: int | None,
    told_of: Callable[[RowOfPart], str],
    reach: Callable[[], object],
) -> RowFiles:
    """Write the rows as Parquet files below `work`. told_of: says what a row is of.

    Raises: Conflict when the rows cannot be one table.
    """
    work.mkdir(parents=True, exist_ok=True)
    schemas = read_schemas(home, gathered, OutputFormat.PARQUET, told_of=told_of)
    content = _content([home.path(f"parts/{name}") for name in gathered.parts], _sources(gathered))
    written = tables.write(schemas.columns, content, work / "tables", most_bytes=most_bytes, reach=reach)
    cutter = _Cutter(work / "units", most_bytes=None)
    for number, file in enumerate(written):
        cutter.add(_Source(number, 0, file.path.stat().st_size, file.rows))
        cutter.end_file()
    paths = [file.path for file in written]
    return RowFiles(OutputFormat.PARQUET, schemas.columns, cutter.finish(), paths, work / "units", None)


def _cut(sources: Iterable[_Source], units: Path, most_bytes: int | None, reach: Callable[[], object]) -> list[RowFile]:
    cutter = _Cutter(units, most_bytes=most_bytes)
    for number, source in enumerate(sources):
        if number % _REACH_EVERY == 0:
            reach()
        cutter.add(source)
    cutter.end_file()
    return cutter.finish()


class _Cutter:
    """Writes down of what each file is made, and begins a further one before it would be larger than it may be."""

    def __init__(self, units: Path, *, most_bytes: int | None) -> None:
        self._most_bytes = most_bytes
        self._stream = open(units, "wb")  # noqa: SIM115 - closed by `finish`
        self._files: list[RowFile] = []
        self._unit = (0, 0, 0)
        self._size = self._rows = self._first = self._count = 0

    def add(self, source: _Source) -> None:
        if self._most_bytes is not None and self._size and self._size + source.size_bytes > self._most_bytes:
            self.end_file()
        path, start, size = self._unit
        if source.path == path and source.offset == start + size and size:
            self._unit = (path, start, size + source.size_bytes)
        else:
            self._end_unit()
            self._unit = (source.path, source.offset, source.size_bytes)
        self._size += source.size_bytes
        self._rows += source.rows

    def end_file(self) -> None:
        """End the current file, unless it has nothing and is not the only one."""
        self._end_unit()
        if self._size or not self._files:
            self._files.append(RowFile(self._rows, self._first, self._count))
        self._first, self._size, self._rows = self._count, 0, 0

    def finish(self) -> list[RowFile]:
        self._stream.close()
        return self._files

    def _end_unit(self) -> None:
        if self._unit[2]:
            self._stream.write(_UNIT.pack(*self._unit))
            self._count += 1
        self._unit = (0, 0, 0)


def _sources(gathered: Gathered) -> Iterator[_Source]:
    return (_Source(found.part, found.offset, found.size_bytes, found.rows) for found in ranges(gathered))


def _write_head(path: Path, schemas: PartSchemas) -> Piece:
    line = header([name for name, _ in schemas.columns])
    path.write_bytes(line)
    return Piece(path, 0, len(line))


def _with_all_columns(sources: Iterator[_Source], paths: Sequence[Path], schemas: PartSchemas) -> Iterator[_Source]:
    """Give the sources, those of parts with other columns than all written anew into the last path."""
    wanted = [name for name, _ in schemas.columns]
    number = len(paths) - 1
    with open(paths[number], "wb") as out:
        for source in sources:
            own = schemas.of[source.path]
            if [name for name, _ in own] == wanted:
                yield source
                continue
            start = out.tell()
            with open(paths[source.path], "rb") as stream:
                rows = whole_rows(_lines(stream, source))
                out.writelines(recoded(rows, own, wanted))
            out.flush()
            yield _Source(number, start, out.tell() - start, source.rows)


def _by_row(sources: Iterator[_Source], paths: Sequence[Path], *, has_quotes: bool) -> Iterator[_Source]:
    for source in sources:
        offset = source.offset
        with open(paths[source.path], "rb") as stream:
            lines = _lines(stream, source)
            for row in whole_rows(lines) if has_quotes else lines:
                yield _Source(source.path, offset, len(row), 1)
                offset += len(row)


def _lines(stream: BinaryIO, source: _Source) -> Iterator[bytes]:
    stream.seek(source.offset)
    left = source.size_bytes
    while left:
        line = stream.readline(left)
        if not line:
            raise OSError(5, "a part file ends before its last row")
        left -= len(line)
        yield line


def _content(paths: Sequence[Path], sources: Iterable[_Source]) -> Iterator[bytes]:
    """Give the bytes of the sources, keeping the last file open."""
    number, fd = -1, -1
    try:
        for source in sources:
            if source.path != number:
                if fd >= 0:
                    os.close(fd)
                number, fd = source.path, os.open(paths[source.path], os.O_RDONLY | os.O_CLOEXEC)
            at, end = source.offset, source.offset + source.size_bytes
            while at < end:
                chunk = os.pread(fd, min(end - at, _CHUNK_BYTES), at)
                if not chunk:
                    raise OSError(5, "a part file ends before its last row")
                at += len(chunk)
                yield chunk
    finally:
        if fd >= 0:
            os.close(fd)
