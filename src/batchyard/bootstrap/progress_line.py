"""A job's progress as people watch it: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

from batchyard.domain.jobs import Job

_QUIET_S = 10.0


class ProgressLine:
    """Shows a job as it goes; `show` may be called from any thread, `end` closes the line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_live = out.isatty()
        self._told_at = 0.0
        self._status = ""

    def show(self, job: Job) -> None:
        """Show the job as it is now: at once on a terminal, elsewhere with each status and every ten seconds."""
        text = _text(job)
        if self._is_live:
            self._out.write(f"\r\033[K{text}")
            self._out.flush()
        elif job.status.value != self._status or time.monotonic() - self._told_at > _QUIET_S:
            self._told_at = time.monotonic()
            print(text, file=self._out, flush=True)
        self._status = job.status.value

    def end(self) -> None:
        """Leave the terminal's line clean."""
        if self._is_live:
            self._out.write("\r\033[K")
            self._out.flush()


def _text(job: Job) -> str:
    counts = job.counts
    parts = [job.status.value]
    if counts.items:
        done = counts.items - counts.incomplete
        parts.append(f"{done:,}/{counts.items:,} items ({100 * done // counts.items} %)")
    parts += [f"{job.rate_items_s:,.1f} items/s"] if job.rate_items_s else []
    parts += [f"{job.eta_s:,.0f} s to go"] if job.eta_s is not None else []
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    return "  ".join(parts)
