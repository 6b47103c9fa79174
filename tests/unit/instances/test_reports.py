"""Reports of workers, read and checked."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from batchyard.domain.scoring_events import Failure, Lease, Worker
from batchyard.instances.reports import read_done, read_start_failure
from batchyard_runtime.frames import BadFrame
from batchyard_runtime.tally import Tally

WORKER = Worker("n0", 0, 0)
LEASE = Lease(id=7, first=10, count=4)


def finish(tally: Tally, mini_batch: int, *, items: int, rows: int, length: int) -> None:
    """Count a mini-batch as the worker's loop does."""
    tally.segment.lengths.append(length)
    tally.segment.items += items
    if rows != items:
        tally.segment.uneven(mini_batch, items=items, rows=rows)


def read(header: dict[str, Any], body: bytes) -> Any:  # Any: the event under test
    return read_done(header, body, worker=WORKER, lease=LEASE, part="1-n0-s0-0.part")


def frame(**changed: Any) -> tuple[dict[str, Any], bytes]:
    """A report of mini-batches 10 and 11 finished, 12 failed, 13 finished."""
    tally = Tally(10, 17)
    finish(tally, 10, items=2, rows=2, length=5)
    finish(tally, 11, items=2, rows=1, length=3)
    tally.segment.wrote_files(11, "1-n0-s0-0/1")
    tally.failed(12, ("script", "ValueError", "bad", "stack"), crc=99, offset=25)
    finish(tally, 13, items=2, rows=5, length=0)
    header, body = tally.report(7, crc=0, seconds=0.5)
    return {**header, **changed}, body


def test_a_whole_report_becomes_segments_and_failures() -> None:
    event = read(*frame())
    first, second = event.segments
    assert (first.first, first.offset, first.lengths, first.crc, first.rows, first.succeeded) == (
        10,
        17,
        (5, 3),
        99,
        3,
        3,
    )
    assert (first.short, first.files) == (((11, 1),), ((11, "1-n0-s0-0/1"),))
    assert (second.first, second.offset, second.lengths, second.rows, second.succeeded) == (13, 25, (0,), 5, 2)
    assert event.failures == (Failure(12, event.failures[0].error_class, "ValueError", "bad", "stack"),)


@pytest.mark.parametrize(
    "changed",
    [
        {"lease": 8},
        {"failures": []},
        {"failures": [[12, "nobody's", "E", "m", "s"]]},
        {"segments": []},
        {"segments": [[10, 3, 17, 1, 3, 3, [], []]]},
        {"segments": [[10, 2, 17, 1, 3, 3, [], []], [13, 1, 20, 0, 5, 2, [], []]]},
        {"seconds": None},
    ],
)
def test_a_report_that_cannot_be_true_is_a_bad_frame(changed: dict[str, Any]) -> None:
    header, body = frame(**changed)
    with pytest.raises(BadFrame):
        read(header, body)


def test_a_report_of_more_than_the_lease_is_a_bad_frame() -> None:
    tally = Tally(10, 0)
    for mini_batch in range(10, 15):
        finish(tally, mini_batch, items=1, rows=1, length=1)
    with pytest.raises(BadFrame, match="does not have"):
        read(*tally.report(7, crc=0, seconds=0))


def test_row_lengths_that_are_torn_are_a_bad_frame() -> None:
    header, body = frame()
    with pytest.raises(BadFrame):
        read(header, body[:-1])
    with pytest.raises(BadFrame):
        read(header, body + array("Q", [1]).tobytes())


def test_a_start_failure_without_its_words_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame):
        read_start_failure({"kind": "start_failed", "stage": "init"})
