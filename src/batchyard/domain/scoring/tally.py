"""What a ledger adds up to: counts, settled mini-batches, open attempts, the verdict and why a job failed.

Pure bookkeeping over the records in their order; what to do about it is decided in `scoring`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from batchyard.domain.failures import SHORT_RESULT, Cause, FailureGroups, FailureReport, log_of
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, JobError
from batchyard.domain.scoring.duration_cap import MAX_DURATION_REACHED
from batchyard.domain.scoring.ledger import (
    AttemptFailed,
    Committed,
    FailedItems,
    Lost,
    Planned,
    Ran,
    Record,
    Resumed,
    RunLimited,
    Slice,
    Split,
    Verdict,
)
from batchyard.domain.scoring.minibatches import Cut, RangeSet
from batchyard.domain.scoring.outcomes import is_whole, short_message
from batchyard.domain.scoring.parts import Parts


class Tally:
    """The running sum of a ledger.

    counts: so far. settled: mini-batches that need no more work. open_attempts: mini-batch -> its last failed attempt,
    for those not settled. unraised: those of them with a failed attempt that was not an exception of `run()`.
    parts: mini-batch -> its parts, for those that were ever divided. has_whole_result: whether a mini-batch of more
    than one item ever gave a row for each. verdict: once scoring ended. failures: items that failed for good, in
    groups; recovered: mini-batches whose attempts failed before one succeeded. run: the job's run that wrote last,
    and ran_s for how long, where that has a cap.
    """

    def __init__(self, open_cut: Callable[[Planned], Cut] | None = None) -> None:
        """open_cut: gives the cut of a plan; needed only where a plan's mini-batches may be cut by bytes."""
        self._open_cut = open_cut or _cut_by_size
        self.cut: Cut | None = None
        self.counts = Counts()
        self.settled = RangeSet()
        self.first_failure: AttemptFailed | None = None
        self.verdict: Verdict | None = None
        self.run = 1
        self.ran_s = 0.0
        self.open_attempts: dict[int, AttemptFailed] = {}
        self.failures = FailureGroups()
        self.recovered = FailureGroups()
        self.unraised: set[int] = set()
        self.parts: dict[int, Parts] = {}
        self.has_whole_result = False
        self._given_up = RangeSet()
        self._short_items = self._short_mini_batches = 0

    def apply(self, record: Record) -> None:
        """Take one more record of the ledger, in order."""
        if isinstance(record, Committed):
            self._commit(record)
        elif isinstance(record, AttemptFailed):
            self._fail(record)
        elif isinstance(record, FailedItems):
            self._give_up(record)
        elif isinstance(record, Split):
            self._forget_attempts(record.mini_batch)
            self.parts.setdefault(record.mini_batch, Parts()).split(record)
        elif isinstance(record, RunLimited):
            attempts = self.counts.attempts + (record.mini_batch >= 0)
            self.counts = replace(self.counts, run_items=record.run_items, attempts=attempts)
        elif isinstance(record, Lost):
            self._lose(record)
        elif isinstance(record, Planned):
            self.cut = self._open_cut(record)
            items = record.items + record.skipped
            self.counts = replace(self.counts, items=items, skipped=record.skipped, mini_batches=self.cut.mini_batches)
        elif isinstance(record, Verdict):
            self.verdict = record
        elif isinstance(record, Ran):
            self.ran_s += record.seconds
        elif isinstance(record, Resumed):
            self._resume(record)

    def _commit(self, record: Committed) -> None:
        count, c = len(record.lengths), self.counts
        for mini_batch, missing in record.short:
            self._count_short(record, mini_batch, missing)
            self._short_items, self._short_mini_batches = self._short_items + missing, self._short_mini_batches + 1
        self.counts = replace(
            c,
            succeeded=c.succeeded + record.succeeded,
            failed=c.failed + sum(missing for _, missing in record.short),
            rows=c.rows + record.rows,
            mini_batches_succeeded=c.mini_batches_succeeded + (count if record.items is None else 0),
            attempts=c.attempts + count,
        )
        if record.items is not None:
            self._settle_part(record, record.items)
            return
        self.settled.add(record.first, record.stop)
        for mini_batch in [m for m in self.open_attempts if record.first <= m < record.stop]:
            self._count(self.recovered, self.open_attempts[mini_batch])
            self._forget_attempts(mini_batch)
        self.has_whole_result = self.has_whole_result or is_whole(record)

    def _fail(self, record: AttemptFailed) -> None:
        self.first_failure = self.first_failure or record
        if record.mini_batch < 0:  # An import or init() that failed, which charges nobody.
            return
        self.counts = replace(self.counts, attempts=self.counts.attempts + 1)
        if record.items is not None:
            self.parts[record.mini_batch].fail(record, record.items)
            return
        self.open_attempts[record.mini_batch] = record
        if not record.is_raised:
            self.unraised.add(record.mini_batch)

    def _give_up(self, record: FailedItems) -> None:
        self.counts = replace(self.counts, failed=self.counts.failed + record.count)
        self._count(self.failures, record)
        if record.items is not None:
            self._settle_part(record, record.items)
            return
        self.settled.add(record.mini_batch, record.mini_batch + 1)
        self._given_up.add(record.mini_batch, record.mini_batch + 1)
        self._forget_attempts(record.mini_batch)
        self._count_mini_batches(failed=1)

    def _resume(self, record: Resumed) -> None:
        """Somebody has looked at why the run ended: what it left open is tried as often as at first."""
        self.run, self.verdict, self.ran_s = record.run, None, 0.0
        self.open_attempts.clear()
        self.unraised.clear()
        for parts in self.parts.values():
            parts.forget_failures()
        if self.first_failure is not None and self.first_failure.mini_batch < 0:
            self.first_failure = None  # A start that failed is no reason for how the next run ends.
        if record.retries_failed:
            self._retry_failed()

    def _retry_failed(self) -> None:
        """Open again what has failed for good; a result that is too short names no items, and stays."""
        self.first_failure, items = None, 0
        for first, stop in self._given_up:
            start, end = self._bounds(first, None)[0], self._bounds(stop - 1, None)[1]
            items += end - start
            self.settled.remove(first, stop)
            self._count_mini_batches(failed=first - stop)
        self._given_up = RangeSet()
        for mini_batch, parts in self.parts.items():
            if not parts.has_failed:
                continue
            if not parts.open:
                self.settled.remove(mini_batch, mini_batch + 1)
                self._count_mini_batches(failed=-1)
            items += parts.retry()
        self.counts = replace(self.counts, failed=self.counts.failed - items)
        self.failures.retry(short_items=self._short_items, short_mini_batches=self._short_mini_batches)

    def _lose(self, record: Lost) -> None:
        c = self.counts
        if record.short_items:
            self._short_items -= record.short_items
            self._short_mini_batches -= record.short_mini_batches
            self.failures.lose_short(record.short_items, record.short_mini_batches)
        self.counts = replace(
            c,
            succeeded=c.succeeded - record.succeeded,
            failed=c.failed - record.short_items,
            rows=c.rows - record.rows,
        )
        if record.items is None:
            self.settled.remove(record.first, record.first + record.mini_batches)
            self._count_mini_batches(succeeded=-record.mini_batches)
            return
        parts = self.parts[record.first]
        if parts.lose(record, record.items):
            self.settled.remove(record.first, record.first + 1)
            self._count_in_parts(parts, -1)

    def _settle_part(self, record: Committed | FailedItems, items: Slice) -> None:
        mini_batch = record.first if isinstance(record, Committed) else record.mini_batch
        parts = self.parts[mini_batch]
        if parts.settle(record, items):
            self.settled.add(mini_batch, mini_batch + 1)
            self._count_in_parts(parts, 1)

    def _count_in_parts(self, parts: Parts, count: int) -> None:
        """A mini-batch in parts has failed when any of its items has: every try of the whole had failed too."""
        if parts.has_failed:
            self._count_mini_batches(failed=count)
        else:
            self._count_mini_batches(succeeded=count)

    def _count_mini_batches(self, *, succeeded: int = 0, failed: int = 0) -> None:
        c = self.counts
        self.counts = replace(
            c,
            mini_batches_succeeded=c.mini_batches_succeeded + succeeded,
            mini_batches_failed=c.mini_batches_failed + failed,
        )

    def _forget_attempts(self, mini_batch: int) -> None:
        self.open_attempts.pop(mini_batch, None)
        self.unraised.discard(mini_batch)

    def _count(self, groups: FailureGroups, record: AttemptFailed | FailedItems) -> None:
        attempts = record.attempts if isinstance(record, FailedItems) else record.attempt
        cause = Cause(record.error_class, record.error, record.message, record.stack, record.worker, attempts)
        first, stop = self._bounds(record.mini_batch, record.items)
        groups.add(cause, mini_batch=record.mini_batch, first=first, stop=stop, is_part=record.items is not None)

    def _count_short(self, record: Committed, mini_batch: int, missing: int) -> None:
        first, stop = self._bounds(mini_batch, record.items)
        message = short_message(stop - first, missing)
        cause = Cause(ErrorClass.DATA.value, SHORT_RESULT, message, worker=record.worker, attempts=record.attempt)
        is_part = record.items is not None
        self.failures.add(cause, mini_batch=mini_batch, first=first, stop=stop, items=missing, is_part=is_part)

    def _bounds(self, mini_batch: int, items: Slice | None) -> tuple[int, int]:
        return (mini_batch, mini_batch + 1) if self.cut is None else self.cut.bounds(mini_batch, items)


def failure_report(tally: Tally, name_of: Callable[[int], str] | None = None) -> FailureReport:
    """Give the failures so far, in groups. name_of: the item at a position; None leaves samples unnamed."""
    return FailureReport(tally.failures.groups(name_of), tally.recovered.groups(name_of))


def _cut_by_size(planned: Planned) -> Cut:
    if planned.starts:
        raise ValueError(f"{planned.starts} says where mini-batches begin, and nobody reads it here")
    return Cut(planned.items, planned.mini_batch_size)


def job_error(tally: Tally, *, item_names: Mapping[int, str] | None = None) -> JobError | None:
    """Say why a job ended Failed, with its first failing item; None without a verdict of Failed.

    item_names: position -> item, for the position that `first_failing_position` gives.
    """
    verdict, failure = tally.verdict, tally.first_failure
    if verdict is None or verdict.status != JobStatus.FAILED.value:
        return None
    position = first_failing_position(tally)
    item = None if position is None else (item_names or {}).get(position)
    if verdict.mini_batch is not None:
        return JobError(
            verdict.code,
            verdict.reason,
            ErrorClass.TIMEOUT,
            item=item,
            position=position,
            mini_batch=verdict.mini_batch,
            log=log_of(verdict.worker, stack=""),
        )
    if verdict.code == MAX_DURATION_REACHED:
        return JobError(verdict.code, verdict.reason, ErrorClass.TIMEOUT)  # No item is to blame.
    if failure is None:
        return JobError(verdict.code, verdict.reason, ErrorClass.DATA)
    return JobError(
        verdict.code,
        verdict.reason,
        ErrorClass(failure.error_class),
        item=item,
        position=position,
        mini_batch=failure.mini_batch if failure.mini_batch >= 0 else None,
        exception=f"{failure.error}: {failure.message}",
        stack=failure.stack,
        log=log_of(failure.worker, stack=failure.stack),
    )


def first_failing_position(tally: Tally) -> int | None:
    """The position in the listing of the first item of the mini-batch to blame: the verdict's, or the first that
    failed; None when there is none."""
    if tally.verdict is not None and tally.verdict.mini_batch is not None and tally.cut is not None:
        return tally.cut.bounds(tally.verdict.mini_batch)[0]
    if tally.first_failure is None or tally.first_failure.mini_batch < 0 or tally.cut is None:
        return None
    return tally.cut.bounds(tally.first_failure.mini_batch, tally.first_failure.items)[0]
