"""Start the home's other process, and keep it running: doors watch the engine and the engine watches the doors."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from batchyard.bootstrap.locks import is_held
from batchyard.settings import server_environment

log = logging.getLogger(__name__)

STOPPED = "stopped"
_LONGEST_LOG_BYTES = 32 << 20
# A process that was just started takes its lock only once Python is up; until then it is waited for.
_START_GRACE_S = 10.0
# After this many starts in a row that came to nothing the pause doubles, up to the longest.
_QUICK_STARTS = 3
_LONGEST_PAUSE_S = 5.0
# One that held its lock this long has started well.
_STARTED_WELL_S = 2.0


def spawn(process: str, home: Path) -> subprocess.Popen[bytes]:
    """Start `python -m batchyard.bootstrap.<process> --home H`, detached, with its output in `logs/<process>.log`."""
    command = [sys.executable, "-m", f"batchyard.bootstrap.{process}", "--home", str(home)]
    with _open_log(home / "logs" / f"{process}.log") as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=server_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > _LONGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return open(path, "ab")


class Watcher:
    """Keeps one process of a home running, by its lock; asked again and again with `tick()`.

    home: must be the same folder for life, see `is_home_gone`. other: "doors" or "engine".
    start: starts the process; given so that tests need no real one.
    """

    def __init__(
        self,
        home: Path,
        *,
        other: str,
        start: Callable[[str, Path], subprocess.Popen[bytes]] = spawn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._other = other
        self._start = start
        self._clock = clock
        self._identity = _identity(home)
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = float("-inf")
        self._fruitless = 0

    def is_home_gone(self) -> bool:
        """Whether the home's folder has vanished or is another one now: this process must end by itself."""
        return self._identity is None or _identity(self._home) != self._identity

    def is_stopped(self) -> bool:
        """Whether somebody stopped the home: nobody restarts, and both processes end."""
        return (self._home / STOPPED).exists()

    def tick(self) -> bool:
        """Start the other process if nobody holds its lock. True when it was started just now."""
        self._reap()
        if self.is_home_gone() or self.is_stopped():
            return False
        if is_held(self._home / f"{self._other}.lock"):
            if self._clock() - self._started_at > _STARTED_WELL_S:
                self._fruitless = 0
            return False
        if not self._is_due():
            return False
        # Marked before the start, so that a start that fails is not tried again at once.
        self._fruitless += 1
        self._started_at = self._clock()
        self._child = self._start(self._other, self._home)
        log.info("process started", extra={"started": self._other, "pid": self._child.pid})
        return True

    def _is_due(self) -> bool:
        since = self._clock() - self._started_at
        if self._child is not None and since < _START_GRACE_S:
            return False
        too_many = self._fruitless - _QUICK_STARTS
        pause = 0.0 if too_many < 0 else min(_LONGEST_PAUSE_S, 0.5 * 2.0**too_many)
        return since >= pause

    def _reap(self) -> None:
        if self._child is None:
            return
        code = self._child.poll()
        if code is not None:
            log.info("process ended", extra={"ended": self._other, "pid": self._child.pid, "exit_code": code})
            self._child = None


def _identity(home: Path) -> tuple[int, int] | None:
    try:
        found = home.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
