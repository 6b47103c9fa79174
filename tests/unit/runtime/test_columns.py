"""What scripts return, as columns with types, and as lines of CSV and of JSON that others read back."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import math
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from batchyard_runtime.columns import joined, table_of
from batchyard_runtime.encoding import csv_lines, json_lines
from batchyard_runtime.violations import Violation


def types(result: Any) -> dict[str, str]:
    table = table_of(result, mixes=True)
    return dict(zip(table.names, table.types, strict=True))


def as_csv(result: Any) -> str:
    table = table_of(result, mixes=True)
    return csv_lines(table, table.names).decode()


def as_json(result: Any) -> list[Any]:
    return [json.loads(line) for line in json_lines(table_of(result, mixes=True)).decode().splitlines()]


Pair = namedtuple("Pair", "left right")


@dataclass
class Found:
    label: str
    score: float


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (["a", "b"], {"prediction": "string"}),
        ([1, None], {"prediction": "int64"}),
        ([1, 2.5], {"prediction": "float64"}),
        ([True], {"prediction": "bool"}),
        ([2**63, 1], {"prediction": "uint64"}),
        ([2**64], {"prediction": "object"}),
        ([b"x"], {"prediction": "binary"}),
        ([None], {"prediction": "null"}),
        ([(1, "a"), (2, None)], {"column_0": "int64", "column_1": "string"}),
        ([[0.1], [0.2, 1]], {"column_0": "float64", "column_1": "int64"}),
        ([{"b": 1}, {"a": "x", "b": None}], {"b": "int64", "a": "string"}),
        ([Pair(1, 2)], {"left": "int64", "right": "int64"}),
        ([Found("a", 0.5)], {"label": "string", "score": "float64"}),
        ((n for n in (1, 2)), {"prediction": "int64"}),
        ([datetime.date(2020, 1, 31)], {"prediction": "date"}),
        ([datetime.datetime(2020, 1, 31)], {"prediction": "timestamp[us]"}),
        ([datetime.datetime(2020, 1, 31, tzinfo=datetime.UTC)], {"prediction": "timestamp[us, UTC]"}),
        ([decimal.Decimal("1.10")], {"prediction": "string"}),
        ([{"a": [1, 2], "b": {"c": 1}, "d": []}], {"a": "list<int64>", "b": "object", "d": "list<null>"}),
        ([1, "a"], {"prediction": "object"}),
        ([np.float32(0.5), np.int8(1)], {"prediction": "float32"}),
        ([np.int16(1), np.uint8(2)], {"prediction": "int16"}),
        ([np.bool_(True)], {"prediction": "bool"}),
        ([np.str_("a"), np.datetime64("NaT")], {"prediction": "string"}),
        ([float("nan"), "a"], {"prediction": "string"}),
        (np.array([1, 2], dtype="uint16"), {"prediction": "uint16"}),
        (np.array([[1.5, 2]], dtype="float16"), {"column_0": "float32", "column_1": "float32"}),
        (np.zeros((2, 1, 2)), {"column_0": "list<float64>"}),
        (np.array(["2020-01-01"], dtype="M8[ns]"), {"prediction": "timestamp[us]"}),
        (np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f8")]), {"a": "int32", "b": "float64"}),
        (list(np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f8")])), {"a": "int32", "b": "float64"}),
        (pd.Series([1.0], name="score"), {"score": "float64"}),
        (pd.Series(["a"]), {"prediction": "string"}),
        (None, {}),
    ],
)
def test_results_have_columns_and_types(result: Any, expected: dict[str, str]) -> None:
    assert types(result) == expected


def test_a_frame_keeps_its_columns_and_dtypes() -> None:
    frame = pd.DataFrame(
        {
            "small": np.array([1, 2], dtype="int8"),
            "float": [0.1, math.nan],
            "text": ["ä", None],
            "label": pd.Categorical(["x", None]),
            "maybe": pd.array([7, None], dtype="Int16"),
            "truth": pd.array([True, None], dtype="boolean"),
            "when": pd.to_datetime(["2020-01-01 10:00", None]),
            "zoned": pd.to_datetime(["2020-01-01T10:00:00+02:00", None]),
            "day": [datetime.date(2020, 1, 1), None],
            "vector": [np.array([1.5]), [2]],
        }
    )
    assert types(frame) == {
        "small": "int8",
        "float": "float64",
        "text": "string",
        "label": "string",
        "maybe": "int16",
        "truth": "bool",
        "when": "timestamp[us]",
        "zoned": "timestamp[us, UTC]",
        "day": "date",
        "vector": "list<float64>",
    }
    assert types(frame.iloc[1:])["when"] == "timestamp[us]"
    assert as_json(frame)[0] == {
        "small": 1,
        "float": 0.1,
        "text": "ä",
        "label": "x",
        "maybe": 7,
        "truth": True,
        "when": "2020-01-01T10:00:00",
        "zoned": "2020-01-01T08:00:00Z",
        "day": "2020-01-01",
        "vector": [1.5],
    }
    assert as_csv(frame.iloc[1:]) == "2,,,,,,,,,[2]\n"


def test_lines_of_csv_are_read_back_as_they_were() -> None:
    rows = [
        {"text": 'a,"b"', "more": "line\nbreak\r\n", "number": -0.5},
        {"text": "", "more": "; \t plain", "number": 1e300},
        {"text": "ä€😀", "more": ",", "number": 5.0},
    ]
    read = list(csv.reader(io.StringIO(as_csv(rows), newline="")))
    assert read == [[row["text"], row["more"], str(row["number"])] for row in rows]


def test_no_value_is_empty_and_an_empty_text_is_quoted() -> None:
    assert as_csv([("", None), (None, "")]) == '"",\n,""\n'
    # A line of nothing would be skipped by every reader.
    assert as_csv(["a", None]) == 'a\n""\n'


def test_nan_and_infinity_are_no_json_and_are_told_in_it_all_the_same() -> None:
    values = [math.nan, math.inf, -math.inf, 1e-07]
    assert as_csv([(value, 1) for value in values]) == ",1\ninf,1\n-inf,1\n1e-07,1\n"
    lines = json_lines(table_of(values, mixes=True)).decode().splitlines()
    assert [line.partition(":")[2] for line in lines] == ["null}", '"Infinity"}', '"-Infinity"}', "1e-07}"]


def test_a_float32_has_its_own_shortest_digits() -> None:
    frame = pd.DataFrame({"a": np.array([0.1, 16777216], dtype="float32")})
    assert as_csv(frame) == "0.1\n1.6777216e+07\n"
    assert as_json([[np.float32(0.1)]]) == [{"column_0": 0.1}]
    assert as_json([{"a": np.array([0.1], dtype="float32")}]) == [{"a": [0.1]}]


@pytest.mark.parametrize("unit", ["s", "D"])
def test_a_date_beyond_those_of_python_is_its_text_and_no_number(unit: str) -> None:
    table = table_of(np.array(["20000-01-01", "NaT"], dtype=f"M8[{unit}]"), mixes=False)
    assert (table.types, table.columns[0][1]) == (["string"], None)
    assert table.columns[0][0].startswith("20000-01-01")


def test_bytes_are_base64() -> None:
    assert as_csv([(b"\x00\xff", bytearray(b"a"))]) == "AP8=,YQ==\n"
    assert as_json([b"\x00\xff"]) == [{"prediction": "AP8="}]


def test_what_is_not_utf8_is_escaped_as_text() -> None:
    assert as_csv(["\udcff"]) == "\\udcff\n"
    assert as_json([{"\udcfe": "\udcff"}]) == [{"\\udcfe": "\\udcff"}]


def test_keys_that_a_row_lacks_are_left_out_of_json_and_empty_in_csv() -> None:
    rows = [{"a": 1}, {"b": None}, {}]
    assert as_json(rows) == rows
    assert as_csv(rows) == "1,\n,\n,\n"


def test_rows_of_several_calls_become_one_table() -> None:
    tables = [table_of(result, mixes=True) for result in ([{"a": 1}], None, [{"b": "x"}, {"a": 0.5}])]
    table = joined(tables, mixes=True)
    assert (table.names, table.types, table.rows) == (["a", "b"], ["float64", "string"], 3)


class Tensor:
    """What numpy takes for an array, as tensors of other libraries are."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values, dtype="float32")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._values

    def __iter__(self) -> Any:
        return map(Tensor, self._values)


def test_what_numpy_takes_for_an_array_is_one() -> None:
    assert as_csv(Tensor([[0.1, 2]])) == "0.1,2.0\n"
    assert as_json([{"a": Tensor(0.1), "b": Tensor([1])}, Tensor([5])]) == [{"a": 0.1, "b": [1.0]}, {"column_0": 5.0}]


def test_tables_of_pyarrow_keep_their_columns() -> None:
    table = pa.table({"k": [1, None], "when": pa.array([datetime.date(2020, 1, 31), None])})
    assert types(table) == {"k": "int64", "when": "date"}
    assert as_csv(table.to_batches()[0]) == "1,2020-01-31\n,\n"


def test_a_large_table_is_written_in_chunks_as_one() -> None:
    table = table_of(pd.DataFrame({"k": range(20_000), "t": ["x,y", None] * 10_000}), mixes=True)
    chunks = list(table.chunks())
    assert [chunk.rows for chunk in chunks] == [8192, 8192, 3616]
    assert b"".join(json_lines(chunk) for chunk in chunks) == json_lines(table)
    assert [list(chunk.chunks()) for chunk in chunks] == [[chunk] for chunk in chunks]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(Violation, match="'a'") as caught:
        table_of(pd.DataFrame([[1, 2]], columns=["a", "a"]), mixes=True)
    assert caught.value.error == "UnexpectedColumn"


def test_values_without_a_common_type_are_refused_where_a_column_has_one() -> None:
    with pytest.raises(Violation, match=r"column 'a' .* 'x' is string, the values before it are int64") as caught:
        table_of([{"a": 1}, {"a": "x"}], mixes=False)
    assert caught.value.error == "WrongType"


@pytest.mark.parametrize("result", ["text", b"bytes", {"a": [1]}, 5, True])
def test_what_is_no_list_of_rows_is_refused_as_in_text(result: Any) -> None:
    with pytest.raises(TypeError, match="run\\(\\) returned"):
        table_of(result, mixes=True)
