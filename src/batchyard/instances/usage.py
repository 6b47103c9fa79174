"""What a process has used, and what the machine has left: read from the kernel, without asking the process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from batchyard.ports.instance import Usage

_MEMORY = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")


def usage_of(pid: int) -> Usage:
    """Give what a process has used so far; nothing of one that is gone."""
    try:
        # The clock of a process's CPU time, as clock_getcpuclockid(3) makes it: in nanoseconds, with threads that have
        # ended, where /proc counts in hundredths of a second.
        cpu_s = time.clock_gettime((~pid << 3) | 2)
        sizes = _sizes(Path(f"/proc/{pid}/status"))
    except OSError:
        return Usage()
    return Usage(cpu_s, sizes.get("VmRSS", 0), sizes.get("VmHWM", 0))


def free_memory_bytes() -> int:
    """Give the memory that can be had now without swapping, within the limits of this process's control groups."""
    free = _sizes(_MEMORY).get("MemAvailable", 0)
    return min([free, *_left_in_groups()])


def _sizes(path: Path) -> dict[str, int]:
    """Read lines such as `VmRSS:   1234 kB`, in bytes."""
    fields = (line.split() for line in path.read_text().splitlines())
    return {field[0].rstrip(":"): int(field[1]) << 10 for field in fields if len(field) == 3 and field[2] == "kB"}


def _left_in_groups() -> Iterator[int]:
    """Give what each group on the way to this process's has left, where it has a limit."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    path = next((line[3:] for line in own if line.startswith("0::")), None)
    if path is None:
        return
    group = _CGROUPS / path.lstrip("/")
    for folder in (group, *group.parents):
        try:
            most = (folder / "memory.max").read_text().strip()
            if most != "max":
                yield max(0, int(most) - int((folder / "memory.current").read_text()))
        except (OSError, ValueError):
            pass  # The root has none.
        if folder == _CGROUPS:
            return
