"""How many rows of a range are whose, told by counts where they do and else by the bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchyard.domain.scoring.ledger import Committed
from batchyard.domain.scoring.minibatches import Cut
from batchyard.engine.range_rows import Read, bytes_of, rows_of_mini_batches, value_in_row

CUT = Cut(10, 2)


def committed(*blocks: bytes, rows: int, first: int = 0, **more: object) -> Committed:
    lengths = tuple(map(len, blocks))
    return Committed(first, 1, "1-n0-s0-0.part", 0, lengths, 0, rows, rows, **more)


def reader(*blocks: bytes) -> Read:
    content = b"".join(blocks)

    def read(offset: int, size: int) -> Iterator[bytes]:
        for at in range(offset, offset + size, 3):
            yield content[at : min(at + 3, offset + size)]

    return read


def test_one_mini_batch_has_all_rows_and_a_row_for_each_item_needs_no_bytes() -> None:
    assert rows_of_mini_batches(committed(b"abc", rows=7), CUT, None) == [7]
    assert rows_of_mini_batches(committed(b"a", b"b", b"c", rows=6), CUT, None) == [2, 2, 2]


@pytest.mark.parametrize(
    ("blocks", "rows", "shared"),
    [
        ((b"a\nb\nc\n", b"d\n"), 4, [3, 1]),
        ((b'"a\nb"\nc\n', b"d\n"), 3, [2, 1]),
        ((b'say "x\n', b""), 1, [1, 0]),
    ],
)
def test_otherwise_rows_are_counted_in_the_bytes(blocks: tuple[bytes, ...], rows: int, shared: list[int]) -> None:
    record = committed(*blocks, rows=rows, short=((0, 1),))
    assert rows_of_mini_batches(record, CUT, reader(*blocks)) == shared
    assert rows_of_mini_batches(record, CUT, None) is None
    assert bytes_of(reader(*blocks), record, 1) == blocks[1]


def test_counts_that_no_reading_gives_are_not_made_up() -> None:
    record = committed(b'x "\n', b"y\n", rows=5)
    assert rows_of_mini_batches(record, CUT, reader(b'x "\n', b"y\n")) is None


def test_a_value_is_read_from_a_row_of_csv_or_json_and_is_none_where_there_is_none() -> None:
    assert value_in_row(b'a,"x\ny"\nb,z\n', 1, 0, "item", is_csv=True) == "b"
    assert value_in_row(b'{"item": "a"}\n{"item": "b"}\n', 1, 0, "item", is_csv=False) == "b"
    for content, row in ((b"", 0), (b"a\n", 3), (b"a\n", 0)):
        assert value_in_row(content, row, 1, "item", is_csv=True) is None
        assert value_in_row(content, row, 1, "item", is_csv=False) is None
