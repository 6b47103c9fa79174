"""Ten million mini-batches through the state machine and a ledger on disk, with a simulated instance: no scripts."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchyard.bootstrap.faults import make_faults
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    Durable,
    Event,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.engine.ledger_file import LedgerFile, extents, records

MINI_BATCHES = 10_000_000
_FAILS_ONCE = 100_003  # Every so-many-th mini-batch fails the first time it is tried.
_KILLS = 50_000  # After so many leases a worker dies in the middle of one.


class SimulatedInstance:
    """Workers that finish their leases in turns, at once. run_s: what they claim each mini-batch took."""

    def __init__(self, slots: int, *, run_s: float) -> None:
        self._run_s = run_s
        self._leases: dict[Worker, deque[Lease]] = {}
        self._coming: deque[Event] = deque()
        self._starts = self._done = 0
        for slot in range(slots):
            self.restart("n0", slot)

    def restart(self, node: str, slot: int) -> None:
        self._starts += 1
        worker = Worker(node, slot, self._starts)
        self._leases[worker] = deque()
        self._coming.append(WorkerReady(worker, 0.0))

    def assign(self, worker: Worker, lease: Lease) -> None:
        self._leases[worker].append(lease)

    def events(self) -> Iterator[Event]:
        """Give what happens next, one event of each worker."""
        while self._coming:
            yield self._coming.popleft()
        for worker in list(self._leases):
            if self._leases.get(worker):
                yield self._next(worker)

    def _next(self, worker: Worker) -> Event:
        self._done += 1
        lease = self._leases[worker][0]
        if self._done % _KILLS == 0:
            del self._leases[worker]
            return WorkerEnded(worker, Failure(lease.first, ErrorClass.SCRIPT, "Killed", "killed by signal 9"))
        self._leases[worker].popleft()
        return _report(worker, lease, run_s=self._run_s)


def _report(worker: Worker, lease: Lease, *, run_s: float) -> LeaseReported:
    segments, failures, first = [], [], lease.first
    for mini_batch in range(lease.first, lease.first + lease.count):
        if mini_batch % _FAILS_ONCE == 0 and lease.attempt == 1:
            failures.append(Failure(mini_batch, ErrorClass.SCRIPT, "ValueError", "the first time"))
            segments += [_segment(worker, first, mini_batch - first)] if mini_batch > first else []
            first = mini_batch + 1
    if first < lease.first + lease.count:
        segments.append(_segment(worker, first, lease.first + lease.count - first))
    return LeaseReported(worker, lease.id, tuple(segments), tuple(failures), run_s * lease.count)


def _segment(worker: Worker, first: int, count: int) -> Segment:
    return Segment(first, f"1-{worker.name}.part", 0, (0,) * count, 0, rows=count, succeeded=count)


def _resident_mb() -> float:
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(900)
@pytest.mark.parametrize("run_s", [2e-6, 4e-4], ids=["leases of thousands", "leases of ten"])
def test_memory_stays_flat_over_ten_million_mini_batches(tmp_path: Path, run_s: float) -> None:
    home = LocalJobHomes(tmp_path).open("job")
    ledger = LedgerFile(home, 1, faults=make_faults("", ""), check=lambda: None)
    ledger.write(Planned(MINI_BATCHES, 1, "0" * 64, 0.0, "listing/1"))
    rules = Rules(Cut(MINI_BATCHES, 1), max_attempts=3, error_threshold=-1, one_by_one=False, slots=4)
    state, instance = Scoring(rules, ledger.tally), SimulatedInstance(rules.slots, run_s=run_s)
    began, sizes = time.monotonic(), [_resident_mb()]

    def carry_out(instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Assign):
                instance.assign(instruction.worker, instruction.lease)
            elif isinstance(instruction, Append):
                ledger.append(instruction.records, now=time.monotonic())
            elif isinstance(instruction, Restart):
                instance.restart(instruction.node, instruction.slot)

    carry_out(state.begin())
    while not state.is_over:
        for event in instance.events():
            carry_out(state.handle(event))
        if ledger.is_due(now=time.monotonic(), is_idle=state.is_idle):
            carry_out(state.handle(Durable(ledger.sync(lambda parts: None))))
            if state.tally.counts.mini_batches_done >= len(sizes) * MINI_BATCHES // 10:
                sizes.append(_resident_mb())
    ledger.close()

    took_s = time.monotonic() - began
    print(f"\n{took_s:.0f} s, {took_s / MINI_BATCHES * 1e6:.2f} µs a mini-batch; MB at each tenth: {sizes}")
    assert state.tally.counts.succeeded == state.tally.counts.mini_batches_succeeded == MINI_BATCHES
    assert state.tally.counts.failed == 0
    assert sum(len(r.lengths) for r in records(home, extents(home)) if hasattr(r, "lengths")) == MINI_BATCHES
    assert max(sizes[len(sizes) // 2 :]) - max(sizes[: len(sizes) // 2]) < 5
