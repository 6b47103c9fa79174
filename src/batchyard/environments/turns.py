"""One at a time: a turn at something that several processes may want to do at once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchyard.domain.errors import PlatformError

_PAUSE_S = 0.1


@contextmanager
def turn(path: Path, *, deadline: float) -> Iterator[int]:
    """Hold the lock of this path; gives its descriptor, for children that must end before the next turn begins.

    The lock belongs to the open file, so it is free again when this process and every child that was handed the
    descriptor have ended, however they ended. deadline: of time.monotonic(). Raises: PlatformError when it passes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(descriptor, path, deadline)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"Another process has been building the same environment for too long; it holds {path}. "
                    "End that process or raise BATCHYARD_ENVIRONMENT_BUILD_TIMEOUT_S."
                ) from None
        time.sleep(_PAUSE_S)
