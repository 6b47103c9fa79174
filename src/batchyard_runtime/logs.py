"""Where a worker's text goes: prints, logging, the script's exceptions, the runtime's own lines; each of them capped.

stdout and stderr are files that the agent opened. Logs never fail a job: what cannot be written is dropped.
"""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Buffer = Any  # bytes-like; the type has its name from Python 3.12 on

_FULL = -1
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Capped(io.RawIOBase):
    """A descriptor that takes so many bytes, says so in one line, and drops the rest."""

    def __init__(self, fd: int, cap_bytes: int) -> None:
        self._fd = fd
        self._room = cap_bytes
        self._cap_bytes = cap_bytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, chunk: Buffer) -> int:
        size = len(chunk)
        if size <= self._room:
            self._put(chunk)
            self._room -= size
        elif self._room >= 0:
            self._put(chunk[: self._room])
            self._put(b"\n[batchyard] The limit of %d bytes is reached; the rest is dropped.\n" % self._cap_bytes)
            self._room = _FULL
        return size

    def _put(self, chunk: Buffer) -> None:
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._room = _FULL


def capped_text(fd: int, cap_bytes: int) -> io.TextIOWrapper:
    """Give a line-buffered UTF-8 text stream over a descriptor, which takes at most cap_bytes."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Capped(fd, cap_bytes)), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def capture(cap_bytes: int) -> None:
    """Put capped streams in the place of stdout and stderr, and send logging at INFO and above to stderr.

    A crash of native code leaves its Python stack on stderr.
    """
    sys.stdout = sys.__stdout__ = capped_text(1, cap_bytes)  # type: ignore[misc]  # declared Final, replaced on purpose
    sys.stderr = sys.__stderr__ = capped_text(2, cap_bytes)  # type: ignore[misc]  # as above
    faulthandler.enable(2)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)


def own_logger(path: str, *, level: str, cap_bytes: int) -> logging.Logger:
    """Give the runtime's logger `batchyard`, which writes to a file of its own and not to the script's handlers."""
    logger = logging.getLogger("batchyard")
    logger.propagate = False
    number = getattr(logging, level.upper(), logging.INFO)
    logger.setLevel(number if isinstance(number, int) else logging.INFO)
    fd = _open(path)
    if fd is None:
        logger.addHandler(logging.NullHandler())
        return logger
    handler = logging.StreamHandler(capped_text(fd, cap_bytes))
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    return logger


def moment(seconds: float) -> str:
    """Give a time, seconds since the epoch, as text in UTC with microseconds."""
    whole = int(seconds)
    return "%s.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)), int((seconds - whole) * 1e6))


def append_error(path: str, headline: str, stack: str, *, cap_bytes: int) -> None:
    """Add one exception of the script to its file, unless the file is full."""
    fd = _open(path)
    if fd is None:
        return
    try:
        if os.fstat(fd).st_size < cap_bytes:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            os.write(fd, ("%s %s\n%s\n\n" % (moment, headline, stack.rstrip())).encode("utf-8", "backslashreplace"))
    except OSError:
        pass
    finally:
        os.close(fd)


def flush() -> None:
    """Write what is still buffered."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The script closed or replaced its stream; what it held is its own affair.
            continue


def _open(path: str) -> int | None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
