"""Calibrating: a sample of the input scored by real workers, each run() measured, and nothing kept of it.

No job, no output, no ledger: whatever ends this process, whoever comes after clears its folder and begins anew.
"""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from batchyard.control import calibrations
from batchyard.domain.deployments import OutputAction
from batchyard.domain.errors import CallerError, PlatformError, SandboxUnavailable
from batchyard.domain.forecast.calibration import Calibration, CalibrationSpec, SampledRun, SampledStart, SampleFailure
from batchyard.domain.job_specs import InputKind
from batchyard.domain.scoring.events import (
    Failure,
    InstanceEvent,
    Lease,
    LeaseReported,
    Worker,
    WorkerEnded,
    WorkerReady,
    WritesFailed,
)
from batchyard.engine.prepare import copy_writable, row_plan
from batchyard.engine.rooms import Rooms
from batchyard.engine.sample import Portion, Sample, take_sample, write_sample
from batchyard.engine.scratch import scratch_of
from batchyard.ports.instance import Instances, WorkerPlan
from batchyard.ports.records import Operation
from batchyard.ports.web import is_web

log = logging.getLogger(__name__)

_POLL_S = 0.05
# After so many workers that died, the next one is not going to tell more.
_MOST_RESTARTS = 3
_MOST_LOOKED_AT = 1000
_MOST_STDERR_BYTES = 4000


def calibrate(rooms: Rooms, operation: Operation, spec: CalibrationSpec) -> None:
    """Take a claimed calibration to its end: Succeeded with what it told, failures of the script included, or Failed.

    Raises: LeaseLost; PlatformError, after which it is tried again.
    """
    try:
        with scratch_of(rooms, operation.id) as scratch:
            told = measure(rooms, spec, scratch, name=f"calibration-{operation.id}")
    except (CallerError, SandboxUnavailable) as exc:
        with rooms.records.writing() as tx:
            calibrations.fail(tx, operation, code=exc.code, message=str(exc), now=rooms.now())
        return
    with rooms.records.writing() as tx:
        calibrations.complete(tx, operation, told, now=rooms.now())
    log.info("calibrated", extra={"operation": operation.id, "runs": len(told.runs)})


def measure(rooms: Rooms, spec: CalibrationSpec, scratch: Path, *, name: str) -> Calibration:
    """Score a sample and tell what it took. scratch: an empty folder, of which the caller keeps nothing.

    Raises: InvalidInput, NotFound for an input that cannot be read; PlatformError; OSError.
    """
    began, settings = rooms.monotonic(), spec.settings
    source = _source(rooms, spec, scratch)
    is_file = spec.source.kind is InputKind.FILE
    sample = take_sample(source, is_file=is_file, settings=settings, wish=spec.wish, folder=scratch)
    list_s = rooms.monotonic() - began
    told = Calibration(
        items=sample.items,
        size_bytes=sample.size_bytes,
        mini_batches=sample.mini_batches,
        workers=spec.wish.workers,
        list_seconds=list_s,
        seconds=list_s,
        is_size_estimated=sample.is_size_estimated,
        skipped=sample.skipped,
    )
    if not sample.portions:
        return told
    plan = _plan(rooms, spec, source, scratch, name)
    instances = rooms.make_instances(plan)
    is_early = True
    try:
        capacity = instances.capacity()
        told = replace(told, cores=capacity.cores, memory_bytes=capacity.memory_bytes)
        if settings.input_contract is not None:
            told = _held_against_contract(told, instances, sample)
            if told.unfit and spec.wish.refuses_unfit:
                return replace(told, seconds=rooms.monotonic() - began)
        instances.start()
        instances.open_listing(write_sample(sample, scratch))
        watch = _Watch(instances, sample, plan, time_limit_s=spec.wish.time_limit_s, monotonic=rooms.monotonic)
        watch.score()
        is_early = watch.is_busy
    finally:
        instances.close(is_early=is_early)
    return replace(
        told,
        runs=tuple(watch.runs),
        starts=tuple(watch.starts),
        is_cut_short=watch.is_cut_short,
        seconds=rooms.monotonic() - began,
    )


def _held_against_contract(told: Calibration, instances: Instances, sample: Sample) -> Calibration:
    """Look at more items than are scored, as that is cheap: evenly over the input, and at those of the sample."""
    positions = set(range(0, sample.items, max(1, sample.items // _MOST_LOOKED_AT)))
    for portion in sample.portions:
        one = portion.chosen.candidate
        positions.update(range(one.first, one.first + one.items))
    paths = sample.paths(sorted(positions))
    return replace(told, unfit=tuple(instances.check_items(paths)), looked_at=len(paths))


def _source(rooms: Rooms, spec: CalibrationSpec, scratch: Path) -> Path:
    if not is_web(spec.source.uri):
        return rooms.datastores.input_path(spec.source)
    folder = scratch / "input"
    folder.mkdir()
    return rooms.web.fetch(spec.source.uri, folder, meanwhile=lambda: None)


def _plan(rooms: Rooms, spec: CalibrationSpec, source: Path, scratch: Path, name: str) -> WorkerPlan:
    """Say what the workers need: as for a job, but everything lies in the scratch folder. Raises: OSError."""
    settings, wish, code_dir = spec.settings, spec.wish, scratch / "code"
    shutil.copytree(rooms.sealed.path(spec.code_seal), code_dir, copy_function=copy_writable)
    return WorkerPlan(
        job=name,
        fence=1,
        nodes=1,
        slots=wish.workers,
        python=rooms.environments.python(spec.build),
        code_dir=code_dir,
        script=spec.scoring_script,
        model_dir=rooms.sealed.path(spec.model_seal),
        parts_dir=scratch / "parts",
        files_dir=scratch / "files",
        logs_dir=scratch / "logs",
        scratch_dir=scratch / "scratch-1",
        timeout_s=settings.retry.timeout_s,
        start_timeout_s=rooms.worker_start_timeout_s,
        writes_rows=settings.output_action is OutputAction.APPEND_ROW,
        rows=row_plan(settings, job=name, deployment_revision=spec.deployment_revision, model=None),
        logging_level=settings.logging_level.value,
        environment_variables={**settings.environment_variables, **wish.environment_variables},
        output_contract=settings.output_contract,
        input_contract=settings.input_contract,
        # As the workers of the job will share them, however few there are now.
        core_shares=max(wish.workers, settings.instance_count * settings.max_concurrency_per_instance),
        log_cap_bytes=rooms.log_cap_bytes,
        reads=(source, scratch),
    )


class _Watch:
    """Hands the sample out, one mini-batch at a time to each worker, and measures what comes of it."""

    def __init__(
        self,
        instances: Instances,
        sample: Sample,
        plan: WorkerPlan,
        *,
        time_limit_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        """instances: just started."""
        self._instances, self._sample, self._plan, self._monotonic = instances, sample, plan, monotonic
        self._time_limit_s = time_limit_s
        self._todo = deque(range(len(sample.portions)))
        self._begun_at = {("n0", slot): monotonic() for slot in range(plan.slots)}
        self._starting = plan.slots
        self._restarts = 0
        self._running: dict[Worker, tuple[int, float]] = {}
        self._cpu_s: dict[Worker, float] = {}
        self._scored: set[Worker] = set()
        self._first_ready: float | None = None
        self._leases = 0
        self.runs: list[SampledRun] = []
        self.starts: list[SampledStart] = []
        self.is_cut_short = False

    @property
    def is_busy(self) -> bool:
        """Whether a worker runs something, or is still starting."""
        return bool(self._running) or self._starting > 0

    def score(self) -> None:
        """Score the sample, as far as workers and time allow. Raises: PlatformError."""
        while self.is_busy and not self._is_past(2 * self._time_limit_s):
            for event in self._instances.poll(_POLL_S):
                self._take(event)
        self.is_cut_short = bool(self._todo) or self.is_busy

    def _is_past(self, limit_s: float) -> bool:
        return self._first_ready is not None and self._monotonic() - self._first_ready > limit_s

    def _take(self, event: InstanceEvent) -> None:
        if isinstance(event, WritesFailed):
            raise PlatformError(f"A worker could not write its rows: {event.message}")
        if isinstance(event, WorkerReady):
            self._ready(event.worker)
        elif isinstance(event, LeaseReported):
            self._reported(event)
        elif isinstance(event, WorkerEnded):
            self._ended(event)

    def _ready(self, worker: Worker) -> None:
        now, usage = self._monotonic(), self._instances.usage(worker)
        self._first_ready = now if self._first_ready is None else self._first_ready
        self._starting -= 1
        took_s = now - self._begun_at[worker.node, worker.slot]
        self.starts.append(SampledStart(worker.name, took_s, usage.cpu_s, usage.resident_bytes))
        self._cpu_s[worker] = usage.cpu_s
        self._assign(worker)

    def _assign(self, worker: Worker) -> None:
        if not self._todo or self._is_past(self._time_limit_s):
            return
        number = self._todo.popleft()
        self._leases += 1
        self._running[worker] = number, self._monotonic()
        self._instances.assign(worker, Lease(self._leases, number, 1))

    def _reported(self, event: LeaseReported) -> None:
        number, _ = self._running.pop(event.worker)
        failure = event.failures[0] if event.failures else None
        rows = sum(segment.rows for segment in event.segments)
        written = sum(sum(segment.lengths) for segment in event.segments)
        self._add(event.worker, number, event.seconds, failure, rows=rows, output_bytes=written)
        self._assign(event.worker)

    def _ended(self, event: WorkerEnded) -> None:
        """Take in that a worker is gone; a new one goes on where there is something left to learn."""
        worker = event.worker
        if event.start_failure is not None:
            self._starting -= 1
            took_s = self._monotonic() - self._begun_at[worker.node, worker.slot]
            failure = self._failure(worker, event.start_failure)
            self.starts.append(SampledStart(worker.name, took_s, 0.0, 0, failure))
            return
        if worker in self._running:
            number, since = self._running.pop(worker)
            if event.running is None:
                self._todo.appendleft(number)
            else:
                self._add(worker, number, self._monotonic() - since, event.running)
        if self._todo and self._restarts < _MOST_RESTARTS and not self._is_past(self._time_limit_s):
            self._restarts += 1
            self._starting += 1
            self._begun_at[worker.node, worker.slot] = self._monotonic()
            self._instances.restart(worker.node, worker.slot)

    def _add(
        self,
        worker: Worker,
        number: int,
        seconds: float,
        failure: Failure | None,
        *,
        rows: int = 0,
        output_bytes: int = 0,
    ) -> None:
        portion, usage = self._sample.portions[number], self._instances.usage(worker)
        one = portion.chosen.candidate
        self.runs.append(
            SampledRun(
                worker=worker.name,
                first=one.first,
                items=one.items,
                size_bytes=one.size_bytes,
                run_items=portion.run_items,
                seconds=seconds,
                cpu_seconds=max(0.0, usage.cpu_s - self._cpu_s[worker]),
                rows=rows,
                output_bytes=output_bytes,
                peak_bytes=usage.peak_bytes,
                is_first=worker not in self._scored,
                stands_for_items=portion.chosen.stands_for_items,
                stands_for_bytes=portion.chosen.stands_for_bytes,
                failure=None if failure is None else self._failure(worker, failure, portion),
            )
        )
        self._scored.add(worker)
        self._cpu_s[worker] = max(usage.cpu_s, self._cpu_s[worker])

    def _failure(self, worker: Worker, failure: Failure, portion: Portion | None = None) -> SampleFailure:
        """Give a failure with what the worker left of a trace: its logs are gone in a moment."""
        item = next(iter(self._sample.paths([portion.chosen.candidate.first]))) if portion is not None else ""
        stack = failure.stack.replace(f"{self._plan.code_dir}/", "") or self._last_of_stderr(worker)
        return SampleFailure(failure.error_class.value, failure.error, failure.message, stack, item)

    def _last_of_stderr(self, worker: Worker) -> str:
        path = self._plan.logs_dir / "user" / "stderr" / worker.node / f"{worker.name}.stderr.txt"
        try:
            with open(path, "rb") as stream:
                stream.seek(max(0, path.stat().st_size - _MOST_STDERR_BYTES))
                return stream.read().decode("utf-8", "replace")
        except OSError:
            return ""
