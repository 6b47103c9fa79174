"""Whether the kernel kills processes for lack of memory: its own counters, read now and then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# The counter and the end of the process it killed are seen within moments of each other.
_LATELY_NS = 5_000_000_000
_CGROUPS = Path("/sys/fs/cgroup")
_WHOLE_MACHINE = Path("/proc/vmstat")


class OOMKills:
    """Counts of processes killed for lack of memory, as far as they concern this process and its children."""

    def __init__(self, counters: Sequence[Path] | None = None) -> None:
        """counters: files with a line `oom_kill N`; None for those of our own cgroup, else of the machine."""
        self._counters = [path for path in _of_our_cgroup() if _count(path) is not None]
        if counters is not None:
            self._counters = list(counters)
        elif not self._counters:
            self._counters = [_WHOLE_MACHINE]
        self._seen = self._total()
        self._rose_ns: int | None = None

    def look(self, now_ns: int) -> None:
        """Read the counters; to be called every few seconds, so that a rise can be dated."""
        total = self._total()
        if total > self._seen:
            self._rose_ns = now_ns
        self._seen = total

    def rose_lately(self, now_ns: int) -> bool:
        """Whether a process was killed within the last seconds."""
        self.look(now_ns)
        return self._rose_ns is not None and now_ns - self._rose_ns <= _LATELY_NS

    def _total(self) -> int:
        return sum(_count(path) or 0 for path in self._counters)


def _of_our_cgroup() -> list[Path]:
    """The counters of the cgroup that we and our workers are in: version 2, and the memory controller of version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # In a container the path may be that of the host: the root is then our own.
        for place in dict.fromkeys((path.lstrip("/"), "")):
            if not controllers:
                found.append(_CGROUPS / place / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(_CGROUPS / "memory" / place / "memory.oom_control")
    return found[:2]


def _count(path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
