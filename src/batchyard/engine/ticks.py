"""The time that passes for the state machine: seconds in which this process was there to see workers do something."""

from __future__ import annotations

from collections.abc import Callable

from batchyard.domain.scoring.events import Tick

EVERY_S = 0.25
LONGEST_S = 1.0


class Ticks:
    """Turns a monotonic clock into ticks, a few a second.

    A tick never tells more than `LONGEST_S`: what this process slept, was stopped, or waited for a disk or a database
    is not time in which workers did nothing.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told_at = monotonic()

    def due(self) -> Tick | None:
        """Give the tick that is due, or None."""
        now = self._monotonic()
        passed_s = now - self._told_at
        if passed_s < EVERY_S:
            return None
        self._told_at = now
        return Tick(min(passed_s, LONGEST_S))
