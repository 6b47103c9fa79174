"""The no-progress guard: a job whose workers have work and settle none of it for too long is ended, with a reason.

It reads no clock: seconds come in as they pass. They count while workers have work, and only then: what the platform
itself waits for (a worker that starts, a disk, a process that was stopped) is not told of by `Tick`, or no worker has
work meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.minibatches import Cut
from batchyard.domain.scoring_events import Lease, Worker

LEAST_DEFAULT_S = 1800.0
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Stalled:
    """A worker that has work: its oldest lease, and for how many seconds that has been running."""

    worker: Worker
    lease: Lease
    seconds: float


class ProgressGuard:
    """Adds up the seconds without a commit, a failed attempt or an item given up."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._idle_s = 0.0

    def progressed(self) -> None:
        """Something was settled: begin anew."""
        self._idle_s = 0.0

    def is_over(self, seconds: float) -> bool:
        """Let so many seconds pass while workers have work, and say whether it is enough now."""
        self._idle_s += seconds
        return self._idle_s >= self.limit_s


def no_progress_limit_s(settings: ExecutionSettings) -> float:
    """Give the limit of a job: as set, else half an hour, or what every try of one mini-batch may take if that is more.

    So by default it never ends a job whose time limits work.
    """
    if settings.no_progress_timeout_s is not None:
        return settings.no_progress_timeout_s
    return max(LEAST_DEFAULT_S, (settings.retry.max_retries + 1) * settings.retry.timeout_s)


def reason(limit_s: float, stalled: Sequence[Stalled], cut: Cut) -> str:
    """Say which workers settle nothing, on what, and for how long; the longest first, ten of them at most."""
    # Azure: the first words are those of its own run-time (C.1b), so that searching for them finds help.
    longest = sorted(stalled, key=lambda one: -one.seconds)
    named = "; ".join(_doing(one, cut) for one in longest[:_MOST_NAMED])
    more = f"; and {len(longest) - _MOST_NAMED} more" if len(longest) > _MOST_NAMED else ""
    return (
        f"No progress update in {limit_s:g} seconds: nothing was scored and nothing failed while workers had work. "
        f"{named}{more}. See their logs; `no_progress_timeout` is the limit."
    )


def _doing(one: Stalled, cut: Cut) -> str:
    first, stop = one.lease.first, one.lease.first + one.lease.count
    at = f"mini-batch {first}" if stop == first + 1 else f"mini-batches {first} to {stop - 1}"
    low, high = cut.bounds(first)[0], cut.bounds(stop - 1)[1] - 1
    items = f"item {low}" if low == high else f"items {low} to {high}"
    return f"Worker {one.worker.name} has been on {at} ({items} of the listing) for {one.seconds:.0f} s"
