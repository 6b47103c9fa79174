"""The cap on a run's duration (`max_duration`): nothing new is begun once it is reached, and the job ends.

It reads no clock: seconds come in as they pass (`Tick`), and what has passed is a record of the ledger now and then, so
that the next owner goes on counting. Time in which nobody owned the job, or in which it was paused, is not counted.
"""

from __future__ import annotations

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts
from batchyard.domain.scoring.ledger import Ran, Verdict

MAX_DURATION_REACHED = "MaxDurationReached"
# How much may be forgotten when an owner is killed.
TOLD_EVERY_S = 5.0


class DurationCap:
    """Adds up the seconds of a run, over all its owners; counts nothing where there is no cap."""

    def __init__(self, limit_s: float | None, ran_s: float, *, folder: str = "") -> None:
        """ran_s: what earlier owners of this run have told of. folder: of a run that no server knows, else ""."""
        self._folder = folder
        self._limit_s, self._ran_s, self._told_s = limit_s, ran_s, ran_s

    @property
    def is_reached(self) -> bool:
        """Whether nothing new may be begun."""
        return self._limit_s is not None and self._ran_s >= self._limit_s

    def passed(self, seconds: float) -> Ran | None:
        """Let so many seconds pass; give what the ledger is to be told, when that is due."""
        if self._limit_s is None or self.is_reached:
            return None
        self._ran_s += seconds
        if not self.is_reached and self._ran_s - self._told_s < TOLD_EVERY_S:
            return None
        told, self._told_s = self._ran_s - self._told_s, self._ran_s
        return Ran(round(told, 3))

    def verdict(self, counts: Counts) -> Verdict:
        """Give what ends a job that has reached its cap and has nothing running any more."""
        done = f"{counts.succeeded + counts.failed} of {counts.items - counts.skipped} items are done"
        remedy = (
            "`batchyard job download --partial` gives their rows; `batchyard job resume` scores the rest, "
            "for as long again, or for longer with `--set max_duration=SECONDS`."
        )
        if self._folder:
            remedy = f"This is no job of a server; what was scored stays in {self._folder}."
        reason = (
            f"The run has reached max_duration {self._limit_s:g} seconds: {done}, and nothing more was begun. {remedy}"
        )
        return Verdict(JobStatus.FAILED.value, MAX_DURATION_REACHED, reason)
