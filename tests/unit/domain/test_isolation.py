"""Bisecting: what is found, what it costs, and that any interleaving settles every item exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace

import pytest
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
from batchyard.domain.scoring.ledger import (
    AttemptFailed,
    Committed,
    FailedItems,
    Lost,
    Planned,
    Record,
    Slice,
    Split,
    Verdict,
)
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally, first_failing_position


class Script:
    """A pretended script: which of its calls ends how. calls: the slices of the mini-batches it was run on.

    bad: positions whose run() raises. short: positions that get no row. holds: items of one run() that memory is for;
    large: positions for which it never is.
    """

    def __init__(
        self,
        bad: Set[int] = frozenset(),
        short: Set[int] = frozenset(),
        *,
        holds: int = 1000,
        large: Set[int] = frozenset(),
    ) -> None:
        self.bad, self.short, self.holds, self.large = bad, short, holds, large
        self.out_of_memory = 0
        self.calls: list[tuple[int, Slice | None]] = []

    def run(self, worker: Worker, lease: Lease, cut: Cut, first: int) -> Segment | Failure:
        self.calls.append((first, lease.items))
        start, stop = positions(cut, first, lease.items)
        given = min(lease.run_items or stop - start, stop - start)
        if given > self.holds or any(start <= at < stop for at in self.large):
            self.out_of_memory += 1
            return Failure(first, ErrorClass.MEMORY, "MemoryError", "no room", "stack")
        if any(start <= at < stop for at in self.bad):
            return Failure(first, ErrorClass.SCRIPT, "ValueError", f"no {start}", "stack")
        rows = sum(at not in self.short for at in range(start, stop))
        missing = ((first, stop - start - rows),) if rows < stop - start else ()
        return Segment(first, f"1-{worker.name}.part", 0, (2 * rows,), 0, rows, rows, missing)


def run_each(script: Script, worker: Worker, lease: Lease, cut: Cut, mine: list[int]) -> list[Segment | Failure]:
    """Run each mini-batch, up to one for which memory does not suffice: that ends the worker."""
    found: list[Segment | Failure] = []
    for mini_batch in mine:
        found.append(script.run(worker, lease, cut, mini_batch))
        if is_spent(found[-1:]):
            break
    return found


def is_spent(results: Sequence[Segment | Failure]) -> bool:
    return any(isinstance(result, Failure) and result.error_class is ErrorClass.MEMORY for result in results)


def positions(cut: Cut, mini_batch: int, items: Slice | None) -> tuple[int, int]:
    first, stop = cut.bounds(mini_batch)
    return (first + items[0], first + items[1]) if items else (first, stop)


def rules(
    items: int, size: int, *, retries: int = 0, threshold: int = -1, slots: int = 1, is_on: bool = True, **more: int
) -> Rules:
    cut = Cut(items, size)
    return Rules(cut, retries + 1, threshold, False, slots, isolates=is_on, isolates_short=is_on, **more)


def planned(cut: Cut) -> Tally:
    tally = Tally()
    tally.apply(Planned(cut.items, cut.size, "0" * 64, 0.0))
    return tally


def folded(records: list[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.apply(record)
    return tally


def lost(record: Committed) -> Lost:
    return Lost(
        first=record.first,
        mini_batches=len(record.lengths),
        part=record.part,
        offset=record.offset,
        rows=record.rows,
        succeeded=record.succeeded,
        short_items=sum(missing for _, missing in record.short),
        short_mini_batches=len(record.short),
        attempt=record.attempt,
        items=record.items,
    )


class OneWorker:
    """A job on one worker, with a ledger that is durable at once."""

    def __init__(self, rules: Rules, script: Script, ledger: list[Record] | None = None) -> None:
        self.cut, self.script, self.worker = rules.cut, script, Worker("n0", 0, 0)
        self.ledger = ledger or [Planned(rules.cut.items, rules.cut.size, "0" * 64, 0.0)]
        self.state = Scoring(rules, folded(self.ledger))
        self.assigned: list[Lease] = []
        self.take(self.state.begin())
        self.take(self.state.handle(WorkerReady(self.worker, 0.0)))

    def take(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Append):
                self.ledger += instruction.records
                self.take(self.state.handle(Durable(instruction.records)))
            elif isinstance(instruction, Assign):
                self.assigned.append(instruction.lease)

    def step(self) -> None:
        assert self.assigned, "the job hangs: nothing is handed out and nothing runs"
        lease = self.assigned.pop(0)
        mine = list(range(lease.first, lease.first + lease.count))
        results = run_each(self.script, self.worker, lease, self.cut, mine)
        segments = tuple(result for result in results if isinstance(result, Segment))
        failures = tuple(result for result in results if isinstance(result, Failure))
        self.take(self.state.handle(LeaseReported(self.worker, lease.id, segments, failures, 0.001)))
        if is_spent(failures):
            self.replace_worker()

    def replace_worker(self) -> None:
        """The worker ends, as after a MemoryError; its other leases go back."""
        self.take(self.state.handle(WorkerEnded(self.worker)))
        self.assigned.clear()
        self.worker = Worker("n0", 0, self.worker.start + 1)
        self.take(self.state.handle(WorkerReady(self.worker, 0.0)))

    def run(self) -> Tally:
        while not self.state.is_over:
            self.step()
        return self.state.tally

    @property
    def failed(self) -> list[int]:
        given_up = [r for r in self.ledger if isinstance(r, FailedItems)]
        return sorted(at for r in given_up for at in range(*positions(self.cut, r.mini_batch, r.items)))


@pytest.mark.parametrize("bad", [0, 31, 32, 63])
def test_one_bad_item_of_64_costs_at_most_13_calls_and_fails_alone(bad: int) -> None:
    script = Script(bad={64 + bad})
    job = OneWorker(rules(64 * 3, 64), script)
    counts = job.run().counts
    assert job.failed == [64 + bad]
    assert (counts.succeeded, counts.failed, counts.incomplete) == (191, 1, 0)
    assert sum(mini_batch == 1 for mini_batch, _ in script.calls) <= 13
    assert (counts.mini_batches_succeeded, counts.mini_batches_failed) == (2, 1)


def test_three_bad_items_of_64_cost_at_most_37_calls_and_fail_alone() -> None:
    script = Script(bad={64 + 3, 64 + 30, 64 + 63})
    job = OneWorker(rules(128, 64), script)
    assert job.run().counts.succeeded == 125
    assert job.failed == [67, 94, 127]
    assert sum(mini_batch == 1 for mini_batch, _ in script.calls) <= 3 * 12 + 1


def test_an_isolated_item_fails_with_its_own_exception() -> None:
    job = OneWorker(rules(16, 8), Script(bad={13}))
    job.run()
    (given_up,) = [r for r in job.ledger if isinstance(r, FailedItems)]
    assert (given_up.items, given_up.count, given_up.message, given_up.attempts) == ((5, 6), 1, "no 13", 4)


def test_a_mini_batch_is_divided_only_when_its_tries_are_used_up() -> None:
    script = Script(bad={9})
    job = OneWorker(rules(16, 8, retries=2), script)
    job.run()
    assert [items for mini_batch, items in script.calls if mini_batch == 1][:4] == [None, None, None, (0, 4)]


def test_more_than_64_runs_of_parts_are_not_made_and_the_rest_fails() -> None:
    script = Script(bad=set(range(100, 200)))
    job = OneWorker(rules(200, 100), script)
    counts = job.run().counts
    assert sum(items is not None for _, items in script.calls) == 64
    assert (counts.succeeded, counts.failed) == (100, 100)


def test_nothing_is_divided_when_the_setting_is_off() -> None:
    script = Script(bad={9}, short={0})
    job = OneWorker(rules(16, 8, is_on=False), script)
    counts = job.run().counts
    assert all(items is None for _, items in script.calls)
    assert (counts.succeeded, counts.failed) == (7, 9)


@pytest.mark.parametrize("error_class", [ErrorClass.TIMEOUT, ErrorClass.SCRIPT])
def test_a_mini_batch_whose_worker_died_or_was_killed_is_not_divided(error_class: ErrorClass) -> None:
    script = Script(bad={9})
    job = OneWorker(rules(16, 8, retries=1), script)
    job.step()
    lease = job.assigned.pop(0)
    job.take(job.state.handle(WorkerEnded(job.worker, Failure(lease.first, error_class, "WorkerDied", "gone"))))
    job.worker = Worker("n0", 0, 1)
    job.assigned.clear()
    job.take(job.state.handle(WorkerReady(job.worker, 0.0)))
    counts = job.run().counts
    assert counts.failed == 8
    assert all(items is None for _, items in script.calls)


def test_a_script_that_fails_everything_costs_14_runs_more_whatever_the_input() -> None:
    script = Script(bad=set(range(640)))
    job = OneWorker(rules(640, 64), script)
    tally = job.run()
    assert tally.verdict is not None
    assert tally.verdict.code == "NoItemSucceeded"
    assert len(script.calls) == 10 + 14
    assert job.failed == list(range(640))


def test_a_job_of_one_mini_batch_isolates_its_bad_item() -> None:
    job = OneWorker(rules(8, 10), Script(bad={2}))
    tally = job.run()
    assert tally.verdict == Verdict("Completed")
    assert job.failed == [2]


def test_what_failed_before_the_first_success_is_divided_after_it() -> None:
    script = Script(bad={1})
    job = OneWorker(rules(12, 4), script)
    job.run()
    assert [items for mini_batch, items in script.calls[:2]] == [None, None]
    assert job.failed == [1]


def test_a_budget_that_does_not_tolerate_what_waits_ends_the_job_early() -> None:
    script = Script(bad=set(range(6400)))
    job = OneWorker(rules(6400, 64, threshold=100), script)
    tally = job.run()
    assert tally.verdict is not None
    assert tally.verdict.code == "ErrorThresholdExceeded"
    assert len(script.calls) < 30


def test_a_budget_that_tolerates_the_bad_item_is_not_exceeded_by_its_neighbours() -> None:
    job = OneWorker(rules(128, 64, threshold=1), Script(bad={3}))
    assert job.run().verdict == Verdict("Completed")
    assert job.failed == [3]


def test_a_short_result_is_divided_until_the_item_without_a_row_stands_alone() -> None:
    job = OneWorker(rules(24, 8), Script(short={13}))
    counts = job.run().counts
    short = [r for r in job.ledger if isinstance(r, Committed) and r.short]
    assert [(r.first, r.items, r.short) for r in short] == [(1, (5, 6), ((1, 1),))]
    assert (counts.succeeded, counts.failed, counts.rows) == (23, 1, 23)
    assert (counts.mini_batches_succeeded, counts.mini_batches_failed) == (3, 0)


def test_short_results_are_the_scripts_way_until_a_mini_batch_gave_a_row_for_each_item() -> None:
    script = Script(short=set(range(0, 80, 2)))
    job = OneWorker(rules(81, 8), script)
    counts = job.run().counts
    assert len(script.calls) == 11
    assert (counts.succeeded, counts.failed) == (41, 40)


def test_a_take_over_in_the_middle_goes_on_with_the_open_parts_alone() -> None:
    first = OneWorker(rules(128, 64), Script(bad={70, 100}))
    while not any(isinstance(record, Committed) and record.items for record in first.ledger):
        first.step()
    script = Script(bad={70, 100})
    second = OneWorker(rules(128, 64), script, list(first.ledger))
    counts = second.run().counts
    assert second.failed == [70, 100]
    assert (counts.succeeded, counts.failed, counts.mini_batches_done) == (126, 2, 2)
    scored = {r.items for r in first.ledger if isinstance(r, Committed)}
    assert not scored & {items for mini_batch, items in script.calls if mini_batch == 1}


def test_a_part_whose_rows_are_lost_is_scored_again() -> None:
    first = OneWorker(rules(16, 8), Script(bad={9}))
    first.run()
    ledger = [record for record in first.ledger if not isinstance(record, Verdict)]
    part = next(r for r in ledger if isinstance(r, Committed) and r.items)
    ledger.append(lost(part))
    assert folded(ledger).counts.mini_batches_failed == 0
    script = Script(bad={9})
    counts = OneWorker(rules(16, 8), script, ledger).run().counts
    assert script.calls == [(1, part.items)]
    assert (counts.succeeded, counts.failed, counts.mini_batches_failed) == (15, 1, 1)


def test_the_first_failing_item_is_the_first_of_what_failed_first() -> None:
    tally = planned(Cut(20, 10))
    tally.apply(Split(1, (0, 10), 1))
    tally.apply(AttemptFailed(1, 2, "script", "E", "m", "s", "n0-s0-0", is_raised=True, items=(5, 10)))
    assert first_failing_position(tally) == 15


class Cluster:
    """Workers under a seed that score, fail, die, are taken back or cut off, slot 0 slowly; owners die, and the disk
    loses what they wrote."""

    def __init__(self, seed: int, rules: Rules, script: Script) -> None:
        self.random = random.Random(seed)
        self.rules, self.script, self.cut = rules, script, rules.cut
        self.ledger: list[Record] = [Planned(rules.cut.items, rules.cut.size, "0" * 64, 0.0)]
        self.starts = 0

    def run(self) -> Tally:
        for _ in range(300):
            if self.owner(Scoring(self.rules, folded(self.ledger))):
                return folded(self.ledger)
            self.lose()
        raise AssertionError("no owner finished")

    def lose(self) -> None:
        live = {(r.part, r.offset, r.first, r.items): r for r in self.ledger if isinstance(r, Committed)}
        for record in self.ledger:
            if isinstance(record, Lost):
                live.pop(record.place, None)
        if live and self.random.random() < 0.3:
            gone = self.random.choice(list(live.values()))
            self.ledger.append(lost(gone))

    def owner(self, state: Scoring) -> bool:
        """Drive until over (True) or until this owner dies (False), losing what was not durable."""
        self.state = state
        self.inflight: dict[Worker, list[Lease]] = {}
        self.pending: list[Record] = []
        self.starting: list[Worker] = []
        self.dying: set[Worker] = set()
        self.blocked: dict[Worker, set[int]] = {}
        for slot in range(self.rules.slots):
            self.start("n0", slot)
        self.carry_out(state.begin())
        while not state.is_over:
            if self.random.random() < 0.01:
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
                self.inflight[instruction.worker].append(instruction.lease)
            elif isinstance(instruction, Restart):
                self.start(instruction.node, instruction.slot)
            elif isinstance(instruction, TakeBack):
                self.take_back(instruction.worker)
            elif isinstance(instruction, CutOff):
                self.dying.add(instruction.worker)

    def take_back(self, worker: Worker) -> None:
        for at, lease in enumerate(list(self.inflight[worker])):
            first = lease.first + (self.random.randint(1, lease.count) if at == 0 else 0)
            count = lease.first + lease.count - first
            if count:
                self.blocked.setdefault(worker, set()).update((lease.id, first + k) for k in range(count))
                self.carry_out(self.state.handle(TakenBack(worker, lease.id, first, count)))

    def step(self) -> None:
        choice = self.random.random()
        if choice < 0.3 and self.pending:
            n = self.random.randint(1, len(self.pending))
            durable, self.pending = tuple(self.pending[:n]), self.pending[n:]
            self.ledger += durable
            self.carry_out(self.state.handle(Durable(durable)))
        elif choice < 0.45 and self.starting:
            worker = self.starting.pop(self.random.randrange(len(self.starting)))
            self.inflight[worker] = []
            self.carry_out(self.state.handle(WorkerReady(worker, 0.1)))
        else:
            busy = [worker for worker, leases in self.inflight.items() if leases or worker in self.dying]
            assert busy or self.pending or self.starting, "nothing runs, starts or waits for the disk: it hangs"
            worker = self.random.choice(busy) if busy else None
            if worker is not None and worker.slot == 0 and self.random.random() < 0.7:
                self.carry_out(self.state.handle(Tick(0.6)))
            elif worker is not None:
                self.work(worker)

    def work(self, worker: Worker) -> None:
        if worker in self.dying and (not self.inflight[worker] or self.random.random() < 0.5):
            left = self.inflight.pop(worker)
            self.dying.discard(worker)
            victim = Failure(left[0].first, ErrorClass.SCRIPT, "Killed", "signal 9") if left else None
            self.carry_out(self.state.handle(WorkerEnded(worker, victim)))
            return
        lease = self.inflight[worker][0]
        blocked = self.blocked.get(worker, set())
        mine = [m for m in range(lease.first, lease.first + lease.count) if (lease.id, m) not in blocked]
        if mine and self.random.random() < 0.03:
            del self.inflight[worker]
            self.dying.discard(worker)
            error_class = self.random.choice([ErrorClass.SCRIPT, ErrorClass.MEMORY])
            victim = Failure(self.random.choice(mine), error_class, "Killed", "signal 9")
            self.carry_out(self.state.handle(WorkerEnded(worker, victim)))
            return
        self.inflight[worker].pop(0)
        results = run_each(self.script, worker, lease, self.cut, mine)
        segments = tuple(result for result in results if isinstance(result, Segment))
        failures = tuple(result for result in results if isinstance(result, Failure))
        event = LeaseReported(worker, lease.id, segments, failures, 0.00001 * len(mine))
        self.carry_out(self.state.handle(event))
        if is_spent(failures):
            del self.inflight[worker]
            self.carry_out(self.state.handle(WorkerEnded(worker)))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32), items=st.integers(1, 120), size=st.integers(1, 40))
def test_any_interleaving_settles_every_item_exactly_once(
    data: st.DataObject, seed: int, items: int, size: int
) -> None:
    at = st.sets(st.integers(0, items - 1), max_size=8)
    holds, large = data.draw(st.sampled_from([1, 3, 1000])), data.draw(st.sets(st.integers(0, items - 1), max_size=2))
    script = Script(data.draw(at), data.draw(at), holds=holds, large=large)
    slots, retries = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    chosen = replace(rules(items, size, slots=slots, retries=retries), is_speculative=data.draw(st.booleans()))
    cluster = Cluster(seed, chosen, script)
    tally = cluster.run()
    settled: Counter[int] = Counter()
    for record in cluster.ledger:
        if isinstance(record, Committed):
            for mini_batch in range(record.first, record.stop):
                settled.update(range(*positions(cluster.cut, mini_batch, record.items)))
        elif isinstance(record, Lost):
            for mini_batch in range(record.first, record.first + record.mini_batches):
                settled.subtract(range(*positions(cluster.cut, mini_batch, record.items)))
        elif isinstance(record, FailedItems):
            settled.update(range(*positions(cluster.cut, record.mini_batch, record.items)))
    assert +settled == Counter(range(items))
    counts = tally.counts
    assert counts.succeeded + counts.failed == counts.items == items
    assert counts.mini_batches_succeeded + counts.mini_batches_failed == counts.mini_batches
    assert isinstance(cluster.ledger[-1], Verdict)
    parts = Counter(r.mini_batch for r in cluster.ledger if isinstance(r, Split))
    assert all(splits * 2 <= 64 for splits in parts.values())
