"""The scoring state machine under any interleaving of workers, deaths and take-overs: simulated, from seeds."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CutOff,
    Durable,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    TakeBack,
    TakenBack,
    Tick,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, Planned, Record, Verdict
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally


def segment(worker: Worker, mini_batch: int, cut: Cut) -> Segment:
    items = cut.items_in(mini_batch, 1)
    return Segment(mini_batch, f"1-{worker.name}.part", 0, (2,), 0, items, items)


class Cluster:
    """Simulated workers under a seed: they score, fail, die, are taken back or cut off; owners die and fold the ledger
    again."""

    def __init__(
        self, seed: int, *, items: int, size: int, slots: int, retries: int, is_speculative: bool = False
    ) -> None:
        self.random = random.Random(seed)
        self.cut = Cut(items, size)
        self.rules = Rules(
            self.cut,
            retries + 1,
            -1,
            one_by_one=False,
            slots=slots,
            is_speculative=is_speculative,
            no_progress_timeout_s=10**9,
        )
        self.ledger: list[Record] = [Planned(items, size, "0" * 64, 0.0)]
        self.starts = 0
        self.cut_off: set[Worker] = set()
        self.doubled = 0

    def run(self) -> Tally:
        for _ in range(200):
            tally = Tally()
            for record in self.ledger:
                tally.apply(record)
            if self.owner(Scoring(self.rules, tally)):
                final = Tally()
                for record in self.ledger:
                    final.apply(record)
                return final
        raise AssertionError("no owner finished")

    def owner(self, state: Scoring) -> bool:
        """Drive until over (True) or until this owner dies (False), losing what was not durable."""
        self.state, self.inflight, self.pending = state, {}, []
        self.starting: list[Worker] = []
        self.blocked: dict[Worker, set[int]] = {}
        for slot in range(self.rules.slots):
            self.start("n0", slot)
        self.carry_out(state.begin())
        while not state.is_over:
            if self.random.random() < 0.003:
                return False
            self.step()
        return True

    def start(self, node: str, slot: int) -> None:
        self.starting.append(Worker(node, slot, self.starts))
        self.starts += 1

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Append):
                self.pending += instruction.records
            elif isinstance(instruction, Assign):
                assert len(self.inflight[instruction.worker]) < 2
                assert instruction.worker not in self.cut_off, "a worker that is being ended gets a lease"
                self.note_double(instruction.lease)
                self.inflight[instruction.worker].append(instruction.lease)
            elif isinstance(instruction, CutOff):
                self.cut_off.add(instruction.worker)
            elif isinstance(instruction, Restart):
                self.start(instruction.node, instruction.slot)
            elif isinstance(instruction, TakeBack):
                self.take_back(instruction.worker)

    def note_double(self, lease: Lease) -> None:
        """Count the leases of what somebody else runs; never three at a time, and only of one attempt."""
        others = [
            other
            for worker, leases in self.inflight.items()
            for other in leases
            if worker not in self.cut_off
            and lease.first in self.mine(worker, other)
            and lease.first + lease.count <= other.first + other.count
        ]
        assert len(others) <= 1
        assert all(self.rules.is_speculative and other.attempt == lease.attempt for other in others)
        self.doubled += len(others)

    def mine(self, worker: Worker, lease: Lease) -> list[int]:
        """The mini-batches of a lease that were not taken back."""
        blocked = self.blocked.get(worker, set())
        return [m for m in range(lease.first, lease.first + lease.count) if m not in blocked]

    def take_back(self, worker: Worker) -> None:
        """The first mini-batch of the first lease may run; some of the rest is surely not started."""
        for at, lease in enumerate(list(self.inflight[worker])):
            first = lease.first + (self.random.randint(1, lease.count) if at == 0 else 0)
            if first < lease.first + lease.count:
                self.blocked.setdefault(worker, set()).update(range(first, lease.first + lease.count))
                event = TakenBack(worker, lease.id, first, lease.first + lease.count - first)
                self.carry_out(self.state.handle(event))

    def step(self) -> None:
        choice = self.random.random()
        if choice < 0.3 and self.pending:
            n = self.random.randint(1, len(self.pending))
            durable, self.pending = tuple(self.pending[:n]), self.pending[n:]
            self.ledger += durable
            self.carry_out(self.state.handle(Durable(durable)))
        elif choice < 0.35:
            self.carry_out(self.state.handle(Tick(0.9)))
        elif choice < 0.5 and self.starting:
            worker = self.starting.pop(self.random.randrange(len(self.starting)))
            self.inflight[worker] = []
            self.carry_out(self.state.handle(WorkerReady(worker, 0.1)))
        else:
            busy = [w for w, leases in self.inflight.items() if leases or w in self.cut_off]
            assert busy or self.pending or self.starting, "nothing runs, starts or waits for the disk: it hangs"
            worker = self.random.choice(busy) if busy else None
            if worker is not None and worker.slot == 0 and self.random.random() < 0.8:
                self.carry_out(self.state.handle(Tick(0.5)))  # This slot's workers are slow: others will be idle.
            elif worker is not None:
                self.work(worker)

    def end_cut_off(self, worker: Worker) -> None:
        """A worker that is being ended may still tell what it had done; then it is gone, in the middle of anything."""
        leases = self.inflight[worker]
        if leases and self.random.random() < 0.5:
            self.report(worker)
        else:
            self.inflight.pop(worker)
            self.blocked.pop(worker, None)
            self.cut_off.discard(worker)
            victim = Failure(leases[0].first, ErrorClass.SCRIPT, "Killed", "signal 9") if leases else None
            self.carry_out(self.state.handle(WorkerEnded(worker, victim)))

    def work(self, worker: Worker) -> None:
        if worker in self.cut_off:
            self.end_cut_off(worker)
            return
        lease = self.inflight[worker][0]
        mine = self.mine(worker, lease)
        if mine and self.random.random() < 0.05:
            del self.inflight[worker]
            self.blocked.pop(worker, None)
            victim = Failure(self.random.choice(mine), ErrorClass.SCRIPT, "Killed", "signal 9")
            self.carry_out(self.state.handle(WorkerEnded(worker, victim)))
            return
        self.report(worker)

    def report(self, worker: Worker) -> None:
        lease = self.inflight[worker].pop(0)
        mine = self.mine(worker, lease)
        segments, failures = [], []
        for mini_batch in mine:
            if self.random.random() < 0.1:
                failures.append(Failure(mini_batch, ErrorClass.SCRIPT, "ValueError", "bad"))
            else:
                segments.append(segment(worker, mini_batch, self.cut))
        event = LeaseReported(worker, lease.id, tuple(segments), tuple(failures), 0.00001 * len(mine))
        self.carry_out(self.state.handle(event))
        if not self.inflight[worker]:
            self.blocked.pop(worker, None)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    items=st.integers(1, 300),
    size=st.integers(1, 7),
    slots=st.integers(1, 5),
    retries=st.integers(0, 3),
    is_speculative=st.booleans(),
)
def test_any_interleaving_settles_every_mini_batch_exactly_once(
    seed: int, items: int, size: int, slots: int, retries: int, is_speculative: bool
) -> None:
    cluster = Cluster(seed, items=items, size=size, slots=slots, retries=retries, is_speculative=is_speculative)
    tally = cluster.run()
    settled: Counter[int] = Counter()
    attempts: Counter[int] = Counter()
    for record in cluster.ledger:
        if isinstance(record, Committed):
            settled.update(range(record.first, record.stop))
        elif isinstance(record, FailedItems):
            settled[record.mini_batch] += 1
        elif isinstance(record, AttemptFailed):
            attempts[record.mini_batch] += 1
    assert settled == Counter(range(cluster.cut.mini_batches))
    assert all(n <= retries + 1 for n in attempts.values())
    counts = tally.counts
    assert counts.succeeded + counts.failed == counts.items == items
    assert counts.incomplete == 0
    assert isinstance(cluster.ledger[-1], Verdict)


def test_the_simulation_does_lease_stragglers_twice() -> None:
    clusters = [Cluster(seed, items=20, size=1, slots=4, retries=1, is_speculative=True) for seed in range(20)]
    for cluster in clusters:
        cluster.run()
    assert sum(cluster.doubled for cluster in clusters) > 10
