"""Writing Parquet files from lines of JSON, a row group at a time: memory stays flat, however many rows there are.

Where blocks and row groups end depends on the rows alone, never on how they come in, and nothing is done by several
threads: the same rows give the same bytes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any  # pyarrow has no types

from batchyard.domain.errors import Conflict
from batchyard.domain.outputs.schemas import Columns
from batchyard.parquet.types import arrow_type, column_values, is_native
from batchyard.ports.tables import TableFile

_BLOCK_BYTES = 4 << 20  # Of JSON, parsed at once.
_GROUP_BYTES = 16 << 20  # Of values in memory, as one row group.
_ROWS_AT_A_TIME = 4096
_SMALLEST_BLOCK_BYTES = 1 << 10
REMEDY = "Install it where batchyard runs: pip install 'batchyard[parquet]'. Or choose output_format csv or jsonl."


class ParquetFiles:
    """`ports.tables.Tables` with pyarrow."""

    def mistake(self) -> str | None:
        if importlib.util.find_spec("pyarrow") is not None:
            return None
        return f"Parquet files need pyarrow, which is not installed here. {REMEDY}"

    def rows(self, path: Path) -> Iterator[tuple[list[str], list[Any]]]:
        missing = self.mistake()
        if missing is not None:
            raise Conflict(missing)
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(path) as file:
                names = file.schema_arrow.names
                for batch in file.iter_batches(_ROWS_AT_A_TIME):
                    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        yield names, list(row)
        except pa.ArrowException as exc:
            raise Conflict(f"{path.name!r} cannot be read as parquet: {exc}.") from exc

    def write(
        self,
        columns: Columns,
        lines: Iterable[bytes],
        folder: Path,
        *,
        most_bytes: int | None,
        reach: Callable[[], object],
    ) -> list[TableFile]:
        missing = self.mistake()
        if missing is not None:
            raise Conflict(missing)
        folder.mkdir(parents=True, exist_ok=True)
        shards = _Shards(columns, folder, most_bytes)
        try:
            for group in _groups(columns, lines, most_bytes):
                shards.add(group)
                reach()
            return shards.finish()
        finally:
            shards.close()


class _Shards:
    """Writes row groups into files, one after the other, each at most so large; always at least one file."""

    def __init__(self, columns: Columns, folder: Path, most_bytes: int | None) -> None:
        import pyarrow as pa

        self._schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
        self._folder, self._most_bytes = folder, most_bytes
        self._files: list[TableFile] = []
        self._writer: Any = None
        self._sink: Any = None
        self._rows = self._largest_group = 0

    def add(self, group: Any) -> None:
        if self._most_bytes is not None and self._rows and self._sink.tell() + self._largest_group > self._most_bytes:
            self._end_file()
        if self._writer is None:
            self._begin_file()
        before = self._sink.tell()
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        self._largest_group = max(self._largest_group, self._sink.tell() - before)
        self._rows += group.num_rows

    def finish(self) -> list[TableFile]:
        if self._writer is None and not self._files:
            self._begin_file()
        if self._writer is not None:
            self._end_file()
        return self._files

    def close(self) -> None:
        """Let go of a file that was not finished, and is none; its writer would write to it when it is collected."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._sink.close()

    def _begin_file(self) -> None:
        from pyarrow import parquet

        self._path = self._folder / f"{len(self._files)}.parquet"
        self._sink = open(self._path, "wb")  # noqa: SIM115 - closed with the file, or by `close`
        self._writer = parquet.ParquetWriter(self._sink, self._schema)

    def _end_file(self) -> None:
        self._writer.close()
        self._sink.close()
        self._files.append(TableFile(self._path, self._rows))
        self._writer, self._rows = None, 0


def _groups(columns: Columns, lines: Iterable[bytes], most_bytes: int | None) -> Iterator[Any]:
    """Give tables of about 16 MiB in memory, or of less where files are to be small."""
    import pyarrow as pa

    # A file ends at a row group; eighths of one make it no more than an eighth smaller than it may be.
    group_bytes = _GROUP_BYTES if most_bytes is None else min(_GROUP_BYTES, max(most_bytes // 8, 1))
    block_bytes = min(_BLOCK_BYTES, max(group_bytes, _SMALLEST_BLOCK_BYTES))
    held: list[Any] = []
    size = 0
    for block in _blocks(lines, block_bytes):
        table = _table(columns, block)
        held.append(table)
        size += table.nbytes + table.num_rows  # Nulls alone have no bytes.
        if size >= group_bytes:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _blocks(lines: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """Cut anew, at line ends: each block has as many whole lines as it holds, and at least one."""
    rest = bytearray()
    for chunk in lines:
        rest += chunk
        while len(rest) >= block_bytes:
            end = rest.rfind(b"\n", 0, block_bytes) + 1 or rest.find(b"\n", block_bytes) + 1
            if not end:
                break
            yield bytes(rest[:end])
            del rest[:end]
    if rest:
        yield bytes(rest)


def _table(columns: Columns, block: bytes) -> Any:
    """Parse a block of lines. Raises: Conflict naming what does not fit."""
    import pyarrow as pa

    if not columns:
        raise Conflict(
            "The rows have no columns, and a parquet file cannot hold such rows. Let the script return named values, "
            "or choose output_format jsonl."
        )
    native = [name for name, kind in columns if is_native(kind)]
    try:
        try:
            found = _native_values([(name, kind) for name, kind in columns if name in native], block)
        except pa.ArrowInvalid:  # Such as an infinite float, which JSON has as a text.
            native, found = [], {}
        others = [(name, kind) for name, kind in columns if name not in native]
        found.update(column_values(others, block) if others else {})
        schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
        return pa.table([found[name] for name, _ in columns], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, OverflowError) as exc:
        raise Conflict(f"The rows cannot be written as parquet: {exc}.") from exc


def _native_values(columns: Columns | list[tuple[str, str]], block: bytes) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import json

    if not columns:
        return {}
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
    table = json.read_json(
        io.BytesIO(block),
        read_options=json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return {name: table.column(name) for name, _ in columns}
