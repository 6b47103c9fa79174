"""Estimates: from 1 % of an input to the whole of it, for jobs that are simulated mini-batch by mini-batch."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.forecast.calibration import Calibration, SampledRun, SampledStart, SampleFailure
from batchyard.domain.forecast.estimates import FIXED_S, Estimate, estimate
from batchyard.domain.forecast.run_costs import input_costs

MB = 1 << 20
START_S = 1.5


class Simulated:
    """An input and what each of its items costs: seconds, and the bytes of its file. cpu: share of the time."""

    def __init__(self, costs: Sequence[float], sizes: Sequence[int], *, cpu: float = 0.0, warm_up_s: float = 0.0):
        self.costs, self.sizes, self.cpu, self.warm_up_s = costs, sizes, cpu, warm_up_s

    def calibrate(self, run_items: int, *, mini_batches: int, workers: int = 1, cores: int = 64) -> Calibration:
        """Score so many mini-batches, each from the middle of an equal part of the listing, and stand for that part."""
        total = len(self.costs)
        all_of_them = -(-total // run_items)
        count = min(mini_batches, all_of_them)
        runs = []
        for k in range(count):
            low, high = all_of_them * k // count * run_items, min(all_of_them * (k + 1) // count * run_items, total)
            first = (low + high) // 2 // run_items * run_items
            stop = min(first + run_items, total)
            slower = max(1.0, workers * self.cpu / cores)
            seconds = sum(self.costs[first:stop]) * slower + (self.warm_up_s if k < workers else 0.0)
            runs.append(
                SampledRun(
                    worker=f"n0-s{k % workers}-0",
                    first=first,
                    items=stop - first,
                    size_bytes=sum(self.sizes[first:stop]),
                    run_items=run_items,
                    seconds=seconds,
                    cpu_seconds=sum(self.costs[first:stop]) * self.cpu,
                    rows=stop - first,
                    output_bytes=20 * (stop - first),
                    peak_bytes=100 * MB,
                    is_first=k < workers,
                    stands_for_items=high - low,
                    stands_for_bytes=sum(self.sizes[low:high]),
                )
            )
        starts = tuple(SampledStart(f"n0-s{w}-0", START_S, 0.0, 80 * MB) for w in range(workers))
        made = Calibration(total, sum(self.sizes), all_of_them, tuple(runs), starts, workers, cores, 8 << 30)
        return replace(made, list_seconds=0.2)

    def duration(self, run_items: int, workers: int, *, cores: int = 64) -> float:
        """What a job really takes: each worker takes the next mini-batch when it is free, cores are shared."""
        slower = max(1.0, workers * self.cpu / cores)
        free_at = [self.warm_up_s] * workers
        for first in range(0, len(self.costs), run_items):
            seconds = sum(self.costs[first : first + run_items]) * slower
            heapq.heapreplace(free_at, free_at[0] + seconds)
        return FIXED_S + START_S + max(free_at)


def constant(chance: random.Random, n: int) -> Simulated:
    return Simulated([0.05 * chance.uniform(0.9, 1.1) for _ in range(n)], [1000] * n)


def heavy_tail(chance: random.Random, n: int) -> Simulated:
    """A few files are hundreds of times as large as most, and cost as much."""
    sizes = [int(1000 * min(300.0, chance.paretovariate(1.5))) for _ in range(n)]
    return Simulated([size * 2e-5 * chance.uniform(0.8, 1.2) for size in sizes], sizes)


def growing(chance: random.Random, n: int) -> Simulated:
    return Simulated([0.01 + 0.1 * k / n * chance.uniform(0.8, 1.2) for k in range(n)], [1000] * n)


def settings(run_items: int, workers: int) -> ExecutionSettings:
    return ExecutionSettings(mini_batch_size=run_items, max_concurrency_per_instance=workers)


def estimated(calibration: Calibration, chosen: ExecutionSettings) -> Estimate:
    found = estimate(calibration, chosen)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [constant, heavy_tail, growing])
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("run_items", "workers"), [(1, 1), (10, 4)])
def test_a_sample_of_one_percent_tells_the_duration_within_20_percent(
    shape: Callable[[random.Random, int], Simulated], seed: int, run_items: int, workers: int
) -> None:
    simulated = shape(random.Random(seed), 20_000)
    found = estimated(
        simulated.calibrate(run_items, mini_batches=200 // run_items, workers=workers), settings(run_items, workers)
    )
    truth = simulated.duration(run_items, workers)
    assert found.duration_s == pytest.approx(truth, rel=0.2)
    assert found.node_seconds == found.duration_s


@pytest.mark.parametrize("shape", [constant, growing])
def test_the_duration_lies_within_what_the_estimate_says(shape: Callable[[random.Random, int], Simulated]) -> None:
    inside = 0
    for seed in range(20):
        simulated = shape(random.Random(seed), 5_000)
        found = estimated(simulated.calibrate(1, mini_batches=50), settings(1, 1))
        inside += found.low_s <= simulated.duration(1, 1) <= found.high_s
    assert inside >= 18


def test_a_sample_at_one_worker_tells_the_duration_with_many_as_far_as_the_cores_go() -> None:
    busy = Simulated([0.05] * 4000, [1] * 4000, cpu=1.0)
    calibration = busy.calibrate(1, mini_batches=40, cores=4)
    for workers in (1, 2, 4, 8):
        found = estimated(calibration, settings(1, workers))
        assert found.duration_s == pytest.approx(busy.duration(1, workers, cores=4), rel=0.1)
    waiting = Simulated([0.05] * 4000, [1] * 4000, cpu=0.02)
    found = estimated(waiting.calibrate(1, mini_batches=40, cores=4), settings(1, 16))
    assert found.duration_s == pytest.approx(waiting.duration(1, 16, cores=4), rel=0.1)


def test_a_sample_at_the_job_s_own_concurrency_is_not_slowed_down_twice() -> None:
    busy = Simulated([0.05] * 4000, [1] * 4000, cpu=1.0)
    found = estimated(busy.calibrate(1, mini_batches=40, workers=8, cores=2), settings(1, 8))
    assert found.duration_s == pytest.approx(busy.duration(1, 8, cores=2), rel=0.1)


def test_what_only_the_first_run_of_a_worker_takes_is_not_taken_for_every_item() -> None:
    lazy = Simulated([0.01] * 10_000, [1] * 10_000, warm_up_s=5.0)
    calibration = lazy.calibrate(1, mini_batches=20, workers=2)
    costs = input_costs(calibration, 1)
    assert costs is not None
    assert costs.warm_up_s == pytest.approx(5.0, rel=0.01)
    assert estimated(calibration, settings(1, 2)).duration_s == pytest.approx(lazy.duration(1, 2), rel=0.1)


@pytest.mark.parametrize("workers", [1, 6])
def test_a_heavy_item_that_a_fresh_worker_meets_first_is_not_taken_for_its_warm_up(workers: int) -> None:
    sizes = [30_000, 9_000, 6_000, 5_000, 7_000, 4_000, *[1000] * 494]
    tail = Simulated([size * 1e-5 for size in sizes], sizes)
    costs = input_costs(tail.calibrate(1, mini_batches=500, workers=workers), 1)
    assert costs is not None
    assert costs.warm_up_s == 0
    assert costs.seconds == pytest.approx(sum(tail.costs))


def test_a_last_round_that_does_not_fill_the_workers_counts() -> None:
    long = Simulated([10.0] * 5, [1] * 5)
    found = estimated(long.calibrate(1, mini_batches=5, workers=4), settings(1, 4))
    assert found.scoring_s == pytest.approx(20.0)


def test_memory_is_that_of_all_workers_and_is_compared_with_what_is_free() -> None:
    small = Simulated([0.05] * 1000, [1] * 1000)
    found = estimated(small.calibrate(10, mini_batches=10), settings(10, 4))
    assert (found.worker_bytes, found.memory_bytes) == (100 * MB, 400 * MB)
    assert not [note for note in found.notes if "memory" in note]
    tight = replace(small.calibrate(10, mini_batches=10), memory_bytes=300 * MB)
    assert [note for note in estimated(tight, settings(10, 4)).notes if "more memory than is free" in note]


def test_nodes_that_are_held_count_each_second() -> None:
    even = Simulated([0.1] * 1000, [1] * 1000)
    two = ExecutionSettings(mini_batch_size=1, instance_count=2, max_concurrency_per_instance=2)
    found = estimated(even.calibrate(1, mini_batches=20, workers=4), two)
    assert (found.workers, found.instances) == (4, 2)
    assert found.node_seconds == pytest.approx(2 * found.duration_s)


def test_items_that_fail_cost_every_try_and_are_told() -> None:
    even = Simulated([1.0] * 1000, [1] * 1000)
    calibration = even.calibrate(1, mini_batches=10)
    bad = replace(calibration.runs[3], failure=SampleFailure("script", "ValueError", "bad"))
    failing = replace(calibration, runs=(*calibration.runs[:3], bad, *calibration.runs[4:]))
    patient = replace(settings(1, 1), retry=RetrySettings(max_retries=3))
    found = estimated(failing, patient)
    assert found.failing_items == 100
    assert found.scoring_s == pytest.approx(1300, rel=0.01)
    assert "10.0% of the items are expected to fail, each after 4 tries." in found.notes


def test_a_sample_of_which_nothing_could_be_scored_gives_no_estimate() -> None:
    calibration = Simulated([1.0] * 10, [1] * 10).calibrate(1, mini_batches=2)
    failed = [replace(run, failure=SampleFailure("script", "ValueError", "bad")) for run in calibration.runs]
    assert estimate(replace(calibration, runs=tuple(failed)), settings(1, 1)) is None
    assert estimate(replace(calibration, runs=()), settings(1, 1)) is None


def test_a_cap_that_comes_before_the_end_is_told() -> None:
    found = estimated(
        Simulated([1.0] * 100, [1] * 100).calibrate(1, mini_batches=10), replace(settings(1, 1), max_duration_s=60.0)
    )
    assert [note for note in found.notes if "max_duration of 60 s" in note]


def test_ten_million_mini_batches_are_not_laid_out_one_by_one() -> None:
    one = Simulated([0.001] * 100, [1] * 100).calibrate(1, mini_batches=100)
    runs = tuple(replace(run, stands_for_items=100_000, stands_for_bytes=100_000) for run in one.runs)
    huge = replace(one, items=10_000_000, size_bytes=10_000_000, mini_batches=10_000_000, runs=runs)
    assert estimated(huge, settings(1, 2)).scoring_s == pytest.approx(5000, rel=0.01)
