"""What scoring a whole input costs, reckoned from the runs of a sample that each stand for a part of it.

Seconds here are those of `run()` alone, added up over all mini-batches; who runs beside whom is for `estimates`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from batchyard.domain.forecast.calibration import Calibration, SampledRun

# A first run has to stand out by so much before it is taken for a warm-up and not for a heavy item.
_WARM_UP_FACTOR = 1.5
# How much of the spread in seconds the size of files must explain before totals lean on it.
_LEAST_EXPLAINED = 0.5
_LEAST_RUNS = 4


@dataclass(frozen=True, slots=True)
class InputCosts:
    """What all mini-batches of an input cost together, at the size of mini-batch and contention of the sample.

    seconds, cpu_seconds: of `run()`. longest_s: of the costliest mini-batch seen. warm_up_s: what a worker's first
    run took above the others. error: relative, one standard deviation of `seconds`. output_bytes: of all rows.
    failing_share: of the items, 0 to 1. shape: (position of its first item, seconds, mini-batches like it), in order.
    """

    run_items: int
    seconds: float
    cpu_seconds: float
    longest_s: float
    warm_up_s: float
    error: float
    output_bytes: float
    peak_bytes: int
    failing_share: float
    shape: tuple[tuple[int, float, float], ...]


def sizes_of(calibration: Calibration) -> list[int]:
    """Give the numbers of items for one `run()` that were tried and succeeded at least once, ascending."""
    return sorted({run.run_items for run in calibration.succeeded})


def input_costs(calibration: Calibration, run_items: int, *, attempts: int = 1) -> InputCosts | None:
    """Reckon what the whole input costs in mini-batches of this size; None when no run of it succeeded.

    attempts: how often a mini-batch that fails is tried.
    """
    found = sorted((run for run in calibration.runs if run.run_items == run_items), key=lambda run: run.first)
    if not any(run.failure is None for run in found):
        return None
    runs, warm_up_s = _without_warm_up(found)
    runs = [run if run.failure is None else _tried(run, attempts) for run in runs]
    weights = _weights(runs, calibration.items)
    seconds = _total(runs, weights, calibration, lambda run: run.seconds)
    failing = sum(run.items * weight for run, weight in zip(runs, weights, strict=True) if run.failure is not None)
    scale = seconds / max(sum(run.seconds * weight for run, weight in zip(runs, weights, strict=True)), 1e-12)
    return InputCosts(
        run_items=run_items,
        seconds=seconds,
        cpu_seconds=_total(runs, weights, calibration, lambda run: run.cpu_seconds),
        longest_s=max(run.seconds for run in runs),
        warm_up_s=warm_up_s,
        error=_error(runs, weights, seconds),
        output_bytes=sum(run.output_bytes * weight for run, weight in zip(runs, weights, strict=True)),
        peak_bytes=max(run.peak_bytes for run in runs),
        failing_share=min(1.0, failing / max(calibration.items, 1)),
        shape=tuple((run.first, run.seconds * scale, weight) for run, weight in zip(runs, weights, strict=True)),
    )


def least_seconds(calibration: Calibration, costs: InputCosts) -> float:
    """Give the time in which as many workers as the sample's score all of it, none of them ever idle.

    It is never less than the cores take for the processor time: the last runs of a sample have the cores for
    themselves, and would make many workers look faster than the machine.
    """
    return max(costs.seconds / calibration.concurrency, costs.cpu_seconds / calibration.cores)


def _without_warm_up(runs: Sequence[SampledRun]) -> tuple[list[SampledRun], float]:
    """Give the runs with those of fresh workers brought down to what their likes took, and the most that was above.

    What a script does only once, such as loading its model with the first item, must not count for every item.
    """
    later = [run for run in runs if not run.is_first and run.failure is None]
    if not later:
        return list(runs), 0.0
    given, excess_s = [], 0.0
    for run in runs:
        likely = _likely(run, later) if run.is_first and run.failure is None else None
        if likely is not None and run.seconds > _WARM_UP_FACTOR * likely.seconds:
            excess_s = max(excess_s, run.seconds - likely.seconds)
            given.append(likely)
        else:
            given.append(run)
    return given, excess_s


def _likely(run: SampledRun, later: Sequence[SampledRun]) -> SampledRun:
    """Give the run as the costliest of its three likes suggests: of about its bytes, then near in the listing.

    Where its files are larger than theirs it may be that much heavier: a heavy tail is no warm-up.
    """

    def unlikeness(other: SampledRun) -> tuple[float, int]:
        return round(abs(math.log2((_bytes_each(other) + 1) / (_bytes_each(run) + 1)))), abs(other.first - run.first)

    likes = [
        (other, max(1.0, (_bytes_each(run) + 1) / (_bytes_each(other) + 1)) / max(other.items, 1))
        for other in sorted(later, key=unlikeness)[:3]
    ]
    seconds_each = max(other.seconds * heavier for other, heavier in likes)
    cpu_each = max(other.cpu_seconds * heavier for other, heavier in likes)
    return replace(run, seconds=seconds_each * run.items, cpu_seconds=min(run.cpu_seconds, cpu_each * run.items))


def _tried(run: SampledRun, attempts: int) -> SampledRun:
    return replace(run, seconds=run.seconds * attempts, cpu_seconds=run.cpu_seconds * attempts)


def _weights(runs: Sequence[SampledRun], items: int) -> list[float]:
    """Give for how many mini-batches like it each run stands; together for all items, also of a sample cut short."""
    claimed = sum(run.stands_for_items for run in runs)
    scale = items / claimed if claimed else 0.0
    return [scale * run.stands_for_items / max(run.items, 1) for run in runs]


def _total(
    runs: Sequence[SampledRun], weights: Sequence[float], calibration: Calibration, cost: Callable[[SampledRun], float]
) -> float:
    """Add up the costs, corrected by the bytes of the whole input where they explain the costs (a regression
    estimator): a sample that happened to have small files is not taken for an input of small files."""
    total = sum(cost(run) * weight for run, weight in zip(runs, weights, strict=True))
    slope = _seconds_a_byte(runs, cost)
    missing = calibration.size_bytes - sum(run.size_bytes * weight for run, weight in zip(runs, weights, strict=True))
    # A few huge files that the sample missed may multiply it; that it hit too many large ones takes away less.
    return max(total / 2, min(10 * total, total + slope * missing))


def _seconds_a_byte(runs: Sequence[SampledRun], cost: Callable[[SampledRun], float]) -> float:
    """Give the slope of the cost of an item over its bytes; 0 where that explains too little."""
    if len(runs) < _LEAST_RUNS:
        return 0.0
    x = [_bytes_each(run) for run in runs]
    y = [cost(run) / max(run.items, 1) for run in runs]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    x_spread, y_spread = sum((a - x_mean) ** 2 for a in x), sum((b - y_mean) ** 2 for b in y)
    both = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
    if not x_spread or not y_spread or both <= 0 or both * both / (x_spread * y_spread) < _LEAST_EXPLAINED:
        return 0.0
    return both / x_spread


def _error(runs: Sequence[SampledRun], weights: Sequence[float], seconds: float) -> float:
    """Give the standard error of the total, from how unlike neighbours in the listing are: a slow growth over the
    listing is no error, since the sample is spread over it."""
    if len(runs) < 2 or seconds <= 0:
        return 1.0
    slope = _seconds_a_byte(runs, lambda run: run.seconds)
    rest = [run.seconds / max(run.items, 1) - slope * _bytes_each(run) for run in runs]
    items = [run.items * weight for run, weight in zip(runs, weights, strict=True)]
    squares = sum(
        (here - before) ** 2 / 2 * ((n + m) / 2) ** 2
        for before, here, n, m in zip(rest[:-1], rest[1:], items[:-1], items[1:], strict=True)
    )
    return math.sqrt(squares * len(runs) / (len(runs) - 1)) / seconds


def _bytes_each(run: SampledRun) -> float:
    return run.size_bytes / max(run.items, 1)
