"""Faults that a test asked for by BATCHYARD_FAULT; in every other process nothing happens at a named point."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading

from batchyard.domain.errors import PlatformError
from batchyard.ports.faults import COMMAND_POINTS, FAULT_POINTS, PARALLEL_POINTS

ACTIONS = ("kill", "stop", "enospc", "eio", "short")
_TORN_BYTES = 7
_SHORT_S = 1.0


class NoFaults:
    """What every real process has."""

    def reach(self, point: str) -> None:
        """Do nothing."""


class InjectedFaults:
    """Kills, stops or fails this process at the nth time it reaches one point; notes the names of all it reaches.

    fault: `point:nth:action`. fault_log: a file that collects names, or "". A marker beside the log keeps a fault that
    was carried out from happening again in the processes that come after.
    """

    def __init__(self, fault: str, fault_log: str) -> None:
        self._point, nth, self._action = fault.split(":") if fault else ("", "0", "kill")
        self._nth, self._log = int(nth), fault_log
        if fault and (
            self._point not in (*FAULT_POINTS, *COMMAND_POINTS, *PARALLEL_POINTS) or self._action not in ACTIONS
        ):
            raise ValueError(f"BATCHYARD_FAULT is {fault!r}, expected point:nth:{'|'.join(ACTIONS)}")
        self._times: dict[str, int] = {}

    def reach(self, point: str) -> None:
        """Note the point, and act when it is the one."""
        self._times[point] = self._times.get(point, 0) + 1
        if self._log and self._times[point] == 1:
            _append(self._log, point)
        if point == self._point and self._times[point] >= self._nth and self._first_time():
            _act(self._action, point)

    def _first_time(self) -> bool:
        if not self._log:
            return self._times[self._point] == self._nth
        try:
            os.close(os.open(f"{self._log}.done", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True


def make_faults(fault: str, fault_log: str) -> NoFaults | InjectedFaults:
    """Give what the settings ask for."""
    return InjectedFaults(fault, fault_log) if fault or fault_log else NoFaults()


def _append(path: str, point: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, (point + "\n").encode())
    finally:
        os.close(fd)


def _act(action: str, point: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "short":
        _cut_writes_short()
    else:
        code = {"enospc": errno.ENOSPC, "eio": errno.EIO}[action]
        raise PlatformError(f"Fault at {point}: {os.strerror(code)}.")


def _cut_writes_short() -> None:
    """Let the kernel take only the first few bytes of the next write, to the ledger if one is open, for a second.

    What follows the short write fails (EFBIG), also the database's own writes: all as with a quota that is used up.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ledger_bytes() + _TORN_BYTES, hard))
    timer = threading.Timer(_SHORT_S, resource.setrlimit, (resource.RLIMIT_FSIZE, (hard, hard)))
    timer.daemon = True
    timer.start()


def _ledger_bytes() -> int:
    """Give the size of the ledger that this process has open, 0 without one."""
    sizes = [0]
    for fd in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{fd}"
        if os.path.exists(path) and os.path.basename(os.path.dirname(os.readlink(path))) == "ledger":
            sizes.append(os.stat(path).st_size)
    return max(sizes)
