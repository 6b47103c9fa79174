"""What one program cost: wall and CPU time of all its descendants, memory, first result.

This process becomes their sub-reaper, so that daemons which a program leaves behind are waited for and counted too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_EVERY_S = 0.01
_ORPHANS_WITHIN_S = 15.0


class Watch(NamedTuple):
    """One run. began_s: CLOCK_MONOTONIC. peak_pss: bytes of all processes at the worst sample, 0 when not sampled."""

    began_s: float
    wall_s: float
    cpu_s: float
    exit_code: int
    peak_pss: int = 0
    processes: int = 0


def adopt_orphans() -> None:
    """Become the parent of what children leave behind."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def watch(start: Callable[[], int], *, with_memory: bool) -> Watch:
    """Start a child (`start` gives its pid), wait for it and for what it leaves behind, and say what they used.

    with_memory: also sample the memory of all of them, which costs time: not to be used for timing.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    pid = start()
    peak, processes, status = _sample(pid) if with_memory else (0, 0, os.waitpid(pid, 0)[1])
    wall = time.monotonic() - began
    _reap_orphans()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Watch(began, wall, cpu, os.waitstatus_to_exitcode(status), peak, processes)


def _sample(pid: int) -> tuple[int, int, int]:
    peak = most = 0
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return peak, most, status
        living = list(descendants(os.getpid()))
        peak = max(peak, sum(map(pss, living)))
        most = max(most, len(living))
        time.sleep(_SAMPLE_EVERY_S)


def descendants(pid: int) -> Iterator[int]:
    """Give every living process below one, in no order."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as stream:
                children = [int(child) for child in stream.read().split()]
            for child in children:
                yield child
                yield from descendants(child)


def pss(pid: int, *, kind: str = "Pss") -> int:
    """Give the bytes of memory of a process, what it shares divided among those who share it; 0 when it is gone.

    kind: `Pss` for everything, `Pss_Anon` without the pages of files, which the kernel may drop at any time.
    """
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as stream:
        for line in stream:
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    return 0


def _reap_orphans() -> None:
    """Wait for every process that is left; what does not end by itself is killed."""
    deadline = time.monotonic() + _ORPHANS_WITHIN_S
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            if time.monotonic() > deadline:
                for left in list(descendants(os.getpid())):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(left, signal.SIGKILL)
            time.sleep(0.01)
