"""Every mix of what can become of mini-batches: one state, and four counts that always add up to the items."""

from __future__ import annotations

from collections import deque
from itertools import product

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, is_completed_with_errors
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CancelRequested,
    Durable,
    Event,
    Failure,
    Instruction,
    Lease,
    LeaseReported,
    Segment,
    Worker,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Committed, Lost, Planned
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally

CUT = Cut(5, 2)  # Three mini-batches: two items, two items, one item.
WORKER = Worker("n0", 0, 0)
# What becomes of a mini-batch -> how many of n items succeed, when it is reached.
SUCCEEDS = {
    "ok": lambda n: n,
    "retried": lambda n: n,
    "lost": lambda n: n,
    "short": lambda n: n - 1,
    "failed": lambda n: 0,
    "lost and failed": lambda n: 0,
}
MIXES = list(product(SUCCEEDS, repeat=3))
MIXES_BY_FIRST = [[mix for mix in MIXES if mix[0] == fate] for fate in SUCCEEDS]


class Run:
    """One worker that does to each mini-batch what the mix says, and a ledger that is durable at once."""

    def __init__(self, mix: tuple[str, ...], *, threshold: int) -> None:
        self.mix = mix
        tally = Tally()
        tally.apply(Planned(CUT.items, CUT.size, "0" * 64, 0.0))
        for mini_batch in (m for m, fate in enumerate(mix) if fate.startswith("lost")):
            items = CUT.items_in(mini_batch, 1)
            tally.apply(Committed(mini_batch, 1, "1-n0-s0-0.part", 0, (2,), 0, items, items - 1, ((mini_batch, 1),)))
            tally.apply(Lost(mini_batch, 1, "1-n0-s0-0.part", 0, items, items - 1, 1))
        self.state = Scoring(Rules(CUT, 2, threshold, one_by_one=True, slots=1), tally)
        self.inbox: deque[Event] = deque([WorkerReady(WORKER, 0.0)])
        self.seen: list[Counts] = []
        self.carry_out(self.state.begin())

    def until(self, *, mini_batches: int) -> None:
        """Handle events until so many mini-batches are done, or all there is to do."""
        while self.inbox and self.state.tally.counts.mini_batches_done < mini_batches:
            self.carry_out(self.state.handle(self.inbox.popleft()))
            self.seen.append(self.state.tally.counts)

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Append):
                self.carry_out(self.state.handle(Durable(instruction.records)))
            elif isinstance(instruction, Assign):
                self.inbox.append(self.scored(instruction.lease))

    def scored(self, lease: Lease) -> LeaseReported:
        fate, items = self.mix[lease.first], CUT.items_in(lease.first, 1)
        if fate.endswith("failed") or (fate == "retried" and lease.attempt == 1):
            failure = Failure(lease.first, ErrorClass.SCRIPT, "ValueError", "no")
            return LeaseReported(WORKER, lease.id, (), (failure,), 0.1)
        succeeded = SUCCEEDS[fate](items)
        short = ((lease.first, items - succeeded),) if succeeded < items else ()
        segment = Segment(lease.first, "2-n0-s0-0.part", 0, (2,), 0, succeeded, succeeded, short)
        return LeaseReported(WORKER, lease.id, (segment,), (), 0.1)

    @property
    def counts(self) -> Counts:
        return self.state.tally.counts


def adds_up(counts: Counts) -> bool:
    parts = (counts.succeeded, counts.failed, counts.skipped, counts.incomplete)
    return sum(parts) == counts.items == CUT.items and min(parts) >= 0


@pytest.mark.parametrize("mixes", MIXES_BY_FIRST, ids=SUCCEEDS)
def test_every_mix_that_is_tolerated_ends_in_one_state_with_counts_that_add_up(mixes: list[tuple[str, ...]]) -> None:
    for mix in mixes:
        run = Run(mix, threshold=-1)
        run.until(mini_batches=99)
        succeeded = sum(SUCCEEDS[fate](CUT.items_in(m, 1)) for m, fate in enumerate(mix))
        verdict, counts = run.state.tally.verdict, run.counts
        assert verdict is not None, mix
        assert (counts.succeeded, counts.failed, counts.incomplete) == (succeeded, CUT.items - succeeded, 0), mix
        assert verdict.status == ("Completed" if succeeded else "Failed"), mix
        assert is_completed_with_errors(JobStatus(verdict.status), counts) == (0 < succeeded < CUT.items), mix
        assert counts.outcome == (f"{5 - succeeded} of 5 items failed" if succeeded < 5 else ""), mix
        assert all(adds_up(seen) for seen in [*run.seen, counts]), mix


@pytest.mark.parametrize("mixes", MIXES_BY_FIRST, ids=SUCCEEDS)
def test_every_mix_of_which_nothing_is_tolerated_ends_failed_with_the_rest_incomplete(
    mixes: list[tuple[str, ...]],
) -> None:
    for mix in mixes:
        run = Run(mix, threshold=0)
        run.until(mini_batches=99)
        verdict = run.state.tally.verdict
        assert verdict is not None, mix
        is_clean = all(SUCCEEDS[fate](n) == n for fate, n in zip(mix, (2, 2, 1), strict=True))
        assert verdict.status == ("Completed" if is_clean else "Failed"), mix
        assert not is_completed_with_errors(JobStatus(verdict.status), run.counts), mix
        assert all(adds_up(seen) for seen in [*run.seen, run.counts]), mix


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("mixes", MIXES_BY_FIRST, ids=SUCCEEDS)
def test_a_cancelled_mix_keeps_what_was_done_and_calls_the_rest_incomplete(
    mixes: list[tuple[str, ...]], done: int
) -> None:
    for mix in mixes:
        run = Run(mix, threshold=-1)
        run.until(mini_batches=done)
        run.carry_out(run.state.handle(CancelRequested()))
        verdict = run.state.tally.verdict
        assert verdict is not None, mix
        assert verdict.status == "Canceled", mix
        assert run.counts.mini_batches_done == done, mix
        assert run.counts.incomplete > 0, mix
        assert adds_up(run.counts), mix
        assert not is_completed_with_errors(JobStatus(verdict.status), run.counts), mix
