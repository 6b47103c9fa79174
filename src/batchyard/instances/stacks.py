"""What a worker is doing that is about to be killed: its Python stacks, asked for and waited for a bounded moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from batchyard.instances.workers import WorkerProcess
from batchyard_runtime.logs import append_error

_LONGEST_NS = 500_000_000
_LARGEST_CHARACTERS = 64 << 10
_LOOK_EVERY_S = 0.01
_OURS = "/batchyard_runtime/"


class LastWords:
    """Asks for the stacks at once. Waits for nothing: `has_come` is asked with each tick."""

    def __init__(self, process: WorkerProcess, *, now_ns: int) -> None:
        self._process = process
        self._until_ns = now_ns + _LONGEST_NS
        self.stacks = ""
        process.ask_for_stacks()

    def has_come(self, now_ns: int) -> bool:
        """Whether the stacks are there, whole as far as can be seen, or have taken too long (a stopped process)."""
        before, self.stacks = self.stacks, self._process.stacks()[:_LARGEST_CHARACTERS]
        return now_ns >= self._until_ns or (self.stacks == before != "")

    def keep(self, log: Path, headline: str, *, cap_bytes: int) -> None:
        """Add the stacks of all threads to the log of the script's errors."""
        append_error(str(log), f"{headline} Its stacks, most recent call first:", self.stacks, cap_bytes=cap_bytes)


def tell_stacks(processes: Mapping[Path, WorkerProcess], headline: str, *, cap_bytes: int) -> None:
    """Write the stacks of several workers, each to its log, as far as they answer within half a second together."""
    asked = {log: LastWords(process, now_ns=time.monotonic_ns()) for log, process in processes.items()}
    while not all([words.has_come(time.monotonic_ns()) for words in asked.values()]):  # noqa: C419 - all are asked
        time.sleep(_LOOK_EVERY_S)
    for log, words in asked.items():
        if words.stacks:
            words.keep(log, headline, cap_bytes=cap_bytes)


def main_thread(stacks: str) -> str:
    """Give the main thread's part of a dump by `faulthandler`, most recent call first, without our own frames.

    A signal to a process is handled in its main thread, which a dump calls the current one.
    """
    threads = [part.strip("\n") for part in stacks.split("\n\n") if part.strip()]
    if not threads:
        return ""
    found = next((part for part in threads if part.startswith("Current thread")), threads[-1])
    lines = [line for line in found.splitlines()[1:] if _OURS not in line]
    return "\n".join(["Stack of the main thread, most recent call first:", *lines]) if lines else ""
