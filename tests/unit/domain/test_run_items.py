"""Too little memory: how soon a size that works is found, that nobody is charged, and that it is kept."""

from __future__ import annotations

import pytest

from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, RunLimited, Verdict
from tests.unit.domain.test_isolation import OneWorker, Script, rules


@pytest.mark.parametrize(("holds", "failures"), [(64, 0), (63, 1), (10, 3), (1, 6)])
def test_a_size_that_works_is_found_by_halving_and_used_from_then_on(holds: int, failures: int) -> None:
    script = Script(holds=holds)
    job = OneWorker(rules(64 * 5, 64), script)
    tally = job.run()
    assert tally.verdict == Verdict("Completed")
    assert script.out_of_memory == failures
    assert not any(isinstance(record, AttemptFailed) for record in job.ledger)
    assert tally.counts.run_items == (64 >> failures if failures else 0)
    assert tally.counts.attempts == 5 + failures


def test_a_job_that_begins_with_what_was_learned_fails_nothing() -> None:
    script = Script(holds=8)
    job = OneWorker(rules(128, 64, run_items=8), script)
    tally = job.run()
    assert script.out_of_memory == 0
    assert tally.counts.run_items == 8
    assert [record for record in job.ledger if isinstance(record, RunLimited)] == [RunLimited(8)]


def test_a_new_owner_goes_on_with_what_was_learned() -> None:
    first = OneWorker(rules(128, 64), Script(holds=8))
    while not any(isinstance(record, Committed) for record in first.ledger):
        first.step()
    script = Script(holds=8)
    OneWorker(rules(128, 64), script, list(first.ledger)).run()
    assert script.out_of_memory == 0


def test_one_item_that_is_too_large_is_charged_tried_again_and_found() -> None:
    job = OneWorker(rules(128, 64, retries=1), Script(large={70}))
    counts = job.run().counts
    assert job.failed == [70]
    assert (counts.succeeded, counts.failed) == (127, 1)
    (given_up,) = [record for record in job.ledger if isinstance(record, FailedItems)]
    assert given_up.error_class == "memory"
