"""A pause: nothing new is begun, what runs is finished, what was not started goes back uncharged."""

from __future__ import annotations

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
    PauseRequested,
    Restart,
    Segment,
    TakeBack,
    TakenBack,
    Tick,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Committed, Planned, Record
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally

WORKER, OTHER = Worker("n0", 0, 1), Worker("n0", 1, 2)


def running(items: int) -> tuple[Scoring, list[Lease], Tally]:
    """Give a job of items with one worker that holds its leases."""
    tally = Tally()
    tally.apply(Planned(items, 1, "0" * 64, 0.0))
    state = Scoring(Rules(Cut(items, 1), 2, -1, one_by_one=True, slots=1), tally)
    instructions = [*state.begin(), *state.handle(WorkerReady(WORKER, 0.0))]
    return state, [i.lease for i in instructions if isinstance(i, Assign)], tally


def report(lease: Lease, *, scored: bool = True) -> LeaseReported:
    segments = (Segment(lease.first, "1-n0-s0-1.part", 0, (2,), 0, 1, 1),) if scored else ()
    return LeaseReported(WORKER, lease.id, segments, (), 0.001)


def written(instructions: list[Instruction]) -> tuple[Record, ...]:
    return tuple(r for i in instructions if isinstance(i, Append) for r in i.records)


def test_what_runs_is_finished_and_durable_before_the_job_is_drained() -> None:
    state, leases, _ = running(5)
    assert state.handle(PauseRequested()) == ([TakeBack(WORKER)] if len(leases) > 1 else [])
    out: list[Instruction] = []
    for lease in leases:
        assert not state.is_drained
        out += state.handle(report(lease))
    assert not [i for i in out if isinstance(i, Assign)], "nothing new is begun"
    assert not state.is_drained, "the ledger does not have it yet"
    state.handle(Durable(written(out)))
    assert state.is_drained
    assert state.verdict is None


def test_what_was_not_started_goes_back_uncharged_and_is_scored_after_the_pause() -> None:
    state, leases, tally = running(5)
    state.handle(PauseRequested())
    done = state.handle(report(leases[0]))
    for lease in leases[1:]:
        state.handle(TakenBack(WORKER, lease.id, lease.first, 1))
        state.handle(report(lease, scored=False))
    state.handle(Durable(written(done)))
    assert state.is_drained
    assert (tally.counts.attempts, list(tally.settled)) == (1, [(0, 1)])


def test_a_worker_that_dies_meanwhile_is_charged_and_not_replaced() -> None:
    state, leases, tally = running(5)
    state.handle(PauseRequested())
    out = state.handle(WorkerEnded(WORKER, Failure(leases[0].first, ErrorClass.TIMEOUT, "TimeoutError", "3 s")))
    assert not [i for i in out if isinstance(i, Restart)]
    state.handle(Durable(written(out)))
    assert state.is_drained
    assert list(tally.open_attempts) == [leases[0].first]


def test_a_straggler_is_not_leased_a_second_time_meanwhile() -> None:
    tally = Tally()
    tally.apply(Planned(2, 1, "0" * 64, 0.0))
    state = Scoring(Rules(Cut(2, 1), 2, -1, one_by_one=True, slots=2, is_speculative=True), tally)
    out = [*state.begin(), *state.handle(WorkerReady(WORKER, 0.0)), *state.handle(WorkerReady(OTHER, 0.0))]
    first, _ = [i.lease for i in out if isinstance(i, Assign)]
    state.handle(report(first))
    state.handle(PauseRequested())
    assert not [i for _ in range(9) for i in state.handle(Tick(1.0)) if isinstance(i, Assign)]


def test_a_job_whose_last_mini_batch_ran_completes_instead_of_pausing() -> None:
    state, leases, _ = running(1)
    state.handle(PauseRequested())
    out = state.handle(report(leases[0]))
    assert isinstance(written(out)[0], Committed)
    state.handle(Durable(written(out)))
    assert not state.is_drained
    assert state.verdict is not None


def test_a_cancel_while_it_drains_wins() -> None:
    state, _, _ = running(5)
    state.handle(PauseRequested())
    state.handle(CancelRequested())
    assert not state.is_drained
    assert state.verdict is not None
    assert state.verdict.status == "Canceled"
