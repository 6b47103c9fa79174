"""A worker's part file: the rows of every mini-batch it finished, one after the other, written by it alone.

Starts with `MAGIC`. A failed attempt leaves nothing: its bytes are cut off again. Nothing here makes bytes durable;
the agent does, before a range is committed.
"""

from __future__ import annotations

import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MAGIC = b"batchyard part 1\n"
_LARGEST_BUFFER_BYTES = 1 << 20


class WritesFailed(Exception):
    """Something of ours could not be written (full disk, input/output error): nobody's mini-batch is to blame."""


class PartFile:
    """Appends rows through a buffer, which is written at the latest when it holds 1 MiB.

    end: bytes so far, buffer included. crc: CRC-32 of what was appended since it was last set to 0.
    """

    def __init__(self, path: str, *, reach: Callable[[str], None] | None = None) -> None:
        """Create the file. Raises: WritesFailed, also when it is there already."""
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise WritesFailed("the part file %r cannot be created: %s" % (path, exc)) from exc
        self._path = path
        self._reach = reach
        self._buffer = bytearray(MAGIC)
        self._written = 0
        self.end = len(MAGIC)
        self.crc = 0
        self.flush()

    def append(self, rows: bytes) -> None:
        """Add bytes at the end. Raises: WritesFailed."""
        self._buffer += rows
        self.end += len(rows)
        self.crc = zlib.crc32(rows, self.crc)
        if len(self._buffer) >= _LARGEST_BUFFER_BYTES:
            self.flush()

    def cut(self, end: int, crc: int) -> None:
        """Forget what was appended since `end` and `crc` were read. Raises: WritesFailed."""
        if end >= self._written:
            del self._buffer[end - self._written :]
        else:
            self._buffer.clear()
            try:
                os.ftruncate(self._fd, end)
                os.lseek(self._fd, end, os.SEEK_SET)
            except OSError as exc:
                raise WritesFailed("the part file %r cannot be cut: %s" % (self._path, exc)) from exc
            self._written = end
        self.end = end
        self.crc = crc

    def flush(self) -> None:
        """Hand the buffer to the operating system. Raises: WritesFailed."""
        if not self._buffer:
            return
        try:
            rest = memoryview(self._buffer)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            if self._reach is not None:
                self._reach("worker.rows_written")
        except OSError as exc:
            raise WritesFailed("rows cannot be written to %r: %s" % (self._path, exc)) from exc
        self._written += len(self._buffer)
        self._buffer = bytearray()

    def close(self) -> None:
        """Close the descriptor without writing: in a process that the script forked."""
        os.close(self._fd)
