"""Named points where a test may kill, stop or fail this process. Off, and then never called, unless a test asks."""

from __future__ import annotations

import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def from_plan(fault: str, fault_log: str) -> Callable[[str], None] | None:
    """Give the function that is told of each point reached, or None when no test is watching.

    fault: `point:nth:kill|stop|enospc|eio|short`, "" for none. fault_log: a file that collects the names of the points
    reached, each once a process; "" for none. Raises (when told): OSError for enospc and eio.
    """
    if not fault and not fault_log:
        return None
    wanted, nth, action = fault.split(":") if fault else ("", "0", "")
    times: dict[str, int] = {}

    def reach(point: str) -> None:
        times[point] = times.get(point, 0) + 1
        if fault_log and times[point] == 1:
            _append(fault_log, point)
        if point == wanted and times[point] == int(nth):
            _act(action)

    return reach


def _append(path: str, point: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, (point + "\n").encode())
    finally:
        os.close(fd)


def _act(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "short":
        _cut_writes_short()
    else:
        number = {"enospc": errno.ENOSPC, "eio": errno.EIO}[action]
        raise OSError(number, os.strerror(number))


def _cut_writes_short() -> None:
    """Let the kernel take only the first few bytes of the next write to the part file, as with a quota used up."""
    import resource

    sizes = [0]
    for fd in os.listdir("/proc/self/fd"):
        path = "/proc/self/fd/" + fd
        if os.path.exists(path) and os.readlink(path).endswith(".part"):
            sizes.append(os.stat(path).st_size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes) + 7, resource.RLIM_INFINITY))
