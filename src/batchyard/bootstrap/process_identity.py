"""Which process this is, and whether another one still runs: told by machine, id and start time, never by id alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from batchyard.domain.jobs import Owner

_START_TIME = 19  # Field 22 of /proc/<pid>/stat, counted from after the command's closing parenthesis.


def this_process() -> Owner:
    """Give the identity of the calling process."""
    found = _stat(os.getpid())
    return Owner(pid_space(), os.getpid(), found[1] if found else 0)


def is_alive(owner: Owner) -> bool | None:
    """Whether a process still runs; None when it is of another boot, host or container: that cannot be seen here."""
    if owner.pid_space != pid_space():
        return None
    found = _stat(owner.pid)
    return found is not None and found[0] != "Z" and found[1] == owner.start_ticks


def send_signal(owner: Owner, number: signal.Signals) -> None:
    """Signal exactly this process, and no other one that may have its id by now; nothing when it is gone."""
    try:
        fd = os.pidfd_open(owner.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(owner):
            signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def pid_space() -> str:
    """Say where ids of processes are those that this process sees: in this boot of this host, in this namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def _stat(pid: int) -> tuple[str, int] | None:
    """Give a process's state letter and start time in clock ticks, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Before it stands the program's name, which may hold anything, also half of a character.
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[_START_TIME])
