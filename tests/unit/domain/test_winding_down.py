"""The end of scoring: workers may go once everything is scored, before the ledger says so."""

from __future__ import annotations

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    Durable,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Restart,
    Segment,
    Stop,
    WindDown,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Planned, Record
from batchyard.domain.scoring.machine import Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.rules import Rules
from batchyard.domain.scoring.tally import Tally

FIRST, SECOND = Worker("n0", 0, 0), Worker("n0", 1, 1)


class Slow:
    """Two workers, and a ledger that becomes durable when it is told to."""

    def __init__(self, items: int, *, retries: int = 0) -> None:
        tally = Tally()
        tally.apply(Planned(items, 1, "0" * 64, 0.0))
        self.state = Scoring(Rules(Cut(items, 1), retries + 1, -1, one_by_one=True, slots=2), tally)
        self.pending: list[Record] = []
        self.leases: dict[Worker, list[Lease]] = {FIRST: [], SECOND: []}
        self.told: list[Instruction] = []
        self.take(self.state.begin())
        for worker in self.leases:
            self.take(self.state.handle(WorkerReady(worker, 0.0)))

    def take(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Append):
                self.pending += instruction.records
            elif isinstance(instruction, Assign):
                self.leases[instruction.worker].append(instruction.lease)
            else:
                self.told.append(instruction)

    def report(self, worker: Worker, *, fails: bool = False) -> None:
        lease = self.leases[worker].pop(0)
        segment = Segment(lease.first, f"1-{worker.name}.part", 0, (2,), 0, 1, 1)
        failure = Failure(lease.first, ErrorClass.SCRIPT, "ValueError", "no", "stack")
        event = LeaseReported(worker, lease.id, () if fails else (segment,), (failure,) if fails else (), 0.001)
        self.take(self.state.handle(event))

    def sync(self) -> None:
        group, self.pending = tuple(self.pending), []
        self.take(self.state.handle(Durable(group)))


def test_workers_may_go_once_all_is_scored_and_before_it_is_durable() -> None:
    slow = Slow(2)
    slow.report(FIRST)
    assert slow.told == []
    slow.report(SECOND)
    assert slow.told == [WindDown()]
    slow.sync()
    assert slow.told == [WindDown(), Stop(is_early=False)]


def test_workers_that_have_gone_are_not_replaced_and_end_no_job() -> None:
    slow = Slow(2)
    slow.report(FIRST)
    slow.report(SECOND)
    for worker in (FIRST, SECOND, Worker("n0", 1, 2)):
        slow.take(slow.state.handle(WorkerEnded(worker)))
    assert not [told for told in slow.told if isinstance(told, Restart)]
    slow.sync()
    assert slow.state.verdict is not None
    assert slow.state.verdict.status == "Completed"


def test_nobody_goes_while_a_retry_is_due() -> None:
    slow = Slow(2, retries=1)
    slow.report(FIRST)
    slow.report(SECOND, fails=True)
    assert WindDown() not in slow.told
    slow.report(next(worker for worker, leases in slow.leases.items() if leases))
    assert slow.told[-1] == WindDown()
