"""What a job will take, reckoned from a calibration before there is a job: duration, memory, node-seconds.

Pure: the sample was scored by `engine.calibrate`. `tuning` compares settings with the same reckoning.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.forecast.calibration import Calibration
from batchyard.domain.forecast.run_costs import InputCosts, input_costs, sizes_of

# What a job takes beside listing, starting and scoring: to be claimed, to prepare, to seal and to publish.
FIXED_S = 0.35
_PUBLISHED_BYTES_S = 200e6
# More mini-batches than that are not laid out one by one: no single one matters to the whole any more.
_MOST_LAID_OUT = 50_000
_LEAST_ERROR = 0.05
_DEVIATIONS = 2.0
_BUSY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job of the whole input is expected to take. Seconds are wall time unless the name says otherwise.

    duration_s: from invoke to Completed on a free compute; low_s, high_s: where it will be, in 19 of 20 cases as far
    as the sample can tell. start_s: import and `init()`; scoring_s: from then to the last mini-batch.
    worker_bytes: the most memory of one worker; memory_bytes: of all, at most (what they share is counted for each).
    node_seconds: instances times duration; cpu_seconds: of all `run()` together. failing_items: that are expected.
    """

    items: int
    size_bytes: int
    mini_batches: int
    sample_items: int
    instances: int
    workers: int
    duration_s: float
    low_s: float
    high_s: float
    start_s: float
    scoring_s: float
    items_per_s: float
    cpu_seconds: float
    node_seconds: float
    worker_bytes: int
    memory_bytes: int
    free_bytes: int
    output_bytes: int
    failing_items: int
    notes: tuple[str, ...] = ()


def estimate(calibration: Calibration, settings: ExecutionSettings) -> Estimate | None:
    """Reckon what a job with these settings takes; None when nothing of the sample could be scored."""
    sizes = sizes_of(calibration)
    if not sizes or not calibration.items:
        return None
    run_items = min(sizes, key=lambda size: abs(math.log(size / settings.mini_batch_size)))
    costs = input_costs(calibration, run_items, attempts=settings.retry.max_retries + 1)
    if costs is None:
        return None
    workers = settings.instance_count * settings.max_concurrency_per_instance
    start_s = start_seconds(calibration, workers)
    scoring_s = scoring_seconds(calibration, costs, workers)
    duration_s = duration_seconds(calibration, costs, workers)
    error = min(0.9, _DEVIATIONS * max(costs.error, _LEAST_ERROR))
    return Estimate(
        items=calibration.items,
        size_bytes=calibration.size_bytes,
        mini_batches=calibration.mini_batches,
        sample_items=calibration.sample_items,
        instances=settings.instance_count,
        workers=workers,
        duration_s=duration_s,
        low_s=duration_s - scoring_s * error,
        high_s=duration_s + scoring_s * error,
        start_s=start_s,
        scoring_s=scoring_s,
        items_per_s=calibration.items / scoring_s if scoring_s else 0.0,
        cpu_seconds=costs.cpu_seconds,
        node_seconds=settings.instance_count * duration_s,
        worker_bytes=max(costs.peak_bytes, calibration.peak_bytes),
        memory_bytes=workers * max(costs.peak_bytes, calibration.peak_bytes),
        free_bytes=calibration.memory_bytes,
        output_bytes=round(costs.output_bytes),
        failing_items=round(costs.failing_share * calibration.items),
        notes=tuple(_notes(calibration, settings, costs, scoring_s, workers)),
    )


def duration_seconds(calibration: Calibration, costs: InputCosts, workers: int) -> float:
    """Give how long a job takes from invoke to its end: workers start while the input is listed."""
    before_s = max(calibration.list_seconds, start_seconds(calibration, workers))
    return FIXED_S + before_s + scoring_seconds(calibration, costs, workers) + costs.output_bytes / _PUBLISHED_BYTES_S


def start_seconds(calibration: Calibration, workers: int) -> float:
    """Give how long so many workers take to start beside each other: the processor's part of it is shared."""
    starts = [start for start in calibration.starts if start.failure is None]
    busy = max((start.cpu_seconds / start.seconds for start in starts if start.seconds > 0), default=0.0)
    return calibration.start_seconds * _slower(calibration, busy, workers)


def scoring_seconds(calibration: Calibration, costs: InputCosts, workers: int) -> float:
    """Give the time from the first `run()` to the last end, with so many workers."""
    busy = costs.cpu_seconds / costs.seconds if costs.seconds else 0.0
    slower = _slower(calibration, busy, min(workers, calibration.mini_batches))
    # The last runs of a sample have the cores for themselves; a job's have not.
    return costs.warm_up_s + max(slower * _makespan(costs, workers), costs.cpu_seconds / calibration.cores)


def _slower(calibration: Calibration, busy: float, workers: int) -> float:
    """Give by what factor each `run()` takes longer beside `workers` than it did in the sample.

    busy: the share of its time in which a run keeps a core busy (above 1 with threads). All cores together give each
    second a second of each; a sample that had used them up is taken for one that would be busy all the time.
    """
    if calibration.concurrency * busy >= _BUSY_SHARE * calibration.cores:
        busy = max(1.0, busy)
    sampled = max(1.0, calibration.concurrency * busy / calibration.cores)
    return max(1.0, workers * busy / calibration.cores) / sampled


def _makespan(costs: InputCosts, workers: int) -> float:
    """Give how long the mini-batches take with so many workers, each taking the next one when it is free."""
    count = sum(weight for _, _, weight in costs.shape)
    if count > _MOST_LAID_OUT or not costs.shape:
        return costs.seconds / workers + costs.longest_s / 2
    free_at = [0.0] * workers
    scale = 1.0
    laid_out = list(_laid_out(costs))
    if laid_out:
        scale = costs.seconds / max(sum(laid_out), 1e-12)
    for seconds in laid_out:
        heapq.heapreplace(free_at, free_at[0] + seconds * scale)
    return max(free_at)


def _laid_out(costs: InputCosts) -> Iterable[float]:
    """Give the seconds of each mini-batch in the order of the listing, as far as the sample knows it."""
    due = 0.0
    for _, seconds, weight in costs.shape:
        due += weight
        whole = round(due)
        due -= whole
        yield from (seconds for _ in range(whole))


def _notes(
    calibration: Calibration, settings: ExecutionSettings, costs: InputCosts, scoring_s: float, workers: int
) -> Iterable[str]:
    if calibration.is_cut_short:
        yield "The time for the sample ran out before all of it was scored; a larger limit would tell more."
    if workers * max(costs.peak_bytes, calibration.peak_bytes) > calibration.memory_bytes > 0:
        yield "The workers may need more memory than is free: use fewer, or smaller mini-batches."
    if costs.failing_share:
        tries = settings.retry.max_retries + 1
        yield f"{costs.failing_share:.1%} of the items are expected to fail, each after {tries} tries."
    if costs.longest_s > settings.retry.timeout_s / 2:
        limit = f"{settings.retry.timeout_s:g} s that retry_settings.timeout allows"
        yield f"A mini-batch took {costs.longest_s:.1f} s of the {limit}."
    if settings.max_duration_s is not None and scoring_s > settings.max_duration_s:
        yield f"The job would end at its max_duration of {settings.max_duration_s:g} s, before it is done."
