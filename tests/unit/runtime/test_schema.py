"""Which type holds values of two types."""

from __future__ import annotations

import pytest

from batchyard_runtime.schema import widen


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("null", "date", "date"),
        ("null", "null", "null"),
        ("int8", "int64", "int64"),
        ("uint8", "uint32", "uint32"),
        ("int8", "uint8", "int16"),
        ("int64", "uint32", "int64"),
        ("int32", "uint32", "int64"),
        ("int64", "float64", "float64"),
        ("int64", "float32", "float64"),
        ("uint16", "float32", "float32"),
        ("float32", "float64", "float64"),
        ("list<int64>", "list<float64>", "list<float64>"),
        ("list<null>", "list<list<string>>", "list<list<string>>"),
    ],
)
def test_types_widen_to_the_narrowest_that_holds_both(one: str, other: str, expected: str) -> None:
    assert widen(one, other, mixes=False) == widen(other, one, mixes=False) == expected
    assert widen(one, other, mixes=True) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int64", "string"),
        ("bool", "int8"),
        ("bool", "float64"),
        ("int64", "uint64"),
        ("date", "timestamp[us]"),
        ("timestamp[us]", "timestamp[us, UTC]"),
        ("string", "binary"),
        ("list<int64>", "int64"),
        ("list<int64>", "list<string>"),
        ("object", "string"),
    ],
)
def test_types_without_a_common_one_are_mixed_or_nothing(one: str, other: str) -> None:
    assert widen(one, other, mixes=False) == widen(other, one, mixes=False) == ""
    assert widen(one, other, mixes=True) in ("object", "list<object>")
