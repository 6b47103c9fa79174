"""The ledger's bytes: what was written reads back, and a file cut anywhere is a valid earlier state."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.scoring.ledger import (
    MAGIC,
    AttemptFailed,
    Committed,
    FailedItems,
    Lost,
    Opened,
    Planned,
    Record,
    Resumed,
    Verdict,
    encode,
    read,
    valid_bytes,
)
from batchyard.domain.scoring.tally import Tally

texts = st.text(max_size=30)
numbers = st.integers(0, 2**40)
pairs = st.lists(st.tuples(numbers, st.integers(1, 9)), max_size=3).map(tuple)

RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(Opened, st.integers(1, 9), st.dictionaries(st.sampled_from("123"), numbers)),
    st.builds(Planned, numbers, st.integers(1, 100), texts, st.floats(0, 2e9), texts),
    st.builds(
        Committed,
        first=numbers,
        attempt=st.integers(1, 9),
        part=texts,
        offset=numbers,
        lengths=st.lists(numbers, min_size=1, max_size=5).map(tuple),
        crc=st.integers(0, 2**32 - 1),
        rows=numbers,
        succeeded=numbers,
        short=pairs,
        files=st.lists(st.tuples(numbers, texts), max_size=2).map(tuple),
    ),
    st.builds(AttemptFailed, numbers, st.integers(1, 9), texts, texts, texts, texts, texts),
    st.builds(FailedItems, numbers, numbers, st.integers(1, 9), texts, texts, texts, texts),
    st.builds(Lost, numbers, st.integers(1, 9), texts, numbers, numbers, numbers, numbers),
    st.builds(Resumed, st.integers(2, 9), st.dictionaries(st.sampled_from(["error_threshold", "timeout_s"]), numbers)),
    st.builds(Verdict, st.sampled_from(["Completed", "Failed", "Canceled"]), texts, texts),
)


def file_of(records: list[Record]) -> bytes:
    return MAGIC + b"".join(encode(record) for record in records)


@given(st.lists(RECORDS, max_size=8))
def test_what_was_written_reads_back(records: list[Record]) -> None:
    content = file_of(records)
    found = list(read(io.BytesIO(content)))
    assert [record for record, _ in found] == records
    assert valid_bytes(io.BytesIO(content)) == len(content)


@given(st.lists(RECORDS, max_size=8), st.data())
def test_a_ledger_cut_at_any_byte_reads_back_as_an_earlier_state(records: list[Record], data: st.DataObject) -> None:
    content = file_of(records)
    cut = content[: data.draw(st.integers(0, len(content)))]
    found = [record for record, _ in read(io.BytesIO(cut))]
    assert found == records[: len(found)]
    whole = valid_bytes(io.BytesIO(cut))
    assert whole <= len(cut)
    assert cut[:whole] == b"" if whole == 0 else cut[:whole] == file_of(records[: len(found)])


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
def test_a_damaged_byte_ends_reading_before_it(records: list[Record], data: st.DataObject) -> None:
    content = bytearray(file_of(records))
    at = data.draw(st.integers(len(MAGIC), len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    found = [record for record, _ in read(io.BytesIO(bytes(content)))]
    assert found == records[: len(found)]
    assert len(found) < len(records)


@given(st.lists(RECORDS, max_size=6), st.binary(max_size=40))
def test_what_a_sleeping_owner_appends_later_counts_for_nothing(records: list[Record], late: bytes) -> None:
    content = file_of(records)
    found = [record for record, _ in read(io.BytesIO(content + late), limit=len(content))]
    assert found == records


def test_a_lost_range_takes_its_counts_back() -> None:
    committed = Committed(0, 1, "1-n0-s0-0.part", 20, (5, 5), 7, 2, 1, short=((1, 1),))
    tally = Tally()
    tally.apply(Planned(4, 1, "", 0.0))
    tally.apply(committed)
    assert (tally.counts.succeeded, tally.counts.failed, tally.counts.rows) == (1, 1, 2)
    tally.apply(Lost(0, 2, committed.part, committed.offset, 2, 1, 1))
    assert (tally.counts.succeeded, tally.counts.failed, tally.counts.rows) == (0, 0, 0)
    assert list(tally.settled) == []
    assert tally.counts.incomplete == 4
