"""The scoring state machine: single decisions."""

from __future__ import annotations

import pytest

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CancelRequested,
    Durable,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    Stop,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, Planned, Record, Verdict
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally, job_error


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
