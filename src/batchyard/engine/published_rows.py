"""The rows of a published output as one stream, as the workers wrote them: headers left out, files end to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO  # Any: JSON of a manifest

from batchyard.domain.outputs.checks import OutputFiles
from batchyard.domain.outputs.row_counts import TEXT
from batchyard.engine.csv_rows import whole_rows

_LONGEST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file with rows. header_bytes: what stands before the first row. size_bytes: of all rows."""

    name: str
    header_bytes: int
    size_bytes: int
    rows: int


def row_files(files: OutputFiles, document: Mapping[str, Any]) -> list[RowFile] | None:
    """Give the files that hold the rows, in order; None where rows are not kept as the workers wrote them.

    document: the manifest. Raises: NotFound; OSError; PlatformError.
    """
    entries = [entry for entry in document["outputs"] if isinstance(entry.get("rows"), int)]
    formats = {str(entry.get("format") or "") for entry in entries}
    if formats - {*TEXT, "csv", "jsonl"} or any(entry.get("rewritten") for entry in entries):
        return None
    found = []
    for entry in entries:
        name = str(entry["name"])
        header = 0
        # Rows without any column have no header, and the name of a column may hold line breaks.
        if entry.get("format") == "csv" and entry["size_bytes"] and entry.get("columns") != []:
            with files.open(name) as stream:
                lines = iter(partial(stream.readline, _LONGEST_HEADER_BYTES), b"")
                header = len(next(whole_rows(lines), b""))
        found.append(RowFile(name, header, entry["size_bytes"] - header, entry["rows"]))
    return found


class PublishedRows:
    """Reads the rows' bytes in order or from any place on. Raises: NotFound; OSError; PlatformError."""

    def __init__(self, files: OutputFiles, of: Sequence[RowFile]) -> None:
        self._files, self._of = files, of
        self._open: tuple[RowFile, BinaryIO] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all rows."""
        return sum(file.size_bytes for file in self._of)

    def file_at(self, offset: int) -> RowFile | None:
        """Give the file that holds the byte, None past the end."""
        for file in self._of:
            if offset < file.size_bytes:
                return file
            offset -= file.size_bytes
        return None

    def read(self, offset: int, size_bytes: int, *, step_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Give the bytes from an offset on, in pieces; less where files end early."""
        for file in self._of:
            take = min(size_bytes, file.size_bytes - offset)
            if take > 0:
                yield from self._read(file, offset, take, step_bytes)
                size_bytes -= take
            offset = max(0, offset - file.size_bytes)
            if size_bytes <= 0:
                return

    def close(self) -> None:
        """Let go of the file that was read last."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _read(self, file: RowFile, offset: int, left: int, step_bytes: int) -> Iterator[bytes]:
        if self._open is None or self._open[0] != file:
            self.close()
            self._open = (file, self._files.open(file.name))
        stream = self._open[1]
        stream.seek(file.header_bytes + offset)
        while left and (piece := stream.read(min(left, step_bytes))):
            left -= len(piece)
            yield piece
