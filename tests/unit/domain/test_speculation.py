"""Stragglers: when a mini-batch is leased twice, who wins, and that nobody is charged for the other run."""

from __future__ import annotations

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CutOff,
    Durable,
    Event,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    Stop,
    TakenBack,
    Tick,
    WindDown,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, Planned, Record, Verdict
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally

FAST, SLOW = Worker("n0", 0, 0), Worker("n0", 1, 1)
FAILURE = Failure(0, ErrorClass.SCRIPT, "ValueError", "no")


class Bench:
    """Two workers, and a ledger that is durable at once: SLOW hangs on mini-batch 0, FAST scores all others."""

    def __init__(self, *, is_on: bool = True, items: int = 4, files: str = "", seconds: float = 0.1) -> None:
        tally = Tally()
        tally.apply(Planned(items, 1, "0" * 64, 0.0))
        rules = Rules(Cut(items, 1), 2, -1, one_by_one=True, slots=2, is_speculative=is_on)
        self.state = Scoring(rules, tally)
        self.leases: dict[Worker, list[Lease]] = {FAST: [], SLOW: []}
        self.records: list[Record] = []
        self.told: list[Instruction] = []
        self.handle(WorkerReady(SLOW, 0.0))
        self.handle(WorkerReady(FAST, 0.0))
        while self.leases[FAST]:
            self.score(FAST, files=files, seconds=seconds)

    def handle(self, event: Event) -> None:
        for instruction in self.state.handle(event):
            if isinstance(instruction, Append):
                self.records += instruction.records
                self.handle(Durable(instruction.records))
            elif isinstance(instruction, Assign):
                self.leases.setdefault(instruction.worker, []).append(instruction.lease)
            else:
                self.told.append(instruction)

    def score(self, worker: Worker, *, seconds: float = 0.1, files: str = "") -> None:
        lease = self.leases[worker].pop(0)
        folders = ((lease.first, files),) if files else ()
        segment = Segment(lease.first, f"1-{worker.name}.part", 0, (2,), 0, 1, 1, files=folders)
        self.handle(LeaseReported(worker, lease.id, (segment,), (), seconds))

    def fail(self, worker: Worker) -> None:
        self.handle(LeaseReported(worker, self.leases[worker].pop(0).id, (), (FAILURE,), 0.1))

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.25)):
            self.handle(Tick(0.25))

    @property
    def doubled(self) -> list[int]:
        return [lease.first for lease in self.leases[FAST]]

    @property
    def charged(self) -> list[tuple[int, int]]:
        return [(r.mini_batch, r.attempt) for r in self.records if isinstance(r, AttemptFailed)]

    @property
    def committed(self) -> list[int]:
        return sorted(m for r in self.records if isinstance(r, Committed) for m in range(r.first, r.stop))


def test_a_mini_batch_is_leased_again_after_a_second_and_twice_the_median() -> None:
    bench = Bench()
    bench.wait(1.0)
    assert bench.doubled == []
    bench.wait(0.25)
    assert bench.doubled == [0]
    bench.wait(100)
    assert bench.doubled == [0]


def test_long_mini_batches_are_given_twice_the_median() -> None:
    bench = Bench(seconds=60.0)
    bench.wait(120)
    assert bench.doubled == []
    bench.wait(0.25)
    assert bench.doubled == [0]


def test_nothing_is_leased_twice_unless_asked_for() -> None:
    bench = Bench(is_on=False)
    bench.wait(100)
    assert bench.doubled == []


def test_nothing_is_leased_twice_once_the_script_has_written_files() -> None:
    bench = Bench(files="1-n0-s0-0/1")
    bench.wait(100)
    assert bench.doubled == []


def test_the_first_report_is_committed_and_the_other_worker_is_cut_off() -> None:
    bench = Bench()
    bench.wait(2)
    bench.score(FAST)
    assert bench.committed == [0, 1, 2, 3]
    assert bench.told[-3:] == [CutOff(SLOW), Stop(is_early=False), WindDown()]
    assert bench.state.tally.verdict == Verdict("Completed")


def test_the_first_worker_may_win_too() -> None:
    bench = Bench()
    bench.wait(2)
    bench.score(SLOW)
    assert bench.committed == [0, 1, 2, 3]
    assert CutOff(FAST) in bench.told


def test_what_a_worker_tells_after_it_was_cut_off_counts_for_nothing() -> None:
    bench = Bench(items=4)
    bench.wait(2)
    late = LeaseReported(SLOW, bench.leases[SLOW][0].id, (Segment(0, "1-n0-s1-1.part", 0, (2,), 0, 1, 1),), (), 3.0)
    instructions = bench.state.handle(
        LeaseReported(FAST, bench.leases[FAST][0].id, (Segment(0, "1-n0-s0-0.part", 0, (2,), 0, 1, 1),), (), 0.1)
    )
    assert CutOff(SLOW) in instructions
    assert bench.state.handle(late) == []
    assert bench.state.handle(WorkerEnded(SLOW, FAILURE)) == []
    (append,) = [i for i in instructions if isinstance(i, Append)]
    bench.handle(Durable(append.records))
    assert bench.state.tally.counts.attempts == 4
    assert bench.state.tally.verdict == Verdict("Completed")


def test_a_failure_of_one_while_the_other_runs_is_not_charged() -> None:
    bench = Bench()
    bench.wait(2)
    bench.fail(FAST)
    assert bench.charged == []
    assert not any(isinstance(told, CutOff) for told in bench.told)
    bench.score(SLOW)
    assert bench.committed == [0, 1, 2, 3]
    assert bench.charged == []


def test_when_both_fail_one_attempt_is_charged() -> None:
    bench = Bench()
    bench.wait(2)
    bench.fail(SLOW)
    bench.fail(FAST)
    assert bench.charged == [(0, 1)]
    retries = [lease for leases in bench.leases.values() for lease in leases]
    assert [(lease.first, lease.attempt) for lease in retries] == [(0, 2)]


def test_a_worker_that_dies_while_the_other_runs_is_replaced_and_nobody_charged() -> None:
    bench = Bench()
    bench.wait(2)
    bench.leases[SLOW].clear()
    bench.handle(WorkerEnded(SLOW, FAILURE))
    assert bench.told[-1] == Restart("n0", 1)
    assert bench.charged == []
    assert bench.doubled == [0]
    bench.score(FAST)
    assert bench.committed == [0, 1, 2, 3]


def test_what_else_the_slower_worker_held_goes_back_and_its_slot_gets_a_new_worker() -> None:
    """SLOW runs the middle one of three; what it has not reported goes back, what was taken back was free before."""
    tally = Tally()
    tally.apply(Planned(40, 1, "0" * 64, 0.0))
    rules = Rules(Cut(40, 1), 2, -1, one_by_one=False, slots=2, is_speculative=True)
    bench = Bench(items=1)
    bench.state, bench.leases, bench.records = Scoring(rules, tally), {FAST: [], SLOW: []}, []
    bench.handle(WorkerReady(SLOW, 0.0))
    while not any(lease.count >= 3 for lease in bench.leases[SLOW]):
        report_all(bench, SLOW)
    while bench.leases[SLOW][0].count < 3:
        report_all(bench, SLOW)
    slow = bench.leases[SLOW][0]
    bench.handle(WorkerReady(FAST, 0.0))
    while bench.leases[FAST]:
        report_all(bench, FAST)
    for lease in bench.leases[SLOW][1:]:
        bench.handle(TakenBack(SLOW, lease.id, lease.first, lease.count))
    bench.handle(TakenBack(SLOW, slow.id, slow.first + 2, slow.count - 2))
    while bench.leases[FAST]:
        report_all(bench, FAST)
    bench.wait(2)
    assert bench.doubled == [slow.first + 1]
    report_all(bench, FAST)
    assert CutOff(SLOW) in bench.told
    assert bench.doubled == [slow.first]
    report_all(bench, FAST)
    assert bench.committed == list(range(40))
    assert bench.state.tally.verdict == Verdict("Completed")


def report_all(bench: Bench, worker: Worker) -> None:
    """Score the whole of a worker's oldest lease, a tenth of a millisecond each."""
    lease = bench.leases[worker].pop(0)
    segment = Segment(lease.first, f"1-{worker.name}.part", 0, (2,) * lease.count, 0, lease.count, lease.count)
    bench.handle(LeaseReported(worker, lease.id, (segment,), (), 0.0001 * lease.count))
