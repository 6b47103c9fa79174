"""Rows of tables in workers."""

import sys

import pytest

from batchyard_runtime.table_rows import RowNames, need_pandas


def test_an_environment_without_pandas_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match="add pandas to the step's environment"):
        need_pandas()


def test_a_part_of_a_mini_batch_knows_where_its_rows_are() -> None:
    names = RowNames(["a#1", "a#2", "a#3", "a#4"])
    names.first = 10

    part = names[1:][1:3]

    assert (part, part.first, part[0]) == (["a#3", "a#4"], 12, "a#3")
