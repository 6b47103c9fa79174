"""Ticks tell the time that a process was there to see, and no more."""

from __future__ import annotations

from batchyard.domain.scoring.events import Tick
from batchyard.engine.ticks import Ticks


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_tick_is_due_a_few_times_a_second() -> None:
    clock = Clock()
    ticks = Ticks(clock)
    assert ticks.due() is None
    clock.now += 0.125
    assert ticks.due() is None
    clock.now += 0.25
    assert ticks.due() == Tick(0.375)
    assert ticks.due() is None


def test_time_that_this_process_slept_is_not_told() -> None:
    clock = Clock()
    ticks = Ticks(clock)
    clock.now += 7200.0
    assert ticks.due() == Tick(1.0)
    clock.now += 0.5
    assert ticks.due() == Tick(0.5)
