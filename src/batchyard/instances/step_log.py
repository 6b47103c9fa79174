"""The log of a step's command: its beginning up to the cap, then, where something was left out, its end."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_TAIL_BYTES = 64 << 10
_MOST_LINES = 20
_LONGEST_LINE = 500
_AGAIN = b"\n--- the command is run again by another process ---\n"


class StepLog:
    """Takes what a command prints. What the disk refuses is lost, and told in our own log: a log fails no job."""

    def __init__(self, path: Path, *, cap_bytes: int) -> None:
        """cap_bytes: of the file, whoever has written in it. Of what comes after that the last 64 KiB are kept."""
        self._path, self._cap_bytes = path, cap_bytes
        self._tail = b""
        self._left_out = 0
        self._fd = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError as exc:
            self._give_up(exc)
            return
        if self._size:
            self._write(_AGAIN)

    def take(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
        room = max(0, self._cap_bytes - self._size) if self._fd >= 0 else 0
        if not self._left_out and room:
            self._write(chunk[:room])
        self._left_out += len(chunk[room:]) if not self._left_out else len(chunk)

    def last_lines(self) -> Sequence[str]:
        """Give the last lines, at most 20, of each at most 500 characters."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return [line[:_LONGEST_LINE] for line in lines if line.strip()][-_MOST_LINES:]

    def close(self) -> None:
        """Write the end of what was left out, and let go of the file. Safe to repeat."""
        if self._fd < 0:
            return
        if self._left_out:
            tail = self._tail[-min(self._left_out, _TAIL_BYTES) :]
            missing = self._left_out - len(tail)
            self._write(f"\n--- {missing} bytes are left out here: the log is full ---\n".encode() + tail)
        self._close()

    def _write(self, content: bytes) -> None:
        try:
            while content and self._fd >= 0:
                done = os.write(self._fd, content)
                self._size += done
                content = content[done:]
        except OSError as exc:
            self._give_up(exc)

    def _give_up(self, exc: OSError) -> None:
        log.warning("log of the command is not written", extra={"file": str(self._path), "reason": str(exc)})
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
