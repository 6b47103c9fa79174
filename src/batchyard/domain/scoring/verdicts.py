"""How a job ends by its counts: a budget is exceeded, or everything is done."""

from __future__ import annotations

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts
from batchyard.domain.scoring.budgets import Limits
from batchyard.domain.scoring.ledger import Verdict

# Azure: the words of its own run-time (C.5), so that searching for them finds help.
NO_SUCCESS = "There is no succeeded mini batch item returned from run()."


def verdict_of(counts: Counts, limits: Limits, *, is_settled: bool) -> Verdict | None:
    """Give the verdict that these counts call for, or None. is_settled: the ledger has everything that ran."""
    breach = limits.breach(counts)
    if breach is not None:
        return Verdict(JobStatus.FAILED.value, breach.code, breach.reason)
    if counts.mini_batches_done < counts.mini_batches or not is_settled:
        return None
    if counts.succeeded == 0:
        reason = f"{NO_SUCCESS} {counts.failed} of {counts.items} items failed."
        return Verdict(JobStatus.FAILED.value, "NoItemSucceeded", reason)
    return Verdict(JobStatus.COMPLETED.value)
