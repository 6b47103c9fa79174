"""What a ledger adds up to: counts, settled mini-batches, open attempts, the verdict and why a job failed.

Pure bookkeeping over the records in their order; what to do about it is decided in `scoring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, JobError
from batchyard.domain.ledger import AttemptFailed, Committed, FailedItems, Lost, Planned, Record, Verdict
from batchyard.domain.minibatches import Cut, RangeSet


class Tally:
    """The running sum of a ledger.

    counts: so far. settled: mini-batches that need no more work. open_attempts: mini-batch -> its last failed attempt,
    for those not settled. verdict: once scoring ended.
    """

    def __init__(self) -> None:
        self.cut: Cut | None = None
        self.counts = Counts()
        self.settled = RangeSet()
        self.first_failure: AttemptFailed | None = None
        self.verdict: Verdict | None = None
        self.open_attempts: dict[int, AttemptFailed] = {}

    def apply(self, record: Record) -> None:
        """Take one more record of the ledger, in order."""
        if isinstance(record, Committed):
            self._commit(record)
        elif isinstance(record, AttemptFailed):
            self._fail(record)
        elif isinstance(record, FailedItems):
            self._give_up(record)
        elif isinstance(record, Lost):
            self._lose(record)
        elif isinstance(record, Planned):
            self.cut = Cut(record.items, record.mini_batch_size)
            self.counts = replace(self.counts, items=record.items, mini_batches=self.cut.mini_batches)
        elif isinstance(record, Verdict):
            self.verdict = record

    def _commit(self, record: Committed) -> None:
        count, c = len(record.lengths), self.counts
        self.settled.add(record.first, record.stop)
        if self.open_attempts:
            for mini_batch in [m for m in self.open_attempts if record.first <= m < record.stop]:
                del self.open_attempts[mini_batch]
        self.counts = replace(
            c,
            succeeded=c.succeeded + record.succeeded,
            failed=c.failed + sum(missing for _, missing in record.short),
            rows=c.rows + record.rows,
            mini_batches_succeeded=c.mini_batches_succeeded + count,
            attempts=c.attempts + count,
        )

    def _fail(self, record: AttemptFailed) -> None:
        self.first_failure = self.first_failure or record
        if record.mini_batch >= 0:  # Below zero: an import or init() that failed, which charges nobody.
            self.open_attempts[record.mini_batch] = record
            self.counts = replace(self.counts, attempts=self.counts.attempts + 1)

    def _give_up(self, record: FailedItems) -> None:
        c = self.counts
        self.settled.add(record.mini_batch, record.mini_batch + 1)
        self.open_attempts.pop(record.mini_batch, None)
        self.counts = replace(c, failed=c.failed + record.count, mini_batches_failed=c.mini_batches_failed + 1)

    def _lose(self, record: Lost) -> None:
        c = self.counts
        self.settled.remove(record.first, record.first + record.mini_batches)
        self.counts = replace(
            c,
            succeeded=c.succeeded - record.succeeded,
            failed=c.failed - record.short_items,
            rows=c.rows - record.rows,
            mini_batches_succeeded=c.mini_batches_succeeded - record.mini_batches,
        )


def job_error(tally: Tally, *, item_names: Mapping[int, str] | None = None) -> JobError | None:
    """Say why a job ended Failed, with its first failing item; None without a verdict of Failed.

    item_names: position -> item, for the position that `first_failing_position` gives.
    """
    verdict, failure = tally.verdict, tally.first_failure
    if verdict is None or verdict.status != JobStatus.FAILED.value:
        return None
    if failure is None:
        return JobError(verdict.code, verdict.reason, ErrorClass.DATA)
    position = first_failing_position(tally)
    return JobError(
        verdict.code,
        verdict.reason,
        ErrorClass(failure.error_class),
        item=None if position is None else (item_names or {}).get(position),
        position=position,
        mini_batch=failure.mini_batch if failure.mini_batch >= 0 else None,
        exception=f"{failure.error}: {failure.message}",
        stack=failure.stack,
        log=_log_of(failure),
    )


def first_failing_position(tally: Tally) -> int | None:
    """The position in the listing of the first item of the first mini-batch that failed; None when none did."""
    if tally.first_failure is None or tally.first_failure.mini_batch < 0 or tally.cut is None:
        return None
    return tally.cut.bounds(tally.first_failure.mini_batch)[0]


def _log_of(failure: AttemptFailed) -> str:
    """The log to read: the script's exception, or, where the worker was killed or died without one, its stderr."""
    node = failure.worker.split("-", 1)[0]
    if failure.stack:
        return f"logs/user/error/{node}/{failure.worker}.txt"
    return f"logs/user/stderr/{node}/{failure.worker}.stderr.txt"
