"""The no-progress guard: it counts only while workers have work, and says who hangs on what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    Durable,
    Event,
    Failure,
    Lease,
    LeaseReported,
    Segment,
    Stop,
    TellStacks,
    Tick,
    Worker,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Planned, Verdict
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.progress_guard import no_progress_limit_s, run_timeout_s
from batchyard.domain.scoring.tally import Tally, job_error

WORKERS = (Worker("n0", 0, 0), Worker("n0", 1, 1))


class Bench:
    """A job of four mini-batches of two items, a limit of ten seconds, and a ledger that is durable at once."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.tally.apply(Planned(8, 2, "0" * 64, 0.0))
        rules = Rules(Cut(8, 2), 2, -1, one_by_one=True, slots=2, no_progress_timeout_s=10)
        self.state = Scoring(rules, self.tally)
        self.leases: dict[Worker, Lease] = {}
        self.is_stopped_early = False
        self.asked_for_stacks: tuple[Worker, ...] = ()

    def handle(self, event: Event) -> None:
        for instruction in self.state.handle(event):
            if isinstance(instruction, Append):
                self.handle(Durable(instruction.records))
            elif isinstance(instruction, Assign):
                self.leases.setdefault(instruction.worker, instruction.lease)
            elif isinstance(instruction, TellStacks):
                self.asked_for_stacks = instruction.workers
            elif isinstance(instruction, Stop):
                self.is_stopped_early = instruction.is_early

    def ready(self, *workers: Worker) -> None:
        for worker in workers:
            self.handle(WorkerReady(worker, 0.0))

    def score(self, worker: Worker) -> None:
        lease = self.leases.pop(worker)
        segment = Segment(lease.first, f"1-{worker.name}.part", 0, (2,), 0, 2, 2)
        self.handle(LeaseReported(worker, lease.id, (segment,), (), 1.0))

    def fail(self, worker: Worker) -> None:
        lease = self.leases.pop(worker)
        failure = Failure(lease.first, ErrorClass.SCRIPT, "ValueError", "no")
        self.handle(LeaseReported(worker, lease.id, (), (failure,), 1.0))

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.handle(Tick(1.0))

    @property
    def verdict(self) -> Verdict | None:
        return self.tally.verdict


def test_a_job_whose_workers_settle_nothing_ends_and_says_who_hangs_on_what() -> None:
    bench = Bench()
    bench.ready(WORKERS[0])
    bench.wait(3)
    bench.ready(WORKERS[1])
    bench.wait(6)
    assert bench.verdict is None
    bench.wait(1)
    assert bench.verdict is not None
    assert (bench.verdict.status, bench.verdict.code) == ("Failed", "NoProgress")
    assert bench.verdict.reason == (
        "No progress update in 10 seconds: nothing was scored and nothing failed while workers had work. "
        "Worker n0-s0-0 has been on mini-batch 0 (items 0 to 1 of the listing) for 10 s; "
        "Worker n0-s1-1 has been on mini-batch 1 (items 2 to 3 of the listing) for 7 s. "
        "Their stacks are in logs/user/error; `no_progress_timeout` is the limit."
    )
    assert bench.is_stopped_early
    assert bench.asked_for_stacks == WORKERS
    assert bench.tally.counts.incomplete == 8


def test_the_error_of_the_job_names_item_and_log_of_the_one_that_hangs_longest() -> None:
    bench = Bench()
    bench.ready(*WORKERS)
    bench.wait(2)
    bench.fail(WORKERS[0])
    bench.wait(10)
    error = job_error(bench.tally, item_names={2: "b.csv"})
    assert error is not None
    assert (error.error_class, error.item, error.mini_batch) == (ErrorClass.TIMEOUT, "b.csv", 1)
    assert error.log == "logs/user/stderr/n0/n0-s1-1.stderr.txt"
    assert error.exception == ""


@pytest.mark.parametrize("settle", [Bench.score, Bench.fail])
def test_whatever_is_settled_starts_the_clock_anew(settle: Callable[[Bench, Worker], None]) -> None:
    bench = Bench()
    bench.ready(*WORKERS)
    for _ in range(3):
        bench.wait(9)
        settle(bench, WORKERS[0])
    bench.wait(9)
    assert bench.verdict is None
    bench.wait(1)
    assert bench.verdict is not None


def test_the_clock_stands_while_no_worker_has_work() -> None:
    bench = Bench()
    bench.wait(1000)
    assert bench.verdict is None
    bench.ready(WORKERS[0])
    bench.wait(9)
    assert bench.verdict is None


@pytest.mark.parametrize(("own", "ends_at_s"), [(None, 2000), (600.0, 600)])
def test_a_mini_batch_that_is_run_in_pieces_may_take_the_time_limit_of_each(own: float | None, ends_at_s: int) -> None:
    settings = ExecutionSettings(retry=RetrySettings(3, 20.0), no_progress_timeout_s=own)
    tally = Tally()
    tally.apply(Planned(100, 100, "0" * 64, 0.0))
    limits = {"no_progress_timeout_s": no_progress_limit_s(settings), "run_timeout_s": run_timeout_s(settings)}
    state = Scoring(Rules(Cut(100, 100), 4, -1, one_by_one=True, slots=1, run_items=1, **limits), tally)
    state.handle(WorkerReady(WORKERS[0], 0.0))
    for _ in range(ends_at_s - 1):
        state.handle(Tick(1.0))
    assert state.verdict is None
    state.handle(Tick(1.0))
    assert state.verdict is not None


@pytest.mark.parametrize(
    ("retry", "own", "limit_s"),
    [
        (RetrySettings(3, 30.0), None, 1800.0),
        (RetrySettings(3, 3600.0), None, 14400.0),
        (RetrySettings(3, 3600.0), 60.0, 60.0),
    ],
)
def test_the_limit_follows_from_the_time_limit_unless_it_is_set(
    retry: RetrySettings, own: float | None, limit_s: float
) -> None:
    assert no_progress_limit_s(ExecutionSettings(retry=retry, no_progress_timeout_s=own)) == limit_s
