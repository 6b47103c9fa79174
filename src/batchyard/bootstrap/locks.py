"""Locks that a process of a home holds for life, so that there is never a second one of its kind.

The kernel lets go of such a lock when the process ends, however it ends; what the file says is only for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchyard.bootstrap.process_identity import this_process

# A prober holds a shared lock for a moment; whoever wants the lock for life tries on over such moments.
_PATIENCE_S = 0.4
_PAUSE_S = 0.02


class AlreadyHeldError(Exception):
    """Another process holds the lock. holder: what it wrote of itself, {} when it has not yet."""

    def __init__(self, path: Path, holder: dict[str, Any]) -> None:
        self.holder = holder
        super().__init__(f"{str(path)!r} is held by process {holder.get('pid', 'unknown')}.")


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that this process holds until it ends."""

    path: Path
    descriptor: int

    def close_in_child(self) -> None:
        """Give up the inherited descriptor, in a forked child; the parent goes on holding the lock.

        Without this the lock would outlive its owner for as long as the child runs.
        """
        os.close(self.descriptor)


def hold(path: Path, *, patience_s: float = _PATIENCE_S) -> HeldLock:
    """Take the lock for the life of this process, and write into it who holds it.

    patience_s: how long to try. Raises: AlreadyHeldError when another process has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _take(descriptor, patience_s):
        os.close(descriptor)
        raise AlreadyHeldError(path, holder(path))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(_myself()).encode(), 0)
    return HeldLock(path, descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock; False when there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(path: Path) -> dict[str, Any]:
    """Give what the last holder wrote of itself: pid, pid_space, start_ticks, started_at; {} where there is nothing."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _take(descriptor: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def _myself() -> dict[str, Any]:
    me = this_process()
    return {"pid": me.pid, "pid_space": me.pid_space, "start_ticks": me.start_ticks, "started_at": time.time()}
