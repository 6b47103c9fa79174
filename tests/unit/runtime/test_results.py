"""The tables of `results` and `tables`: what scripts return, and the text it becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest

from batchyard_runtime import results


def lines(result: Any) -> str:  # Any: whatever a script returns
    """Give the text of a result, after checking that the count is the number of lines."""
    blocks: list[bytes] = []
    rows = results.write(result, blocks.append)
    counted = results.count(result) if not isinstance(result, Iterator) else rows
    assert rows == counted
    return b"".join(blocks).decode()


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ('with "quotes", commas and  spaces', 'with "quotes", commas and  spaces'),
        ('line\nbreak "q"', '"line\nbreak ""q"""'),
        ("carriage\rreturn", '"carriage\rreturn"'),
        ("not utf-8 \udcff", "not utf-8 \\udcff"),
        ("ünï", "ünï"),
        (b"bytes \xff", "bytes \\xff"),
        (bytearray(b"array"), "array"),
        (memoryview(b"view"), "view"),
        (b"a\nb", '"a\nb"'),
        (5, "5"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (float("nan"), "nan"),
        (True, "True"),
        (None, "None"),
        ({"a": 1, "b": "x"}, "{'a': 1, 'b': 'x'}"),
        (("x", 2), "('x', 2)"),
        ([1, 2.5], "[1, 2.5]"),
        (np.float32(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (np.int64(-3), "-3"),
        (np.bool_(True), "True"),
        (np.str_("text"), "text"),
        (np.array([0.1, 0.25]), "[0.1  0.25]"),
        (np.array([1, 2]), "[1 2]"),
    ],
)
def test_element_of_a_list_is_one_line(element: Any, text: str) -> None:
    assert lines([element]) == text + "\n"
    assert lines(["before", element, "after"]) == f"before\n{text}\nafter\n"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, ""),
        ([], ""),
        (("a", "b"), "a\nb\n"),
        ({"only": 1}.keys(), "only\n"),
        ({"one"}, "one\n"),
        (range(2), "0\n1\n"),
        (np.array([0.1, 1.0]), "0.1\n1.0\n"),
        (np.array([0.1, 2.0], dtype=np.float32), "0.1\n2.0\n"),
        (np.array([1, 2], dtype=np.uint8), "1\n2\n"),
        (np.array([True]), "True\n"),
        (np.array(["a", "b"]), "a\nb\n"),
        (np.array([b"a\xff"]), "a\\xff\n"),
        (np.array([[1, 2], [3, 4]]), "[1 2]\n[3 4]\n"),
        (np.array([], dtype=float), ""),
        (pd.Series([1, 2], index=["x", "y"]), "1\n2\n"),
        (pd.Series([0.1, None]), "0.1\nnan\n"),
        (pd.Series([0.1], dtype="float32"), "0.1\n"),
        (pd.Series(["a b", "c"]), "a b\nc\n"),
        (pd.Series([pd.Timestamp("2020-01-02")]), "2020-01-02 00:00:00\n"),
    ],
)
def test_elements_of_arrays_series_and_iterables_are_lines(result: Any, text: str) -> None:
    assert lines(result) == text


def test_long_generator_gives_all_its_lines() -> None:
    assert lines(str(k) for k in range(1000)) == "".join(f"{k}\n" for k in range(1000))


def test_long_array_as_an_element_is_neither_cut_nor_wrapped() -> None:
    text = lines([np.arange(5000)])
    assert text.count("\n") == 1
    assert "..." not in text
    assert text.endswith(" 4999]\n")


@pytest.mark.parametrize(
    "result", ["text", b"bytes", bytearray(b"x"), {"a": 1}, memoryview(b"x"), 5, 1.5, True, object()]
)
def test_what_is_not_rows_is_the_scripts_error(result: Any) -> None:
    with pytest.raises(TypeError, match=r"run\(\) returned"):
        results.write(result, lambda _: None)
    with pytest.raises(TypeError, match=r"run\(\) returned"):
        results.count(result)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[7, 8]), "1 x\n2 y\n"),
        (pd.DataFrame({"a": ["two words", 'say "hi"'], "b": [1, 2]}), '"two words" 1\n"say ""hi""" 2\n'),
        (pd.DataFrame({"a": ["line\nbreak"], "b": ["c\rr"]}), '"line\nbreak" "c\rr"\n'),
        (pd.DataFrame({"a": [0.1, 1e-7], "b": [1.0, float("inf")]}), "0.1 1.0\n1e-07 inf\n"),
        (pd.DataFrame({"a": np.array([0.1], dtype=np.float32)}), "0.1\n"),
        (pd.DataFrame({"a": [None, "x"], "b": [float("nan"), 1.0], "c": [pd.NaT, pd.NaT]}), "  \nx 1.0 \n"),
        (pd.DataFrame({"a": ["", "x"]}), '""\nx\n'),
        (pd.DataFrame({"a": [float("nan")]}), '""\n'),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False]}), "1 True\n False\n"),
        (pd.DataFrame({"a": [pd.Timestamp("2020-01-02")], "b": [b"\xff"]}), '"2020-01-02 00:00:00" \\xff\n'),
        (pd.DataFrame({"a": pd.Categorical(["k"]), "b": ["\udcff"]}, dtype=object), "k \\udcff\n"),
        (pd.DataFrame(index=[0, 1]), "\n\n"),
        (pd.DataFrame({"a": []}), ""),
        (pd.DataFrame([["a", 1]], columns=["same", "same"]), "a 1\n"),
    ],
)
def test_frame_is_azures_text(frame: pd.DataFrame, text: str) -> None:
    assert lines(frame) == text


def test_long_frame_gives_all_its_lines_in_order() -> None:
    frame = pd.DataFrame({"a": range(20_000), "b": ["x"] * 20_000})
    assert lines(frame) == "".join(f"{k} x\n" for k in range(20_000))


@pytest.mark.parametrize("make", [pyarrow.table, pyarrow.RecordBatch.from_pydict])
def test_a_table_of_another_library_gives_a_line_for_each_row_and_not_for_each_column(make: Any) -> None:
    table = make({"name": ["a.png", "b c", None], "p": [0.5, None, 1.0]})
    assert lines(table) == 'a.png 0.5\n"b c" \n 1.0\n'
    assert lines(make({"p": [None, 2.0]})) == '""\n2.0\n'
    assert lines(make({})) == ""


def test_frame_reads_back_as_azure_documents_it(tmp_path: Any) -> None:
    frame = pd.DataFrame({"a": ["two words", "x"], "b": [0.1, 2.5]})
    (tmp_path / "predictions.csv").write_text(lines(frame))
    back = pd.read_csv(tmp_path / "predictions.csv", header=None, sep=" ")
    assert back.to_numpy().tolist() == frame.to_numpy().tolist()
