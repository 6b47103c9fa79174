"""The counts of a job on the wire."""

from __future__ import annotations

from batchyard.domain.jobs import Counts

COUNTS = {
    "items": "items",
    "succeeded": "succeeded",
    "failed": "failed",
    "skipped": "skipped",
    "incomplete": "incomplete",
    "rows": "rows",
    "mini_batches": "miniBatches",
    "mini_batches_succeeded": "miniBatchesSucceeded",
    "mini_batches_failed": "miniBatchesFailed",
    "attempts": "attempts",
}
"""What `job show` calls each count -> what JSON calls it; the names of the first are those of the domain."""


def counts_to_arm(counts: Counts) -> dict[str, int]:
    """Give the counts of a job as JSON has them."""
    return {key: getattr(counts, name) for name, key in COUNTS.items()}
