"""Columns of one result compared with what was declared: each rule has an error of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard_runtime.column_checks import check
from batchyard_runtime.columns import table_of
from batchyard_runtime.violations import Violation

ITEMS = ["a.csv", "b.csv", "deep/c.csv"]
DECLARED: dict[str, Any] = {  # Any: JSON of the start command
    "rows_per_item": None,
    "columns": {},
    "extra_columns": "allow",
    "nulls": None,
    "key_column": None,
    "unique_key": False,
    "keys_name_items": False,
    "names_columns": True,
}
KEYED = {"key_column": "id", "rows_per_item": "one", "keys_name_items": True}


def told(rows: list[dict[str, Any]], **declared: Any) -> tuple[str, str] | None:
    try:
        check(table_of(rows, mixes=True), ITEMS, {**DECLARED, **declared})
    except Violation as exc:
        return exc.error, str(exc)
    return None


def rows_of(*keys: object) -> list[dict[str, object]]:
    return [{"id": key} for key in keys]


@pytest.mark.parametrize(
    ("rows", "declared", "error", "part"),
    [
        ([{"b": 1}], {"columns": {"a": "int64"}}, "MissingColumn", "no column 'a'; there is column 'b'."),
        ([{"b": 1}], {"key_column": "id"}, "MissingColumn", "no column 'id'"),
        (
            [{"a": 1, "b": 1, "c": 2}],
            {"columns": {"a": "int64"}, "extra_columns": "refuse"},
            "UnexpectedColumn",
            "columns 'b', 'c', which output_contract does not name",
        ),
        ([{"a": "x"}], {"columns": {"a": "float64"}}, "WrongType", "'a' is string, and not float64"),
        ([{"a": 1}, {"a": "x"}], {"columns": {"a": "int64"}}, "WrongType", "'a' is object, and not int64"),
        ([{"a": 0.5}], {"columns": {"a": "int64"}}, "WrongType", "row 1 has 0.5"),
        ([{"a": 1}, {"a": 300}], {"columns": {"a": "uint8"}}, "WrongType", "row 2 has 300"),
        ([{"a": True}], {"columns": {"a": "int64"}}, "WrongType", "'a' is bool"),
        ([{"a": 1 << 30}], {"columns": {"a": "float32"}}, "WrongType", "not float32"),
        ([{"a": [1.5]}], {"columns": {"a": "list<int64>"}}, "WrongType", "list<float64>"),
        ([{"a": 1}, {"a": None}], {"nulls": []}, "NullValue", "'a' has nothing in row 2 of 2"),
        ([{"a": float("nan")}], {"nulls": []}, "NullValue", "'a' has NaN in row 1"),
        ([{"a": 1}, {"b": 1}], {"nulls": ["b"]}, "NullValue", "'a' has nothing in row 2"),
        ([{"a": 0.5}, {"a": float("nan")}, {"a": 1.0}], {"nulls": []}, "NullValue", "(item 'b.csv')"),
        (rows_of("x", None), {"key_column": "id"}, "NullValue", "'id' has nothing"),
        (rows_of(7, 7), {"key_column": "id", "unique_key": True}, "DuplicateKey", "7 more than once, in rows 1 and 2"),
        (rows_of([1], [1]), {"key_column": "id", "unique_key": True}, "DuplicateKey", "[1] more than once"),
        (rows_of("a.csv", "b.csv", "d.csv"), KEYED, "UnknownKey", "'d.csv', which names none"),
        (rows_of("a.csv", "b.csv", 3), KEYED, "UnknownKey", "3, which names none"),
        (rows_of("a.csv", [], "b.csv"), KEYED, "UnknownKey", "[], which names none"),
        (rows_of("a.csv", "a.csv", "b.csv"), KEYED, "DuplicateKey", "'a.csv' more than once, in rows 1 and 2 of 3"),
        (
            rows_of("a.csv", "deep/c.csv", "b.csv"),
            KEYED,
            "WrongOrder",
            "row 2 is about 'deep/c.csv' and not about 'b.csv'",
        ),
        (
            rows_of("a.csv", "b.csv", "b.csv", "b.csv"),
            {**KEYED, "rows_per_item": "at_least_one"},
            "RowCount",
            "no row whose key is item 'deep/c.csv', and 4 rows for 3 items",
        ),
    ],
)
def test_what_breaks_a_rule_is_told_by_that_rule(
    rows: list[dict[str, Any]], declared: dict[str, Any], error: str, part: str
) -> None:
    found = told(rows, **declared)
    assert found is not None
    assert found[0] == error
    assert part in found[1]


@pytest.mark.parametrize(
    ("rows", "declared"),
    [
        ([{"a": 1, "b": "x"}], {"columns": {"a": "int8"}}),
        ([{"a": 1}, {"a": None}], {"columns": {"a": "float64"}}),
        ([{"a": None}], {"columns": {"a": "timestamp[us]"}}),
        ([{"a": float("nan")}], {"columns": {"a": "string"}}),
        ([{"a": 1}, {"a": "x"}], {"columns": {"a": "object"}}),
        ([{"a": [1], "b": {"c": None}}], {"columns": {"a": "list<float64>", "b": "object"}, "nulls": []}),
        ([{"a": 1}, {"a": 2, "b": 3}], {"columns": {"a": "int64"}, "nulls": ["b"]}),
        (rows_of("x", "x"), {"key_column": "id"}),
        (rows_of("a.csv", "b.csv", "c.csv"), KEYED),
        (rows_of("a.csv", "deep/c.csv", "b.csv", "b.csv"), {**KEYED, "rows_per_item": "at_least_one"}),
    ],
)
def test_what_keeps_the_rules_passes(rows: list[dict[str, Any]], declared: dict[str, Any]) -> None:
    assert told(rows, **declared) is None


def test_columns_have_the_declared_type_in_every_part_file() -> None:
    table = table_of([{"a": 1, "b": None}], mixes=False)
    check(table, ITEMS, {**DECLARED, "columns": {"a": "float64", "b": "string"}})
    assert table.types == ["float64", "string"]


@settings(deadline=None)
@given(st.permutations(ITEMS))
def test_only_the_order_of_the_items_is_the_order_of_the_rows(keys: list[str]) -> None:
    found = told(rows_of(*keys), **KEYED)
    assert (found is None) == (keys == ITEMS)
    assert found is None or found[0] == "WrongOrder"


@settings(deadline=None)
@given(st.lists(st.sampled_from([*ITEMS, "c.csv", "x", None, 1]), min_size=1, max_size=6), st.booleans())
def test_whatever_the_keys_are_rows_pass_only_if_each_item_has_what_it_must(keys: list[Any], is_one: bool) -> None:
    found = told(rows_of(*keys), **{**KEYED, "rows_per_item": "one" if is_one else "at_least_one"})
    plain = ["deep/c.csv" if key == "c.csv" else key for key in keys]
    is_right = plain == ITEMS if is_one else {*plain} == {*ITEMS}
    assert (found is None) == is_right
