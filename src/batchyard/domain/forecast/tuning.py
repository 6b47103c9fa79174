"""Tuning: which setting to try next, and how fast each one tried was. Pure; the trials are calibrations of a sample.

A setting is three numbers: items for one `run()`, workers, threads of a worker's numeric libraries. `advice` says which
one to take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batchyard.domain.forecast.calibration import Calibration
from batchyard.domain.forecast.run_costs import input_costs, least_seconds, sizes_of

MOST_TRIALS = 20
AUTO_THREADS = 0  # What the platform gives: cores divided by workers.
# A line along which throughput differs by less is not looked at more closely.
_FLAT = 0.03
_AXES = ("run_items", "workers", "threads")
_DIAGONALS = (("workers", 1, "run_items", -1), ("workers", 1, "threads", -1), ("workers", -1, "threads", 1))
_SIZES = (1, 2, 5)


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What is tuned. workers: of all instances together. threads: AUTO_THREADS for what the platform gives."""

    run_items: int
    workers: int
    threads: int = AUTO_THREADS


@dataclass(frozen=True, slots=True)
class Trial:
    """How one setting did. items_per_s: of all workers together, while they score. worker_bytes: the most of one; None
    when nobody measured. start_s: before the first of them scores; None when that is not known, and in items_per_s.
    run_s: of one mini-batch. busy: cores that a worker keeps busy while it scores; None when nobody measured.
    error: of items_per_s, relative, one standard deviation.
    """

    setting: Setting
    items_per_s: float
    worker_bytes: int | None = 0
    run_s: float = 0.0
    start_s: float | None = 0.0
    warm_up_s: float = 0.0
    busy: float | None = None
    error: float = 0.0

    @property
    def memory_bytes(self) -> int:
        """Of all its workers, at most: what they share is counted for each."""
        return self.setting.workers * (self.worker_bytes or 0)


@dataclass(frozen=True, slots=True)
class Space:
    """The values that each number may have, ascending, and the memory that all workers may take; 0 for any.

    cores: that workers share, for what AUTO_THREADS means. items: of the whole input, 0 for any number: workers for
    whom there is no mini-batch are no setting.
    """

    run_items: tuple[int, ...]
    workers: tuple[int, ...]
    threads: tuple[int, ...] = (AUTO_THREADS,)
    memory_bytes: int = 0
    cores: int = 1
    items: int = 0

    def values_of(self, axis: str, workers: int) -> list[int]:
        """Give the values of one number, ascending by what they mean beside so many workers."""
        values: tuple[int, ...] = getattr(self, axis)
        if axis != "threads":
            return list(values)
        auto = max(1, self.cores // workers)
        has_auto = AUTO_THREADS in values
        return sorted((t for t in values if not (has_auto and t == auto)), key=lambda threads: threads or auto)

    def has_work(self, setting: Setting) -> bool:
        """Whether there is a mini-batch for each worker; one worker always has work."""
        return not self.items or setting.workers == 1 or setting.workers <= -(-self.items // setting.run_items)

    def __iter__(self) -> Iterator[Setting]:
        every = (Setting(b, n, t) for b in self.run_items for n in self.workers for t in self.threads)
        return filter(self.has_work, every)


def sizes_up_to(most: int) -> tuple[int, ...]:
    """Give the sizes 1, 2, 5, 10, 20, 50, … that are not more than `most`."""
    decades = range(len(str(max(most, 1))))
    return tuple(size for k in decades for digit in _SIZES if (size := digit * 10**k) <= most) or (1,)


def workers_up_to(most: int) -> tuple[int, ...]:
    """Give numbers of workers: each up to 4, then about half as many again, and `most` itself."""
    found, n = [], 1
    while n < most:
        found.append(n)
        n = n + 1 if n < 4 else n * 3 // 2
    return (*found, most)


def trials_of(calibration: Calibration, threads: int = AUTO_THREADS) -> list[Trial]:
    """Give what a calibration tells of each size that it tried."""
    found = []
    for run_items in sizes_of(calibration):
        costs = input_costs(calibration, run_items)
        if costs is None or costs.seconds <= 0:
            continue
        rate = calibration.items / least_seconds(calibration, costs)
        found.append(
            Trial(
                Setting(run_items, calibration.workers, threads),
                rate,
                costs.peak_bytes,
                run_items * calibration.concurrency / rate,
                calibration.start_seconds,
                costs.warm_up_s,
                costs.cpu_seconds / costs.seconds,
                costs.error,
            )
        )
    return found


def best_of(space: Space, trials: Sequence[Trial]) -> Trial | None:
    """Give the fastest trial that keeps within the memory; None when there is none."""
    fitting = [trial for trial in trials if not space.memory_bytes or trial.memory_bytes <= space.memory_bytes]
    return max(fitting, key=lambda trial: (trial.items_per_s, -trial.setting.workers), default=None)


def next_setting(space: Space, trials: Sequence[Trial], *, most: int = MOST_TRIALS) -> Setting | None:
    """Give the setting to try next, or None when the best one is found or `most` were tried.

    Along one axis after the other, through the best so far, a peak is enclosed and narrowed down: at first taking what
    a number does not to depend on the others, then seeing that for itself. At last the corners are looked at, since
    more workers may do better with smaller mini-batches or fewer threads.
    """
    if len(trials) >= most:
        return None
    best = best_of(space, trials)
    if best is None:
        smallest = Setting(space.run_items[0], space.workers[0], space.threads[0])
        return None if any(trial.setting == smallest for trial in trials) else smallest
    rates = {t.setting: t.items_per_s if t.memory_bytes <= (space.memory_bytes or math.inf) else 0.0 for t in trials}
    may_fit = _fitting(space, trials)
    for axis, leans in [*((axis, True) for axis in _AXES), *((axis, False) for axis in _AXES)]:
        line = [_with(best.setting, axis, value) for value in space.values_of(axis, best.setting.workers)]
        found = _along([one for one in line if one in rates or may_fit(one)], axis, best.setting, rates, leans=leans)
        if found is not None:
            return found
    return _corner(space, best.setting, rates, may_fit)


def _along(
    line: Sequence[Setting], axis: str, at: Setting, rates: Mapping[Setting, float], *, leans: bool
) -> Setting | None:
    """Give what to try next on the line through `at`, None when its peak is known.

    leans: take for known on this line what was seen on others beside it.
    """
    if at not in line:
        return None
    here, last = line.index(at), len(line) - 1
    known = [k for k, one in enumerate(line) if one in rates]
    low, high = max((k for k in known if k < here), default=-1), min((k for k in known if k > here), default=-1)
    if high < 0 and here < last and not (leans and _is_worse(line[here + 1 :], axis, at, rates)):
        return line[min(last, here + (2 * (here - low) if low >= 0 else 2))]
    if low < 0 and here > 0 and not (leans and _is_worse(line[:here], axis, at, rates)):
        return line[max(0, here - 2)]
    ends = [rates[line[k]] for k in (low, high) if k >= 0]
    if not ends or min(ends) >= (1 - _FLAT) * rates[at]:
        return None
    gaps = [(here - low, (here + low) // 2) if low >= 0 else (0, 0), (high - here, (here + high + 1) // 2)]
    width, middle = max(gaps)
    return line[middle] if width > 1 else None


def _is_worse(others: Sequence[Setting], axis: str, at: Setting, rates: Mapping[Setting, float]) -> bool:
    """Whether a step from `at` to one of the others was seen to lose, with the other two numbers as they were there:
    what a number does does not depend much on the others."""
    steps = {getattr(other, axis) for other in others}
    for beside, rate in rates.items():
        if getattr(beside, axis) not in steps:
            continue
        same = _with(beside, axis, getattr(at, axis))
        if same in rates and rate < (1 - _FLAT) * rates[same]:
            return True
    return False


def _corner(
    space: Space, at: Setting, rates: Mapping[Setting, float], may_fit: Callable[[Setting], bool]
) -> Setting | None:
    for one, step, other, against in _DIAGONALS:
        first, second = _moved(space, at, one, step), _moved(space, at, other, against)
        if first is None or second is None:
            continue
        found = replace(at, **{one: first, other: second})
        if found not in rates and may_fit(found):
            return found
    return None


def _moved(space: Space, at: Setting, axis: str, step: int) -> int | None:
    values = space.values_of(axis, at.workers)
    k = values.index(getattr(at, axis)) + step if getattr(at, axis) in values else -1
    return values[k] if 0 <= k < len(values) else None


def _with(setting: Setting, axis: str, value: int) -> Setting:
    return replace(setting, **{axis: value})


def _fitting(space: Space, trials: Sequence[Trial]) -> Callable[[Setting], bool]:
    """Give whether a setting has work for its workers and may fit into the memory, as far as the trials can tell."""
    most = space.memory_bytes or math.inf
    return lambda setting: space.has_work(setting) and setting.workers * worker_bytes(setting.run_items, trials) <= most


def worker_bytes(run_items: int, trials: Sequence[Trial]) -> float:
    """Give the memory of a worker at a size: between and beyond those tried it grows as between them."""
    known: dict[int, int] = {}
    for trial in trials:
        known[trial.setting.run_items] = max(known.get(trial.setting.run_items, 0), trial.worker_bytes or 0)
    sizes = sorted(known)
    if not sizes:
        return 0.0
    if len(sizes) == 1 or run_items <= sizes[0]:
        return float(known[sizes[0]])
    high = next((size for size in sizes[1:] if size >= run_items), sizes[-1])
    low = sizes[sizes.index(high) - 1]
    slope = max(0.0, (known[high] - known[low]) / (high - low))
    return known[low] + slope * (run_items - low)
