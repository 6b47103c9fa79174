"""A worker's part file: the rows of every mini-batch it finished, one after the other, written by it alone.

Starts with `MAGIC`. A failed attempt leaves nothing: its bytes are cut off again. Nothing here makes bytes durable;
the agent does, before a range is committed.
"""

from __future__ import annotations

import errno
import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MAGIC = b"batchyard part 1\n"
_LARGEST_HELD_BYTES = 1 << 20


class WritesFailed(Exception):
    """Something of ours could not be written (full disk, input/output error): nobody's mini-batch is to blame."""


class PartFile:
    """Appends rows, which are written at the latest when they are 1 MiB. end: bytes so far, those not written included.

    A segment is what was appended since the last `end_segment`. places: of `SchemaParts`, which has several files.
    """

    places = None

    def __init__(self, path: str, *, reach: Callable[[str], None] | None = None, header: bytes = MAGIC) -> None:
        """Create the file, which starts with the header. Raises: WritesFailed, also when it is there already."""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise WritesFailed("the part file %r cannot be created: %s" % (path, exc)) from exc
        self._path = path
        self._reach = reach
        self._chunks = [header]
        self._written = 0
        self._segment = self._crc = 0
        self.end = len(header)
        self.end_segment()

    def append(self, rows: bytes) -> None:
        """Add bytes at the end. Raises: WritesFailed."""
        self._chunks.append(rows)
        self.end += len(rows)
        if self.end - self._written >= _LARGEST_HELD_BYTES:
            self.flush()

    def cut(self, end: int) -> None:
        """Forget what was appended since `end` was read, within this segment. Raises: WritesFailed."""
        while self._chunks and self.end > end:
            self.end -= len(self._chunks.pop())
        if end < self._written:
            try:
                os.ftruncate(self._fd, end)
                os.lseek(self._fd, end, os.SEEK_SET)
                self._crc = self._crc_of(self._segment, end)
            except OSError as exc:
                raise WritesFailed("the part file %r cannot be cut: %s" % (self._path, exc)) from exc
            self._written = end
        self.end = end

    def end_segment(self) -> int:
        """Write the segment out, give the CRC-32 of its bytes, and begin the next one. Raises: WritesFailed."""
        self.flush()
        crc, self._crc, self._segment = self._crc, 0, self.end
        return crc

    def end_segment_apart(self, start: int) -> tuple[int, int]:
        """End the segment as two; give the CRC-32 of its bytes before `start`, and of the rest."""
        begun = self._segment
        crc = self.end_segment()
        if start == begun:
            return 0, crc
        try:
            return self._crc_of(begun, start), self._crc_of(start, self.end)
        except OSError as exc:
            raise WritesFailed("the part file %r cannot be read: %s" % (self._path, exc)) from exc

    def flush(self) -> None:
        """Hand what is held to the operating system. Raises: WritesFailed."""
        if not self._chunks:
            return
        block = b"".join(self._chunks)
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            if self._reach is not None:
                self._reach("worker.rows_written")
        except OSError as exc:
            raise WritesFailed("rows cannot be written to %r: %s" % (self._path, exc)) from exc
        self._crc = zlib.crc32(block, self._crc)
        self._written += len(block)
        self._chunks.clear()

    def close(self) -> None:
        """Close the descriptor without writing: in a process that the script forked."""
        os.close(self._fd)

    def _crc_of(self, start: int, end: int) -> int:
        crc = 0
        while start < end:
            chunk = os.pread(self._fd, min(end - start, _LARGEST_HELD_BYTES), start)
            if not chunk:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            crc = zlib.crc32(chunk, crc)
            start += len(chunk)
        return crc
