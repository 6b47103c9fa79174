"""The scoring state machine: single decisions, and any interleaving of workers, deaths and take-overs."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.ledger import AttemptFailed, Committed, FailedItems, Planned, Record, Verdict
from batchyard.domain.minibatches import Cut
from batchyard.domain.scoring import Rules, Scoring
from batchyard.domain.scoring_events import (
    Append,
    Assign,
    CancelRequested,
    CutOff,
    Durable,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    Stop,
    TakeBack,
    TakenBack,
    Tick,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.tally import Tally, job_error


def planned(items: int, size: int) -> Tally:
    tally = Tally()
    tally.apply(Planned(items, size, "0" * 64, 0.0))
    return tally


def rules(items: int, size: int = 1, *, retries: int = 0, threshold: int = -1, slots: int = 1) -> Rules:
    return Rules(Cut(items, size), retries + 1, threshold, one_by_one=True, slots=slots)


def done(worker: Worker, lease: Lease, cut: Cut) -> LeaseReported:
    return LeaseReported(worker, lease.id, (segment(worker, lease.first, lease.count, cut),), (), 0.001)


def segment(worker: Worker, first: int, count: int, cut: Cut) -> Segment:
    items = cut.items_in(first, count)
    return Segment(first, f"1-{worker.name}.part", 0, tuple([2] * count), 0, items, items)


def failed(worker: Worker, lease: Lease, error_class: ErrorClass = ErrorClass.SCRIPT) -> LeaseReported:
    failure = Failure(lease.first, error_class, "ValueError", "no", "stack")
    return LeaseReported(worker, lease.id, (), (failure,), 0.001)


class Bench:
    """One worker and a ledger that is durable at once: enough for single decisions."""

    def __init__(self, rules: Rules, tally: Tally | None = None) -> None:
        self.cut = rules.cut
        self.state = Scoring(rules, tally or planned(rules.cut.items, rules.cut.size))
        self.records: list[Record] = []
        self.assigned: list[Lease] = []
        self.other: list[Instruction] = []
        self.worker = Worker("n0", 0, 0)
        self.take(self.state.begin())

    def ready(self) -> None:
        self.take(self.state.handle(WorkerReady(self.worker, 0.0)))

    def take(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Append):
                self.records += instruction.records
                self.take(self.state.handle(Durable(instruction.records)))
            elif isinstance(instruction, Assign):
                self.assigned.append(instruction.lease)
            else:
                self.other.append(instruction)

    def fail_next(self) -> None:
        self.take(self.state.handle(failed(self.worker, self.assigned.pop(0))))

    def score_next(self) -> None:
        self.take(self.state.handle(done(self.worker, self.assigned.pop(0), self.cut)))

    @property
    def verdict(self) -> Verdict | None:
        return self.state.tally.verdict


def test_a_retry_keeps_the_rows_of_its_first_success() -> None:
    bench = Bench(rules(1, retries=2))
    bench.ready()
    bench.fail_next()
    bench.score_next()
    assert [type(r) for r in bench.records] == [AttemptFailed, Committed, Verdict]
    assert bench.verdict == Verdict("Completed")
    assert bench.state.tally.counts.attempts == 2


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_n_retries_are_n_plus_one_attempts(retries: int) -> None:
    bench = Bench(rules(2, retries=retries))
    bench.ready()
    bench.score_next()
    for _ in range(retries + 1):
        assert bench.verdict is None
        bench.fail_next()
    assert bench.verdict == Verdict("Completed")
    assert [r.attempts for r in bench.records if isinstance(r, FailedItems)] == [retries + 1]


@pytest.mark.parametrize(("failures", "status"), [(2, "Completed"), (3, "Failed")])
def test_a_threshold_of_two_tolerates_two_failed_items_and_not_three(failures: int, status: str) -> None:
    bench = Bench(rules(10, threshold=2))
    bench.ready()
    for _ in range(failures):
        bench.fail_next()
    while bench.verdict is None:
        bench.score_next()
    assert bench.verdict.status == status
    counts = bench.state.tally.counts
    assert counts.succeeded + counts.failed + counts.skipped + counts.incomplete == 10


def test_a_retried_failure_does_not_count_against_the_threshold() -> None:
    bench = Bench(rules(2, retries=1, threshold=0))
    bench.ready()
    bench.fail_next()
    while bench.verdict is None:
        bench.score_next()
    assert bench.verdict == Verdict("Completed")


def test_a_job_without_any_success_fails_even_when_every_failure_is_tolerated() -> None:
    bench = Bench(rules(2, threshold=-1))
    bench.ready()
    bench.fail_next()
    bench.fail_next()
    assert bench.verdict is not None
    assert (bench.verdict.status, bench.verdict.code) == ("Failed", "NoItemSucceeded")
    error = job_error(bench.state.tally, item_names={0: "a.csv"})
    assert error is not None
    assert (error.item, error.position, error.exception) == ("a.csv", 0, "ValueError: no")


def test_the_mini_batch_that_ran_when_its_worker_died_is_charged_and_the_others_are_not() -> None:
    bench = Bench(rules(4, retries=1))
    bench.ready()
    bench.score_next()
    first, second = bench.assigned
    ended = WorkerEnded(bench.worker, Failure(first.first, ErrorClass.TIMEOUT, "Timeout", "30 s"))
    bench.take(bench.state.handle(ended))
    charged = [r.mini_batch for r in bench.records if isinstance(r, AttemptFailed)]
    assert charged == [first.first]
    assert bench.other == [Restart("n0", 0)]
    bench.assigned.clear()
    bench.worker = Worker("n0", 0, 1)
    bench.ready()
    assert bench.assigned[0] == Lease(bench.assigned[0].id, first.first, 1, 2)
    while bench.verdict is None:
        bench.score_next()
    assert second.first in {m for r in bench.records if isinstance(r, Committed) for m in range(r.first, r.stop)}


def test_a_retry_after_a_timeout_waits_for_a_fresh_worker() -> None:
    bench = Bench(rules(3, retries=1, slots=2))
    bench.ready()
    other = Worker("n0", 1, 1)
    bench.take(bench.state.handle(WorkerReady(other, 0.0)))
    first, second = bench.assigned[0], bench.assigned[1]
    bench.assigned.clear()
    bench.take(
        bench.state.handle(WorkerEnded(bench.worker, Failure(first.first, ErrorClass.TIMEOUT, "Timeout", "30 s")))
    )
    bench.take(bench.state.handle(done(other, second, bench.cut)))
    assert first.first not in [lease.first for lease in bench.assigned]
    bench.worker = Worker("n0", 0, 2)
    bench.ready()
    assert first.first in [lease.first for lease in bench.assigned]


def test_a_fresh_worker_takes_the_retry_that_only_it_may_take_before_the_others() -> None:
    """Another retry waits before it in the queue: taking that one first would leave nobody for it, for ever."""
    bench = Bench(rules(3, retries=2))
    bench.ready()
    bench.score_next()
    bench.fail_next()
    running, retry = bench.assigned
    assert (running.attempt, retry.attempt) == (1, 2)
    ended = WorkerEnded(bench.worker, Failure(running.first, ErrorClass.TIMEOUT, "Timeout", "30 s"))
    bench.take(bench.state.handle(ended))
    bench.assigned.clear()
    bench.worker = Worker("n0", 0, 1)
    bench.ready()
    while bench.verdict is None:
        assert bench.assigned, "the job hangs: nothing is handed out and nothing runs"
        bench.score_next()
    assert bench.state.tally.counts.succeeded == 3


def test_a_slot_that_cannot_start_three_times_ends_the_job_and_charges_nobody() -> None:
    bench = Bench(rules(5, retries=3))
    for start in range(3):
        worker = Worker("n0", 0, start)
        failure = Failure(-1, ErrorClass.SCRIPT, "ImportError", "no module", "stack")
        bench.take(bench.state.handle(WorkerEnded(worker, start_failure=failure)))
    assert bench.verdict is not None
    assert (bench.verdict.status, bench.verdict.code) == ("Failed", "ScriptStartFailed")
    assert bench.state.tally.counts.failed == 0
    assert bench.state.tally.counts.incomplete == 5


def test_workers_that_keep_ending_before_any_work_end_the_job_and_charge_nobody() -> None:
    bench = Bench(rules(5, retries=3))
    for start in range(10):
        assert bench.verdict is None
        bench.worker = Worker("n0", 0, start)
        bench.ready()
        bench.take(bench.state.handle(WorkerEnded(bench.worker)))
    assert bench.verdict is not None
    assert bench.verdict.code == "WorkersKeepEnding"
    assert bench.state.tally.counts.failed == 0


def test_a_cancel_ends_the_job_and_later_reports_change_nothing() -> None:
    bench = Bench(rules(5))
    bench.ready()
    lease = bench.assigned[0]
    bench.take(bench.state.handle(CancelRequested()))
    before = list(bench.records)
    bench.take(bench.state.handle(done(bench.worker, lease, bench.cut)))
    assert bench.records == before
    assert bench.verdict is not None
    assert bench.verdict.status == "Canceled"
    assert Stop(is_early=True) in bench.other


def test_a_new_owner_gives_up_what_had_used_its_attempts_and_retries_the_rest() -> None:
    tally = planned(3, 1)
    tally.apply(AttemptFailed(0, 2, "script", "E", "m", "s", "n0-s0-0"))
    tally.apply(AttemptFailed(1, 1, "script", "E", "m", "s", "n0-s0-0"))
    bench = Bench(rules(3, retries=1), tally)
    assert [r.mini_batch for r in bench.records if isinstance(r, FailedItems)] == [0]
    bench.ready()
    assert (bench.assigned[0].first, bench.assigned[0].attempt) == (1, 2)


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
                segments.append(segment(worker, mini_batch, 1, self.cut))
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


@pytest.mark.parametrize(
    ("stack", "log"),
    [("Traceback …", "logs/user/error/n0/n0-s1-4.txt"), ("", "logs/user/stderr/n0/n0-s1-4.stderr.txt")],
)
def test_a_failed_job_names_the_log_that_exists(stack: str, log: str) -> None:
    tally = planned(1, 1)
    tally.apply(AttemptFailed(0, 1, "timeout", "TimeoutError", "30 s", stack, "n0-s1-4"))
    tally.apply(Verdict("Failed", "ErrorThresholdExceeded", "1 items failed"))
    error = job_error(tally)
    assert error is not None
    assert error.log == log
