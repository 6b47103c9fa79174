"""What a resume means to a ledger: the verdict no longer counts, what failed for good stays failed."""

from __future__ import annotations

from batchyard.domain.scoring.events import Append, Assign, Instruction, Worker, WorkerReady
from batchyard.domain.scoring.ledger import (
    AttemptFailed,
    Committed,
    FailedItems,
    Planned,
    Record,
    Resumed,
    Split,
    Verdict,
    live,
)
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally, job_error

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


def test_a_retry_opens_what_failed_for_good_and_nothing_that_succeeded() -> None:
    tally = tally_of([*FIRST_RUN, Resumed(2, retries_failed=True)])
    assert (tally.counts.failed, tally.counts.mini_batches_failed, tally.counts.succeeded) == (0, 0, 1)
    assert list(tally.settled) == [(0, 1)]
    assert tally.failures.groups() == ()
    assert tally.first_failure is None


def test_only_the_failed_parts_of_a_divided_mini_batch_are_opened() -> None:
    records: list[Record] = [
        Planned(4, 4, "0" * 64, 0.0),
        AttemptFailed(0, 1, "script", "ValueError", "bad", "stack", "n0-s0-1", is_raised=True),
        Split(0, (0, 4), 1),
        Committed(0, 2, "p", 0, (4,), 0, 2, 2, items=(0, 2)),
        Split(0, (2, 4), 2),
        FailedItems(0, 1, 3, "script", "ValueError", "bad", "stack", items=(2, 3)),
        Committed(0, 3, "p", 4, (2,), 0, 1, 1, items=(3, 4)),
        Verdict("Completed"),
    ]
    before = tally_of(records)
    assert (before.counts.failed, before.counts.mini_batches_failed) == (1, 1)
    tally = tally_of([*records, Resumed(2, retries_failed=True)])
    assert (tally.counts.failed, tally.counts.mini_batches_failed, tally.counts.succeeded) == (0, 0, 3)
    state = Scoring(Rules(Cut(4, 4), 1, -1, one_by_one=True, slots=1), tally)
    out = [*state.begin(), *state.handle(WorkerReady(WORKER, 0.0))]
    assert [(i.lease.first, i.lease.items) for i in out if isinstance(i, Assign)] == [(0, (2, 3))]
    tally.apply(Committed(0, 4, "p", 6, (2,), 0, 1, 1, items=(2, 3)))
    assert (tally.counts.succeeded, tally.counts.mini_batches_succeeded, tally.counts.failed) == (4, 1, 0)


def test_a_result_that_is_too_short_names_no_items_and_stays_failed() -> None:
    records: list[Record] = [
        Planned(4, 2, "0" * 64, 0.0),
        Committed(0, 1, "p", 0, (2,), 0, 1, 1, short=((0, 1),)),
        FailedItems(1, 2, 1, "script", "ValueError", "bad", "stack"),
    ]
    tally = tally_of([*records, Resumed(2, retries_failed=True)])
    assert (tally.counts.failed, tally.counts.succeeded) == (1, 1)
    assert [(group.error, group.items) for group in tally.failures.groups()] == [("ShortResult", 1)]


def test_failures_before_a_retry_are_no_part_of_the_output_and_later_ones_are() -> None:
    first = FailedItems(1, 1, 2, "script", "ValueError", "bad", "stack")
    again = FailedItems(1, 1, 1, "script", "ValueError", "still bad", "stack")
    records: list[Record] = [FIRST_RUN[0], first, Resumed(2, retries_failed=True), again, Resumed(3)]
    assert [r for r in live(lambda: records) if isinstance(r, FailedItems)] == [again]
