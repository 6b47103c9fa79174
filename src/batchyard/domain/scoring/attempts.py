"""What becomes of one attempt: committed, tried again, scored in parts, or failed for good.

Decides what is recorded and what waits as a retry; who scores it, and when, is `scoring`'s to say.
"""

from __future__ import annotations

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import Failure, Lease, Segment, Worker
from batchyard.domain.scoring.isolation import Isolation
from batchyard.domain.scoring.ledger import AttemptFailed, Record, Slice, Split
from batchyard.domain.scoring.outcomes import (
    attempt_failed,
    committed,
    given_up,
    is_short,
    is_whole,
    run_limited,
    short_result,
)
from batchyard.domain.scoring.parts import halves
from batchyard.domain.scoring.retries import Retries, Retry
from batchyard.domain.scoring.rules import Rules
from batchyard.domain.scoring.run_items import RunItems
from batchyard.domain.scoring.tally import Tally


class Attempts:
    """The attempts of one job as they end. isolation, run_items, retries: the job's, changed here and by `scoring`."""

    def __init__(self, rules: Rules, tally: Tally, isolation: Isolation, run_items: RunItems, retries: Retries) -> None:
        self._rules, self._tally = rules, tally
        self._isolation, self._run_items, self._retries = isolation, run_items, retries
        self._has_whole_result = tally.has_whole_result

    def finished(self, segment: Segment, lease: Lease, worker: Worker) -> list[Record]:
        """Commit what was scored, save a short result whose missing items can be found."""
        self._has_whole_result = self._has_whole_result or (lease.items is None and is_whole(segment))
        if segment.short and segment.count == 1 and self._rules.isolates_short and self._has_whole_result:
            failed = short_result(segment, lease, worker, items=self._rules.cut.items_in(segment.first, 1))
            if self._isolation.may_divide(failed):
                return [failed, *self.after(failed)]
        self._part_ended(lease.items)
        return [committed(segment, lease)]

    def charge(self, failure: Failure, lease: Lease, worker: Worker, *, is_worker_gone: bool) -> list[Record]:
        """Charge one attempt to a mini-batch or a part: it is tried again, divided, or has failed for good."""
        is_memory = failure.error_class is ErrorClass.MEMORY
        if is_memory and self._run_items.halve(lease, failure.mini_batch):
            self._retries.add(Retry(failure.mini_batch, lease.attempt, needs_fresh=True, items=lease.items))
            return [run_limited(failure, lease, worker, run_items=self._run_items.limit)]
        failed = attempt_failed(failure, lease, worker, is_raised=not is_worker_gone)
        needs_fresh = is_worker_gone or is_memory
        return [failed, *self.after(failed, needs_fresh=needs_fresh)]

    def after(self, failed: AttemptFailed, *, needs_fresh: bool = False) -> list[Record]:
        """Decide what follows a charged attempt; the records that say it."""
        self._isolation.note_attempt(failed)
        self._part_ended(failed.items)
        is_last = failed.items is not None or failed.attempt >= self._rules.max_attempts
        if not is_last and not is_short(failed):
            self._retries.add(Retry(failed.mini_batch, failed.attempt + 1, needs_fresh=needs_fresh))
            return []
        if self._isolation.may_divide(failed) and not self._tally.counts.succeeded:
            self._isolation.park(failed)
            return []
        return self.divided_or_given_up(failed)

    def divided_or_given_up(self, failed: AttemptFailed) -> list[Record]:
        """Go on in halves, or settle what has failed for good; the record that says it."""
        items = self._isolation.items_of(failed)
        if self._isolation.may_divide(failed):
            self._isolation.divided(failed)
            for half in halves(items):
                self._retries.add(Retry(failed.mini_batch, failed.attempt + 1, items=half))
            return [Split(failed.mini_batch, items, failed.attempt)]
        return [given_up(failed, items=items)]

    def _part_ended(self, items: Slice | None) -> None:
        if items is not None:
            self._isolation.part_ended()
