"""How many items one `run()` is given at most: fewer where memory did not suffice for a whole mini-batch.

A mini-batch that a worker could not hold is run in pieces of half as many items, again and again until one item is
left; that is nobody's fault and costs no attempt. What is learned holds for all that follows, in this job and, through
the records, in later ones of the deployment. The mini-batch stays what is counted, tried again and committed.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchyard.domain.scoring.events import Lease
from batchyard.domain.scoring.minibatches import Cut


@dataclass(frozen=True, slots=True)
class RunLimit:
    """What a job learned and later ones begin with. run_items: items of one `run()`. job: the last that lowered it."""

    run_items: int
    job: str


class RunItems:
    """The limit of one job. limit: items of one `run()`, 0 for whole mini-batches."""

    def __init__(self, cut: Cut, *limits: int) -> None:
        """limits: what is known so far, 0 for nothing."""
        self._cut = cut
        self.limit = min((limit for limit in limits if 0 < limit < cut.size), default=0)

    def halve(self, lease: Lease, mini_batch: int) -> int:
        """A `run()` of this lease took too much memory: give the limit to go on with, 0 when it had one item only."""
        items = lease.items[1] - lease.items[0] if lease.items else self._cut.items_in(mini_batch, 1)
        used = min(lease.run_items or items, items)
        if used == 1:
            return 0
        self.limit = min(self.limit or used, used // 2)
        return self.limit
