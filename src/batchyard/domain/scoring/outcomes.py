"""What workers reported, as records of the ledger. Nothing here decides which of them are written."""

from __future__ import annotations

from batchyard.domain.failures import SHORT_RESULT
from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import Failure, Lease, Segment, Worker
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, RunLimited, Slice


def committed(segment: Segment, lease: Lease) -> Committed:
    """The record of what was scored."""
    return Committed(
        first=segment.first,
        attempt=lease.attempt,
        part=segment.part,
        offset=segment.offset,
        lengths=segment.lengths,
        crc=segment.crc,
        rows=segment.rows,
        succeeded=segment.succeeded,
        short=segment.short,
        files=segment.files,
        items=lease.items,
    )


def attempt_failed(failure: Failure, lease: Lease, worker: Worker, *, is_raised: bool) -> AttemptFailed:
    """The record that charges an attempt. is_raised: `run()` raised it, and the worker lived on to tell."""
    return AttemptFailed(
        failure.mini_batch,
        lease.attempt,
        failure.error_class.value,
        failure.error,
        failure.message,
        failure.stack,
        worker.name,
        is_raised,
        lease.items,
    )


def run_limited(failure: Failure, lease: Lease, worker: Worker, *, run_items: int) -> RunLimited:
    """The record of an attempt that had too little memory, and with how many items of one `run()` it goes on."""
    what = (failure.mini_batch, lease.attempt, failure.error, failure.message, worker.name)
    return RunLimited(run_items, *what, lease.items)


def is_whole(result: Segment | Committed) -> bool:
    """Whether a mini-batch of more than one item gave a row for each: short results are not just the script's way."""
    return not result.short and result.succeeded > len(result.lengths)


def short_result(segment: Segment, lease: Lease, worker: Worker, *, items: int) -> AttemptFailed:
    """A short result as a failed attempt: its rows count for nothing, those of its parts will.

    items: of the whole mini-batch.
    """
    given = lease.items[1] - lease.items[0] if lease.items else items
    failure = Failure(segment.first, ErrorClass.DATA, SHORT_RESULT, short_message(given, given - segment.rows))
    return attempt_failed(failure, lease, worker, is_raised=True)


def short_message(given: int, missing: int) -> str:
    """Say that `run()` returned too few elements."""
    return f"run() returned {given - missing} elements for {given} items."


def is_short(failed: AttemptFailed) -> bool:
    """Whether it is a short result, which a second try would only repeat."""
    return failed.error == SHORT_RESULT and failed.error_class == ErrorClass.DATA.value


def given_up(failed: AttemptFailed, *, items: Slice) -> FailedItems:
    """The record that items have failed for good, for the reason of their last attempt. items: which."""
    return FailedItems(
        mini_batch=failed.mini_batch,
        count=items[1] - items[0],
        attempts=failed.attempt,
        error_class=failed.error_class,
        error=failed.error,
        message=failed.message,
        stack=failed.stack,
        worker=failed.worker,
        items=failed.items,
    )
