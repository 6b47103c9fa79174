"""Items are checked for what the deployment declares they are; messages name item, row and column."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from batchyard_runtime import text_types
from batchyard_runtime.input_contract import checker
from batchyard_runtime.violations import Violation

INT = {"a": "int64"}


def told(folder: Path, kind: str, content: bytes, columns: dict[str, str] | None = None) -> tuple[str, str] | None:
    """Check one item of this content; give the error and its message, None for none."""
    path = folder / "item"
    path.write_bytes(content)
    try:
        checker({"format": kind, "columns": columns or {}}, os.path.basename)([str(path)])
    except Violation as exc:
        return exc.error, str(exc)
    return None


@pytest.mark.parametrize(
    ("kind", "content", "columns"),
    [
        ("csv", b"a,b\n1,x\n2,y\n", INT),
        ("csv", b'\xef\xbb\xbfb,a\r\n"x\r\n,""y",5\r\n', INT),
        ("csv", b"a,b\n,\n", INT),
        ("csv", "a\n1\u2028\n".encode(), {"a": "string"}),
        ("csv", b"a,b\n" + b"1,x\n" * 50_000, INT),
        ("csv", b"a,b\n" + b'1,"' + b"\n" * 200_000 + b'"\n', INT),
        ("csv", b"a,a\n1,2\n", {}),
        ("jsonl", b'{"a": 1, "b": []}\n{"a": "not looked at"}\n', INT),
        ("jsonl", b'{"a": null}', INT),
        ("jsonl", b"", INT),
        ("jsonl", b"[1]\n", {}),
        ("json", b"[1, 2]", {}),
        ("image", b"\x89PNG\r\n\x1a\n....", {}),
        ("image", b"\xff\xd8\xff\xe0....", {}),
        ("image", b"RIFF\0\0\0\0WEBPVP8 ", {}),
        ("image", b"\0\0\0\x18ftypheic", {}),
        ("text", "Grüße".encode() * 400_000, {}),
        ("text", b"", {}),
        ("parquet", b"PAR1....PAR1", {}),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_items_that_are_what_is_declared_pass(
    tmp_path: Path, kind: str, content: bytes, columns: dict[str, str]
) -> None:
    assert told(tmp_path, kind, content, columns) is None


@pytest.mark.parametrize(
    ("kind", "content", "columns", "error", "part"),
    [
        ("csv", b"", {}, "InputFormat", "'item' has no header line"),
        ("csv", b"a,b\n1\n", {}, "InputFormat", "row 2 has 1 cells, the header 2"),
        ("csv", b'a\n"1', {}, "InputFormat", "unexpected end of data"),
        ("csv", b"a\n\xff\n", {}, "InputFormat", "is no UTF-8 text: byte 2 is 0xff"),
        ("csv", b"b\n1\n", INT, "InputSchema", "lacks the column 'a'; it has 'b'."),
        ("csv", b"b\n1\n", {"a": "bool", "c": "bool"}, "InputSchema", "lacks the columns 'a', 'c'; it has 'b'."),
        ("csv", b"a,a\n1,2\n", INT, "InputSchema", "has the column 'a' more than once"),
        ("csv", b"b,a\nx,1\ny,1.5\n", INT, "InputSchema", "has in row 3, column 'a': '1.5', which is no int64."),
        ("jsonl", b"{a}\n", {}, "InputFormat", "its first line cannot be parsed"),
        ("jsonl", b"[1]\n", INT, "InputSchema", "has list in its first line"),
        ("jsonl", b'{"b": 1}\n', INT, "InputSchema", "lacks the column 'a'"),
        ("jsonl", b'{"a": true}\n', INT, "InputSchema", "column 'a': True, which is no int64"),
        ("json", b"", {}, "InputFormat", "it cannot be parsed"),
        ("json", b"[" * 200_000, {}, "InputFormat", "it cannot be parsed"),
        ("image", b"<html>", {}, "InputFormat", "it begins with b'<html>'"),
        ("image", b"", {}, "InputFormat", "it is empty"),
        ("text", "é".encode() * (1 << 19) + b"ab\xe9", {}, "InputFormat", f"byte {(1 << 20) + 2} is 0xe9"),
        ("parquet", b"PAR1....PAR2", {}, "InputFormat", "ends with b'PAR2'"),
        ("parquet", b"PAR1", {}, "InputFormat", "it has 4 bytes"),
    ],
)
def test_an_item_that_is_not_is_told_with_what_was_found(
    tmp_path: Path, kind: str, content: bytes, columns: dict[str, str], error: str, part: str
) -> None:
    found = told(tmp_path, kind, content, columns)
    assert found is not None
    assert found[0] == error
    assert part in found[1]
    assert found[1].startswith("'item' ")


def test_a_file_that_cannot_be_read_is_no_violation(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        checker({"format": "text", "columns": {}}, os.path.basename)([str(tmp_path / "gone")])


def test_columns_of_parquet_are_those_of_its_schema(tmp_path: Path) -> None:
    table = pa.table(
        {"a": pa.array([1], pa.int32()), "b": pa.array([["x"]]), "at": pa.array([0], pa.timestamp("ns", "UTC"))}
    )
    parquet.write_table(table, tmp_path / "made")
    content = (tmp_path / "made").read_bytes()
    assert told(tmp_path, "parquet", content, {"a": "int64", "b": "list<string>", "at": "timestamp[us, UTC]"}) is None
    missing = told(tmp_path, "parquet", content, {"c": "int64"})
    assert missing == ("InputSchema", "'item' lacks the column 'c'; it has 'a', 'b', 'at'.")
    mistyped = told(tmp_path, "parquet", content, {"a": "int16"})
    assert mistyped == ("InputSchema", "'item' has int32 in column 'a', which is no int16.")
    broken = told(tmp_path, "parquet", content[:20] + b"x" * 40 + content[-4:], {"a": "int16"})
    assert broken is not None and broken[0] == "InputFormat"


@pytest.mark.parametrize(
    ("text", "kind", "is_right"),
    [
        ("300", "uint8", False),
        ("255", "uint8", True),
        ("-1", "uint64", False),
        (str(1 << 63), "int64", False),
        ("9" * 5000, "int64", False),
        ("1_000", "int64", False),
        ("1e3", "float32", True),
        ("-Infinity", "float64", True),
        ("nan", "float64", True),
        ("1,5", "float64", False),
        ("TRUE", "bool", True),
        ("1", "bool", False),
        ("2026-02-28", "date", True),
        ("2026-02-30", "date", False),
        ("2026-02-28T23:59:59.5", "timestamp[us]", True),
        ("2026-02-28 23:59", "timestamp[us]", True),
        ("2026-02-28T23:59:59Z", "timestamp[us, UTC]", True),
        ("2026-02-28T23:59:59+02:00", "timestamp[us, UTC]", True),
        ("2026-02-28T23:59:59", "timestamp[us, UTC]", False),
        ("2026-02-28T23:59:59Z", "timestamp[us]", False),
        ("2026-02-28T25:00:00", "timestamp[us]", False),
        ("", "string", True),
    ],
)
def test_a_text_says_a_value_of_a_type_or_does_not(text: str, kind: str, is_right: bool) -> None:
    assert text_types.fits(text, kind) is is_right


@pytest.mark.parametrize(
    ("value", "kind", "is_right"),
    [
        ([1, None], "list<int8>", True),
        ([1, "x"], "list<int8>", False),
        ({"a": 1}, "object", True),
        (5, "float64", True),
        (5.0, "int64", False),
        ("2026-02-28", "date", True),
        ("aGk=", "binary", True),
        (1, "string", False),
        (None, "bool", True),
    ],
)
def test_a_value_of_json_is_of_a_type_or_is_not(value: object, kind: str, is_right: bool) -> None:
    assert text_types.fits_json(value, kind) is is_right


@pytest.mark.parametrize(
    ("arrow", "ours"),
    [
        ("double", "float64"),
        ("dictionary<values=string, indices=int32, ordered=0>", "string"),
        ("large_list<item: double>", "list<float64>"),
        ("list<element: int64 not null>", "list<int64>"),
        ("timestamp[ns]", "timestamp[us]"),
        ("timestamp[ms, tz=UTC]", "timestamp[us, UTC]"),
        ("struct<a: int64>", "object"),
        ("decimal128(10, 2)", "decimal128(10, 2)"),
    ],
)
def test_types_of_pyarrow_are_told_in_our_words(arrow: str, ours: str) -> None:
    assert text_types.from_arrow(arrow) == ours


@settings(deadline=None)
@given(st.text(), st.sampled_from(["bool", "int8", "uint64", "float32", "date", "timestamp[us]", "timestamp[us, UTC]"]))
def test_any_text_is_judged_without_an_exception(text: str, kind: str) -> None:
    assert text_types.fits(text, kind) in (True, False)


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["csv", "jsonl", "json", "text", "image", "parquet"]))
def test_any_bytes_pass_or_break_the_contract_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str
) -> None:
    found = told(tmp_path_factory.getbasetemp(), kind, content, {} if kind in ("json", "text", "image") else INT)
    assert found is None or found[0] in ("InputFormat", "InputSchema")


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=3, max_size=3), max_size=30
    )
)
def test_whatever_a_csv_writer_writes_passes(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    import csv

    path = tmp_path_factory.getbasetemp() / "written.csv"
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows([["a", "b", "c"], *rows])
    checker({"format": "csv", "columns": {"a": "string", "c": "string"}}, str)([str(path)])


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_whatever_json_writes_passes(tmp_path_factory: pytest.TempPathFactory, row: dict[str, object]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.jsonl"
    path.write_text(json.dumps(row) + "\n{")
    checker({"format": "jsonl", "columns": {}}, str)([str(path)])
