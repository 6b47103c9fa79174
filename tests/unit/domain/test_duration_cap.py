"""The cap on a run's duration: what runs at the cap is finished, nothing is begun after it, the ledger counts."""

from __future__ import annotations

import pytest

from batchyard.domain.jobs import Counts, ErrorClass
from batchyard.domain.scoring.duration_cap import TOLD_EVERY_S, DurationCap
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    Durable,
    Event,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    PauseRequested,
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
from batchyard.domain.scoring.ledger import Planned, Ran, Record, Resumed, Verdict
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally, job_error

WORKER = Worker("n0", 0, 0)
CAP_S = 10.0


class Bench:
    """A job of four mini-batches of two items, a worker, a cap of ten seconds, and a ledger that is durable at once."""

    def __init__(self, ledger: list[Record] | None = None, *, cap_s: float | None = CAP_S) -> None:
        self.ledger: list[Record] = ledger if ledger is not None else [Planned(8, 2, "0" * 64, 0.0)]
        self.tally = Tally()
        for record in self.ledger:
            self.tally.apply(record)
        rules = Rules(Cut(8, 2), 2, -1, one_by_one=True, slots=1, max_duration_s=cap_s)
        self.state = Scoring(rules, self.tally)
        self.leases: list[Lease] = []
        self.seen: list[Instruction] = []
        self.carry_out(self.state.begin())

    def handle(self, event: Event) -> None:
        self.carry_out(self.state.handle(event))

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            self.seen.append(instruction)
            if isinstance(instruction, Append):
                self.ledger += instruction.records
                self.handle(Durable(instruction.records))
            elif isinstance(instruction, Assign):
                self.leases.append(instruction.lease)

    def score(self) -> None:
        lease = self.leases.pop(0)
        segment = Segment(lease.first, f"1-{WORKER.name}.part", 0, (2,), 0, 2, 2)
        self.handle(LeaseReported(WORKER, lease.id, (segment,), (), 3.0))

    def fail(self) -> None:
        lease = self.leases.pop(0)
        failure = Failure(lease.first, ErrorClass.SCRIPT, "ValueError", "no")
        self.handle(LeaseReported(WORKER, lease.id, (), (failure,), 3.0))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.handle(Tick(1.0))

    @property
    def verdict(self) -> Verdict | None:
        return self.tally.verdict


def test_what_runs_at_the_cap_is_finished_and_counts_and_nothing_is_begun_after_it() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    bench.score()
    bench.wait(10)
    assert bench.verdict is None, "a mini-batch runs"
    bench.score()
    assert bench.verdict is not None
    assert (bench.verdict.status, bench.verdict.code) == ("Failed", "MaxDurationReached")
    assert "max_duration 10 seconds: 4 of 8 items are done" in bench.verdict.reason
    assert (bench.tally.counts.succeeded, bench.tally.counts.incomplete) == (4, 4)
    assert not bench.leases
    assert bench.seen[-2] == Stop(is_early=True)


def test_a_local_run_says_where_its_folder_is_instead_of_commands_that_need_a_server() -> None:
    verdict = DurationCap(10.0, 10.0, folder="/home/x/runs/1").verdict(Counts(items=8, succeeded=4))
    assert "no job of a server; what was scored stays in /home/x/runs/1." in verdict.reason
    assert "batchyard job" not in verdict.reason
    assert "`batchyard job resume`" in DurationCap(10.0, 10.0).verdict(Counts(items=8, succeeded=4)).reason


def test_what_a_worker_has_not_started_is_taken_back_at_the_cap() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    while len(bench.leases) < 2:  # Prefetching begins once a mini-batch is known to be short.
        lease = bench.leases.pop(0)
        segment = Segment(lease.first, f"1-{WORKER.name}.part", 0, (2,), 0, 2, 2)
        bench.handle(LeaseReported(WORKER, lease.id, (segment,), (), 0.001))
    bench.wait(10)
    assert TakeBack(WORKER) in bench.seen
    second = bench.leases.pop()
    bench.handle(TakenBack(WORKER, second.id, second.first, second.count))
    bench.score()
    bench.handle(LeaseReported(WORKER, second.id, (), (), 0.0))
    assert bench.verdict is not None
    assert (bench.tally.counts.succeeded, bench.tally.counts.incomplete) == (4, 4)


def test_a_job_that_is_done_with_its_last_mini_batch_at_the_cap_is_completed() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    for _ in range(3):
        bench.score()
    bench.wait(10)
    bench.score()
    assert bench.verdict == Verdict("Completed")


def test_a_failed_attempt_is_not_tried_again_after_the_cap_and_blames_no_item() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    bench.wait(10)
    bench.fail()
    assert (bench.tally.counts.failed, bench.tally.counts.incomplete) == (0, 8)
    error = job_error(bench.tally)
    assert error is not None
    assert (error.code, error.error_class, error.item) == ("MaxDurationReached", ErrorClass.TIMEOUT, None)


def test_a_job_whose_workers_are_still_starting_ends_at_the_cap() -> None:
    bench = Bench()
    bench.wait(9)
    assert bench.verdict is None
    bench.wait(1)
    assert bench.verdict is not None


def test_a_worker_that_dies_at_the_cap_is_not_replaced() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    bench.wait(10)
    bench.handle(WorkerEnded(WORKER, running=Failure(0, ErrorClass.TIMEOUT, "TimeoutError", "too long")))
    assert Restart(WORKER.node, WORKER.slot) not in bench.seen
    assert bench.verdict is not None
    assert bench.verdict.code == "MaxDurationReached"


def test_the_next_owner_goes_on_counting() -> None:
    first = Bench()
    first.handle(WorkerReady(WORKER, 0.0))
    first.wait(7)
    second = Bench(first.ledger)
    second.handle(WorkerReady(WORKER, 0.0))
    second.wait(5)
    assert second.verdict is None, "the two seconds since the last record are forgotten, no more"
    assert second.tally.ran_s == CAP_S
    second.score()
    assert second.verdict is not None


def test_an_owner_that_finds_the_cap_reached_begins_nothing() -> None:
    bench = Bench([Planned(8, 2, "0" * 64, 0.0), Ran(6.0), Ran(5.0)])
    assert bench.verdict is not None
    assert bench.verdict.code == "MaxDurationReached"


def test_a_resumed_run_has_the_whole_duration_again() -> None:
    bench = Bench([Planned(8, 2, "0" * 64, 0.0), Ran(11.0), Verdict("Failed", "MaxDurationReached"), Resumed(2)])
    bench.handle(WorkerReady(WORKER, 0.0))
    bench.wait(9)
    assert bench.verdict is None
    for _ in range(4):
        bench.score()
    assert bench.verdict == Verdict("Completed")


def test_a_pause_that_drains_is_a_pause_until_the_cap() -> None:
    bench = Bench()
    bench.handle(WorkerReady(WORKER, 0.0))
    bench.handle(PauseRequested())
    bench.score()
    assert bench.state.is_drained
    assert bench.verdict is None


def test_without_a_cap_no_time_is_recorded() -> None:
    bench = Bench(cap_s=None)
    bench.wait(1000)
    assert bench.ledger == [Planned(8, 2, "0" * 64, 0.0)]
    assert not DurationCap(None, 5.0).is_reached


@pytest.mark.parametrize("tick_s", [0.25, 1.0, 0.7])
def test_the_ledger_knows_all_but_the_last_few_seconds(tick_s: float) -> None:
    cap, told = DurationCap(60.0, 0.0), 0.0
    passed = 0.0
    while not cap.is_reached:
        record = cap.passed(tick_s)
        passed += tick_s
        told += record.seconds if record else 0.0
        assert -0.01 <= passed - told < TOLD_EVERY_S + tick_s
    assert told == pytest.approx(passed, abs=0.01)
