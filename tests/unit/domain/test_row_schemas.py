"""Schemas of structured rows: what holds the values of two types, and what the columns of several files are."""

from __future__ import annotations

import itertools

import pytest

from batchyard.domain.outputs.schemas import OBJECT, Mismatch, PartSchema, part_schema, unified, widened
from batchyard_runtime.schema import widen


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("int64", "int64", "int64"),
        ("null", "string", "string"),
        ("int8", "int32", "int32"),
        ("uint8", "uint64", "uint64"),
        ("uint8", "int8", "int16"),
        ("uint32", "int8", "int64"),
        ("int64", "float64", "float64"),
        ("float32", "float64", "float64"),
        ("float32", "int8", "float32"),
        ("float32", "uint16", "float32"),
        ("float32", "int32", "float64"),
        ("float64", "int8", "float64"),
        ("list<null>", "list<int8>", "list<int8>"),
        ("list<list<int8>>", "list<list<int64>>", "list<list<int64>>"),
        ("uint64", "int64", None),
        ("int64", "string", None),
        ("bool", "int8", None),
        ("timestamp[us]", "timestamp[us, UTC]", None),
        ("list<int8>", "list<string>", None),
        ("list<int8>", "int8", None),
        ("object", "string", None),
    ],
)
def test_the_wider_type_holds_the_values_of_both_or_there_is_none(one: str, other: str, both: str | None) -> None:
    assert widened(one, other) == both
    assert widened(other, one) == both


def test_columns_stand_in_the_order_of_their_first_appearance() -> None:
    schemas = [(("b", "int8"), ("a", "null")), (("a", "string"), ("c", "bool"), ("b", "int64"))]
    assert unified(schemas) == ((("b", "int64"), ("a", "string"), ("c", "bool")), [])


def test_every_column_without_a_common_type_is_named_with_who_gave_it_its_type() -> None:
    schemas = [(("a", "null"), ("b", "int8")), (("a", "int8"), ("b", "string")), (("a", "string"),), (("a", "bool"),)]
    columns, mismatches = unified(schemas)
    assert columns == (("a", OBJECT), ("b", OBJECT))
    assert mismatches == [Mismatch("b", 0, "int8", 1, "string"), Mismatch("a", 1, "int8", 2, "string")]


def test_the_schema_of_a_part_file_is_one_line() -> None:
    line = b'{"format": "csv", "columns": [["a,\\n", "int64"], ["b", "list<null>"]]}\n'
    assert part_schema(line) == PartSchema("csv", (("a,\n", "int64"), ("b", "list<null>")))


def test_a_name_that_is_no_text_is_what_the_rows_call_it() -> None:
    assert part_schema(b'{"format": "jsonl", "columns": [["\\ud800", "int8"]]}\n').columns == (("\\ud800", "int8"),)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"format": "csv"}', b'{"format": "csv", "columns": [["a"]]}'])
def test_what_is_no_schema_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        part_schema(line)


_TYPES = [
    *("bool", "string", "binary", "date", "timestamp[us]", "timestamp[us, UTC]", "null", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("list<null>", "list<int8>", "list<float32>", "list<list<string>>", "object"),
]


@pytest.mark.parametrize("one", _TYPES)
def test_types_widen_as_they_do_in_the_workers(one: str) -> None:
    assert [widened(one, other) or "" for other in _TYPES] == [widen(one, other, mixes=False) for other in _TYPES]


@pytest.mark.parametrize("kinds", [*itertools.permutations(["int64", "uint64", "float64", "null"])])
def test_which_of_the_types_comes_first_does_not_matter(kinds: tuple[str, ...]) -> None:
    assert unified([(("a", kind),) for kind in kinds]) == ((("a", "float64"),), [])
