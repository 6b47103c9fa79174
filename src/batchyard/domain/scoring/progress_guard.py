"""The no-progress guard: a job whose workers have work and settle none of it for too long is ended, with a reason.

It reads no clock: seconds come in as they pass. They count while workers have work, and only then: what the platform
itself waits for (a worker that starts, a disk, a process that was stopped) is not told of by `Tick`, or no worker has
work meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.job_states import JobStatus
from batchyard.domain.scoring.events import Lease, Worker
from batchyard.domain.scoring.ledger import Verdict
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.seats import Seat

LEAST_DEFAULT_S = 1800.0
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class _Stalled:
    """A worker that has work: its oldest lease, and for how many seconds that has been running."""

    worker: Worker
    lease: Lease
    seconds: float


class ProgressGuard:
    """Adds up the seconds without a commit, a failed attempt or an item given up."""

    def __init__(self, limit_s: float, cut: Cut, *, run_timeout_s: float = 0.0) -> None:
        """run_timeout_s: what each `run()` may take, where the limit is to leave time for all that a lease needs."""
        self._limit_s, self._cut, self._run_timeout_s = limit_s, cut, run_timeout_s
        self._idle_s = 0.0

    def progressed(self) -> None:
        """Something was settled: begin anew."""
        self._idle_s = 0.0

    def passed(self, seconds: float, seats: Mapping[Worker, Seat], *, now_s: float) -> Verdict | None:
        """Let so many seconds pass, if any worker has work; give what ends the job once that is enough."""
        stalled = [_Stalled(w, seat.leases[0], now_s - seat.since_s) for w, seat in seats.items() if seat.leases]
        if not stalled:
            return None
        self._idle_s += seconds
        limit_s = max(self._limit_s, *(self._run_timeout_s * _pieces(one.lease, self._cut) for one in stalled))
        if self._idle_s < limit_s:
            return None
        stalled.sort(key=lambda one: -one.seconds)
        longest = stalled[0]
        why = _reason(limit_s, stalled, self._cut)
        return Verdict(JobStatus.FAILED.value, "NoProgress", why, longest.lease.first, longest.worker.name)


def no_progress_limit_s(settings: ExecutionSettings) -> float:
    """Give the limit of a job: as set, else half an hour, or what every try of one mini-batch may take if that is more.

    So by default it never ends a job whose time limits work.
    """
    if settings.no_progress_timeout_s is not None:
        return settings.no_progress_timeout_s
    return max(LEAST_DEFAULT_S, (settings.retry.max_retries + 1) * settings.retry.timeout_s)


def run_timeout_s(settings: ExecutionSettings) -> float:
    """Give the time limit of each `run()` for the guard; 0 where its own limit is set, and nothing else counts."""
    return settings.retry.timeout_s if settings.no_progress_timeout_s is None else 0.0


def _pieces(lease: Lease, cut: Cut) -> int:
    """How many times a lease calls `run()` at most, where memory does not suffice for whole mini-batches; else 0."""
    return lease.count * -(-cut.size // lease.run_items) if lease.run_items else 0


def _reason(limit_s: float, stalled: Sequence[_Stalled], cut: Cut) -> str:
    """Say which workers settle nothing, on what, and for how long; the longest first, ten of them at most."""
    # Azure: the first words are those of its own run-time (C.1b), so that searching for them finds help.
    named = "; ".join(_doing(one, cut) for one in stalled[:_MOST_NAMED])
    more = f"; and {len(stalled) - _MOST_NAMED} more" if len(stalled) > _MOST_NAMED else ""
    return (
        f"No progress update in {limit_s:g} seconds: nothing was scored and nothing failed while workers had work. "
        f"{named}{more}. Their stacks are in logs/user/error; `no_progress_timeout` is the limit."
    )


def _doing(one: _Stalled, cut: Cut) -> str:
    first, stop = one.lease.first, one.lease.first + one.lease.count
    at = f"mini-batch {first}" if stop == first + 1 else f"mini-batches {first} to {stop - 1}"
    low, high = cut.bounds(first)[0], cut.bounds(stop - 1)[1] - 1
    items = f"item {low}" if low == high else f"items {low} to {high}"
    return f"Worker {one.worker.name} has been on {at} ({items} of the listing) for {one.seconds:.0f} s"
