"""Rows counted from bytes, however they come in pieces."""

from __future__ import annotations

import csv
import io
import random

import pytest

from batchyard.domain.outputs.row_counts import RowCount, count_for

ROWS = [["a", "1"], ["x\ny", 'he said "no"'], ["", "\n\n"], ['"', ",,"], ["last", ""]]


def counted(content: bytes, *, pieces: int) -> RowCount:
    count, chance = RowCount(), random.Random(pieces)
    cuts = sorted(chance.randrange(len(content) + 1) for _ in range(pieces))
    for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True):
        count.take(content[start:stop])
    return count


@pytest.mark.parametrize("pieces", range(12))
def test_rows_of_a_csv_are_counted_without_its_header_and_with_breaks_in_values(pieces: int) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["name", "value"], *ROWS])
    assert count_for("csv", counted(text.getvalue().encode(), pieces=pieces), 0) == len(ROWS)


def test_rows_of_a_text_are_its_lines_or_what_ends_outside_of_quotes() -> None:
    assert count_for("azure_text", counted(b'say "hi\nthere\n', pieces=3), 2) == 2
    assert count_for("azure_text", counted(b'"two\nlines"\none\n', pieces=3), 2) == 2
    assert count_for("", counted(b"a\nb\n", pieces=1), 3) == 2


def test_rows_of_json_lines_are_its_lines_and_those_of_parquet_are_not_counted() -> None:
    assert count_for("jsonl", counted(b'{"a": "x\\ny"}\n{"a": 1}\n', pieces=2), 0) == 2
    assert count_for("parquet", RowCount(), 5) is None
