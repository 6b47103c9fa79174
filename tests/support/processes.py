"""Finding and ending the processes of one test home, by what they are started with; never by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def processes_of(home: Path) -> dict[int, str]:
    """Give pid -> command line of every living process whose environment or command line names the home."""
    needle, found = os.fsencode(home), {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            state = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
            command = Path(f"/proc/{entry}/cmdline").read_bytes()
            environment = Path(f"/proc/{entry}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if state != "Z" and (needle in command or needle in environment):
            found[int(entry)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal; False when the process was gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def end_all(home: Path, *, within_s: float = 10.0) -> None:
    """Kill whatever a test left of its home, until nothing is left."""
    deadline = time.monotonic() + within_s
    while (left := processes_of(home)) and time.monotonic() < deadline:
        for pid in left:
            kill(pid)
        time.sleep(0.05)


def wait_for_none(home: Path, *, within_s: float) -> dict[int, str]:
    """Give what is left of a home's processes after at most that long."""
    deadline = time.monotonic() + within_s
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def peak_kib() -> int:
    """Give the largest memory this process has had. Not `ru_maxrss`: that begins with what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
