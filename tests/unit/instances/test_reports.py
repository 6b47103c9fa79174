"""Reports of workers, read and checked."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from batchyard.domain.scoring.events import Failure, Lease, Worker
from batchyard.instances.reports import read_done, read_start_failure
from batchyard_runtime.frames import BadFrame
from batchyard_runtime.tally import Tally

WORKER = Worker("n0", 0, 0)
LEASE = Lease(id=7, first=10, count=4)


def read(header: dict[str, Any], body: bytes) -> Any:  # Any: the event under test
    return read_done(header, body, worker=WORKER, lease=LEASE, part="1-n0-s0-0.part")


def finish(tally: Tally, items: int, rows: int, length: int) -> None:
    """Count a finished mini-batch as the worker's loop does."""
    tally.segment.lengths.append(length)
    tally.segment.items += items
    tally.segment.surplus += max(0, rows - items)


def frame(**changed: Any) -> tuple[dict[str, Any], bytes]:
    """A report of mini-batches 10 and 11 finished, 11 short, 12 failed, 13 finished."""
    tally = Tally(10, 17)
    finish(tally, 2, 2, 5)
    finish(tally, 2, 1, 3)
    tally.set_apart(11, 2, 1, crcs=(99, 88), offset=22).wrote_files(11, "1-n0-s0-0/1")
    tally.failed(12, ("script", "ValueError", "bad", "stack"), crc=0, offset=25)
    finish(tally, 2, 5, 0)
    header, body = tally.report(7, crc=0, seconds=0.5, places=None)
    return {**header, **changed}, body


def test_a_whole_report_becomes_segments_and_failures() -> None:
    event = read(*frame())
    first, short, last = event.segments
    assert (first.first, first.offset, first.lengths, first.crc, first.rows, first.succeeded) == (
        10,
        17,
        (5,),
        99,
        2,
        2,
    )
    assert (short.first, short.offset, short.lengths, short.crc, short.rows, short.succeeded) == (
        11,
        22,
        (3,),
        88,
        1,
        1,
    )
    assert (short.short, short.files) == (((11, 1),), ((11, "1-n0-s0-0/1"),))
    assert (last.first, last.offset, last.lengths, last.rows, last.succeeded) == (13, 25, (0,), 5, 2)
    assert event.failures == (Failure(12, event.failures[0].error_class, "ValueError", "bad", "stack"),)


@pytest.mark.parametrize(
    "changed",
    [
        {"lease": 8},
        {"failures": []},
        {"failures": [[12, "nobody's", "E", "m", "s"]]},
        {"segments": []},
        {"segments": [[10, 3, 17, 1, 3, 3, [], [], 1]]},
        {"segments": [[10, 2, 17, 1, 3, 3, [], [], 1], [13, 1, 20, 0, 5, 2, [], [], 1]]},
        {"segments": [[10, 2, 17, 1, 3, 3, [], [], 1], [12, 2, 20, 0, 5, 2, [], [], 1]], "failures": []},
        {"segments": [[10, 2, 17, 1, 3, 3, [], [], 1], [13, 1, 25, 0, 5, 2, [], [], 0]]},
        {"seconds": None},
    ],
)
def test_a_report_that_cannot_be_true_is_a_bad_frame(changed: dict[str, Any]) -> None:
    header, body = frame(**changed)
    with pytest.raises(BadFrame):
        read(header, body)


def test_segments_may_lie_in_several_part_files_each_from_its_front_to_its_end() -> None:
    places = [[10, 1, 17, 1, 3, 2, [], [], 1], [11, 1, 40, 1, 3, 2, [], [], 3], [13, 1, 22, 0, 5, 2, [], [], 1]]
    event = read(*frame(segments=places))
    assert [segment.part for segment in event.segments] == ["1-n0-s0-0.part", "1-n0-s0-0.3.part", "1-n0-s0-0.part"]
    places[2][2] = 21
    with pytest.raises(BadFrame):
        read(*frame(segments=places))


def test_a_report_of_more_than_the_lease_is_a_bad_frame() -> None:
    tally = Tally(10, 0)
    for _ in range(10, 15):
        finish(tally, 1, 1, 1)
    with pytest.raises(BadFrame, match="does not have"):
        read(*tally.report(7, crc=0, seconds=0, places=None))


def test_row_lengths_that_are_torn_are_a_bad_frame() -> None:
    header, body = frame()
    with pytest.raises(BadFrame):
        read(header, body[:-1])
    with pytest.raises(BadFrame):
        read(header, body + array("Q", [1]).tobytes())


def test_a_start_failure_without_its_words_is_a_bad_frame() -> None:
    with pytest.raises(BadFrame):
        read_start_failure({"kind": "start_failed", "stage": "init"})


@pytest.mark.parametrize(
    "folder", ["../../jobs/other", "1-n0-s1-1/1", "1-n0-s0-0/../1-n0-s1-1", "1-n0-s0-0", "/elsewhere/1"]
)
def test_a_report_of_files_in_a_folder_that_is_not_the_workers_is_a_bad_frame(folder: str) -> None:
    """What the script has got to write into its worker's channel would be published."""
    header, body = frame()
    first, short, last = header["segments"]
    header["segments"] = [first, [*short[:7], [[11, folder]], *short[8:]], last]
    with pytest.raises(BadFrame, match="cannot be read"):
        read(header, body)
