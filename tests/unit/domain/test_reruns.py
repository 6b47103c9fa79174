"""What a resume means to a ledger: the verdict no longer counts, what failed for good stays failed."""

from __future__ import annotations

from batchyard.domain.ledger import AttemptFailed, Committed, FailedItems, Planned, Record, Resumed, Verdict
from batchyard.domain.minibatches import Cut
from batchyard.domain.scoring import Rules, Scoring
from batchyard.domain.scoring_events import Append, Assign, Instruction, Worker, WorkerReady
from batchyard.domain.tally import Tally, job_error

WORKER = Worker("n0", 0, 1)
FIRST_RUN: list[Record] = [
    Planned(4, 1, "0" * 64, 0.0),
    Committed(0, 1, "p", 0, (2,), 0, 1, 1),
    AttemptFailed(1, 2, "script", "ValueError", "bad", "stack", "n0-s0-1"),
    FailedItems(1, 1, 2, "script", "ValueError", "bad", "stack"),
    AttemptFailed(2, 1, "script", "ValueError", "bad", "stack", "n0-s0-1"),
    Verdict("Failed", "ErrorThresholdExceeded", "too many"),
]


def tally_of(records: list[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.apply(record)
    return tally


def resumed(*, threshold: int) -> tuple[Scoring, list[Instruction]]:
    """Give a run that goes on from the first one, with one worker ready, and what it wants done."""
    rules = Rules(cut=Cut(4, 1), max_attempts=2, error_threshold=threshold, one_by_one=True, slots=1)
    state = Scoring(rules, tally_of([*FIRST_RUN, Resumed(2)]))
    return state, [*state.begin(), *state.handle(WorkerReady(WORKER, 0.0))]


def test_only_what_is_missing_is_handed_out_with_all_its_attempts() -> None:
    _, instructions = resumed(threshold=-1)
    leases = [i.lease for i in instructions if isinstance(i, Assign)]
    assert [(lease.first, lease.count, lease.attempt) for lease in leases][:1] == [(2, 1, 1)]


def test_what_failed_for_good_still_counts_against_the_threshold() -> None:
    _, instructions = resumed(threshold=0)
    (append,) = [i for i in instructions if isinstance(i, Append)]
    assert isinstance(append.records[0], Verdict)
    assert append.records[0].code == "ErrorThresholdExceeded"


def test_counts_and_the_first_failing_item_survive() -> None:
    before, after = tally_of(FIRST_RUN), tally_of([*FIRST_RUN, Resumed(2)])
    assert (after.counts, after.run, after.verdict) == (before.counts, 2, None)
    error = job_error(tally_of([*FIRST_RUN, Resumed(2), Verdict("Failed", "X", "again")]))
    assert error is not None
    assert error.mini_batch == 1


def test_a_start_that_failed_in_the_run_before_is_no_reason_for_how_this_one_ends() -> None:
    start = AttemptFailed(-1, 3, "script", "ImportError", "no", "stack", "n0-s0-3")
    tally = tally_of([FIRST_RUN[0], start, Verdict("Failed", "ScriptStartFailed", "no"), Resumed(2)])
    assert tally.first_failure is None
