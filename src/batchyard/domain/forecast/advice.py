"""Advice: from trials of a few settings to the duration and cost of every one, and the one to take.

Cost is worker-seconds, workers times duration: what a job holds of its compute. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from batchyard.domain.forecast.estimates import FIXED_S
from batchyard.domain.forecast.tuning import MOST_TRIALS, Setting, Space, Trial, best_of, next_setting, worker_bytes

# A setting meets a target if it does so though it took longer by so much of its duration, or by twice its own error.
_MARGINS = (0.03, 0.25)
# What a setting that was not tried is reckoned from may be off by so much.
UNTRIED_ERROR = 0.05
# Of the trials, so many are kept for the settings that the advice would be.
_FOR_THE_ADVICE = 4
# Among settings that are about as good the one with fewer workers, then smaller mini-batches, is taken.
_AS_GOOD = 0.03


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be scored: items, and the seconds before the first of them can be. cores: that workers share."""

    items: int
    list_s: float = 0.0
    cores: int = 1


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a job with this setting would take. is_measured: the setting itself was tried.

    high_s: what it will hardly take longer than, as far as its trial can tell.
    """

    setting: Setting
    items_per_s: float
    duration_s: float
    high_s: float
    worker_seconds: float
    memory_bytes: int
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """The setting to take, and every setting's prospect. meets_target: whether it is expected to be fast enough."""

    chosen: Prospect
    prospects: tuple[Prospect, ...]
    meets_target: bool


def advise(
    space: Space,
    trials: Sequence[Trial],
    workload: Workload,
    *,
    target_s: float | None = None,
    untried_error: float = UNTRIED_ERROR,
) -> Advice | None:
    """Choose the cheapest setting that ends in target_s, else the fastest one; None when nothing fits or was tried.

    Without a target: the fastest, or the cheapest of those that are about as fast.
    untried_error: by how much the rate of a setting that was not tried may be off, relative, one standard deviation.
    """
    prospects = _prospects(space, trials, workload, untried_error)
    if not prospects:
        return None
    fastest = min(prospect.duration_s for prospect in prospects)
    if target_s is None:
        good = [prospect for prospect in prospects if prospect.duration_s <= fastest * (1 + _AS_GOOD)]
    else:
        good = [prospect for prospect in prospects if prospect.high_s <= target_s]
    if not good:
        meets = target_s is not None and fastest <= target_s
        good = [prospect for prospect in prospects if prospect.duration_s <= fastest * (1 + _AS_GOOD / 3)]
        return Advice(_cheapest(good), prospects, meets)
    return Advice(_cheapest(good), prospects, meets_target=True)


def next_trial(
    space: Space, trials: Sequence[Trial], workload: Workload, *, target_s: float | None = None, most: int = MOST_TRIALS
) -> Setting | None:
    """Give the setting to try next, None when enough is known.

    That is what the search along the axes asks for, then what should be faster by all that is known (a search along
    axes does not see it where memory allows more workers only with smaller mini-batches), then what would be advised,
    then the rest of the search.
    """
    if len(trials) >= most:
        return None
    wanted = next_setting(space, trials, most=most * 3 // 5)
    searched = most - _FOR_THE_ADVICE
    if wanted is None and len(trials) < searched:
        wanted = _promising(space, trials, workload) or next_setting(space, trials, most=searched)
    if wanted is not None:
        return wanted
    return _hopeful(space, trials, workload, target_s) or next_setting(space, trials, most=most)


def _hopeful(space: Space, trials: Sequence[Trial], workload: Workload, target_s: float | None) -> Setting | None:
    """Give the setting that would be advised if it did as its neighbours let hope; None when it was tried."""
    advice = advise(space, trials, workload, target_s=target_s, untried_error=0.0)
    return None if advice is None or advice.chosen.is_measured else advice.chosen.setting


def _promising(space: Space, trials: Sequence[Trial], workload: Workload) -> Setting | None:
    """Give the setting that was not tried and should be the fastest, if it should beat the best one."""
    best = best_of(space, trials)
    found = [prospect for prospect in _prospects(space, trials, workload, UNTRIED_ERROR) if not prospect.is_measured]
    if best is None or not found:
        return None
    fastest = max(found, key=lambda prospect: prospect.items_per_s)
    return fastest.setting if fastest.items_per_s > (1 + _AS_GOOD) * best.items_per_s else None


def _margin(error: float) -> float:
    least, most = _MARGINS
    return min(most, max(least, 2 * error))


def _cheapest(prospects: Sequence[Prospect]) -> Prospect:
    """Give the cheapest; of those about as cheap one that was tried, with few workers and small mini-batches."""
    least = min(prospect.worker_seconds for prospect in prospects)
    about = [prospect for prospect in prospects if prospect.worker_seconds <= least * (1 + _AS_GOOD)]
    return min(about, key=lambda p: (p.setting.workers, not p.is_measured, p.setting.threads, p.setting.run_items))


def _prospects(space: Space, trials: Sequence[Trial], workload: Workload, untried_error: float) -> tuple[Prospect, ...]:
    best = best_of(space, trials)
    if best is None:
        return ()
    measured = {trial.setting: trial for trial in trials}
    rates = _Rates(space, best, trials, workload.cores)
    found = []
    for setting in sorted({*space, *measured}):
        trial = measured.get(setting)
        rate = rates.expected(setting) if trial is None else trial.items_per_s
        memory = trial.memory_bytes if trial else setting.workers * rates.worker_bytes[setting.run_items]
        if rate <= 0 or (space.memory_bytes and memory > space.memory_bytes):
            continue
        duration_s = _duration_s(setting, rate, trial or best, workload)
        high_s = duration_s * (1 + _margin(untried_error if trial is None else trial.error))
        cost = setting.workers * duration_s
        found.append(Prospect(setting, rate, duration_s, high_s, cost, round(memory), trial is not None))
    return tuple(found)


def _duration_s(setting: Setting, rate: float, like: Trial, workload: Workload) -> float:
    """Give the duration: whole mini-batches go round the workers, so the last round may leave some idle."""
    run_s = setting.run_items * setting.workers / rate
    rounds = math.ceil(math.ceil(workload.items / setting.run_items) / setting.workers)
    last_s = run_s if workload.items >= setting.run_items else run_s * workload.items / setting.run_items
    # Mini-batches are not all alike: only a few rounds are as whole as that.
    scoring_s = rounds * last_s if rounds <= 4 else workload.items / rate + run_s / 2
    return FIXED_S + max(workload.list_s, like.start_s or 0.0) + like.warm_up_s + scoring_s


class _Rates:
    """The rates of settings that were not tried: that of the best, changed by what each number does by itself."""

    def __init__(self, space: Space, best: Trial, trials: Sequence[Trial], cores: int) -> None:
        self._best = best
        own = _size_factor(best.setting.run_items, trials)
        self._sizes = {size: _size_factor(size, trials) / own for size in space.run_items}
        self._workers = {n: _workers_factor(n, best, trials, cores) for n in space.workers}
        self._threads = {t: _threads_factor(t, best, trials) for t in space.threads}
        self.worker_bytes = {size: worker_bytes(size, trials) for size in space.run_items}

    def expected(self, setting: Setting) -> float:
        """Give items per second; 0 for a number of threads that was never tried."""
        others = self._workers[setting.workers] * self._threads[setting.threads]
        return self._best.items_per_s * self._sizes[setting.run_items] * others


def _size_factor(run_items: int, trials: Sequence[Trial]) -> float:
    """Give the rate by size: the time of an item is taken to be linear in 1 / size between sizes that were tried."""
    lines: dict[tuple[int, int], dict[int, float]] = {}
    for trial in trials:
        line = lines.setdefault((trial.setting.workers, trial.setting.threads), {})
        line[trial.setting.run_items] = trial.items_per_s
    longest = max(lines.values(), key=len)
    points = sorted((1 / size, 1 / rate) for size, rate in longest.items())
    return 1 / _interpolated(points, 1 / run_items)


def _workers_factor(workers: int, best: Trial, trials: Sequence[Trial], cores: int) -> float:
    """Give the rate by workers, relative to the best's. Beyond those tried it grows while cores are left."""
    like = best.setting
    line = [t for t in trials if (t.setting.run_items, t.setting.threads) == (like.run_items, like.threads)]
    points = sorted((float(t.setting.workers), t.items_per_s) for t in line)
    room = max(1.0, cores / (best.busy or 1.0)) if best.busy != 0 else math.inf
    (fewest, slowest), (most, rate) = points[0], points[-1]
    if workers < fewest:
        return slowest * workers / min(fewest, max(room, workers)) / best.items_per_s
    if workers <= most:
        return _interpolated(points, workers) / best.items_per_s
    # Where the last workers that were added gave less than half of their due, more of them give nothing.
    is_full = len(points) > 1 and rate / points[-2][1] - 1 < (most / points[-2][0] - 1) / 2
    grown = 1.0 if is_full else min(workers, max(room, most)) / most
    return rate * grown / best.items_per_s


def _threads_factor(threads: int, best: Trial, trials: Sequence[Trial]) -> float:
    """Give the rate by threads, relative to the best's; 0 for a number that was never tried beside another one."""
    if threads == best.setting.threads:
        return 1.0
    rates = {trial.setting: trial.items_per_s for trial in trials}
    found = [
        rate / rates[beside]
        for other, rate in rates.items()
        if other.threads == threads
        and (beside := Setting(other.run_items, other.workers, best.setting.threads)) in rates
    ]
    return sum(found) / len(found) if found else 0.0


def _interpolated(points: Sequence[tuple[float, float]], x: float) -> float:
    """Give the value at x on the lines between points in ascending order; beyond them that of the last one."""
    if x <= points[0][0]:
        return points[0][1]
    for (low, before), (high, after) in pairwise(points):
        if x <= high:
            return before + (after - before) * (x - low) / (high - low)
    return points[-1][1]
