"""How a job ends that scored everything: completed, unless nothing succeeded at all."""

from __future__ import annotations

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.jobs import Counts
from batchyard.domain.scoring.budgets import Limits
from batchyard.domain.scoring.verdicts import NO_SUCCESS, verdict_of

TOLERATES_ALL = Limits(ExecutionSettings(), items=4, mini_batches=2)


def test_a_job_of_which_nothing_succeeded_fails_however_many_failures_are_tolerated() -> None:
    counts = Counts(items=4, failed=4, mini_batches=2, mini_batches_failed=2)

    verdict = verdict_of(counts, TOLERATES_ALL, is_settled=True)

    assert verdict is not None
    assert (verdict.status, verdict.code) == ("Failed", "NoItemSucceeded")
    # Azure's own words, so that searching for them finds help.
    assert verdict.reason == f"{NO_SUCCESS} 4 of 4 items failed."


def test_one_item_that_succeeded_completes_a_job_that_tolerates_the_others() -> None:
    counts = Counts(items=4, succeeded=1, failed=3, mini_batches=2, mini_batches_succeeded=1, mini_batches_failed=1)

    verdict = verdict_of(counts, TOLERATES_ALL, is_settled=True)

    assert verdict is not None
    assert verdict.status == "Completed"
