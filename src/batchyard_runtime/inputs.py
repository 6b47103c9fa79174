"""Which item of a mini-batch cannot be read: asked only after `run()` has raised, so that nothing is paid before."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


def unreadable(paths: Sequence[str]) -> tuple[str, OSError] | None:
    """Give the first of these paths that is gone, no file, or cannot be read, and why; None when all can be read.

    The first byte is read: a disk may open what it cannot give.
    """
    for path in paths:
        try:
            _read_a_byte(path)
        except OSError as exc:
            return path, exc
    return None


def _read_a_byte(path: str) -> None:
    mode = os.stat(path).st_mode
    # Opening a pipe or a device could wait for ever, or do something.
    if not stat.S_ISREG(mode):
        kind = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(kind, os.strerror(kind) if kind == errno.EISDIR else "Is no regular file")
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.read(fd, 1)
    finally:
        os.close(fd)
