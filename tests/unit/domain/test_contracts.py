"""What may be declared of items and results, and what of it contradicts itself: all of it is told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.domain.deployments import ExecutionSettings, OutputAction, OutputColumn, settings_mistakes
from batchyard.domain.outputs.contracts import (
    PLAIN_TYPES,
    ExtraColumns,
    InputContract,
    InputFormat,
    OutputContract,
    RowsPerItem,
    input_contract_mistakes,
    is_type,
    output_contract_mistakes,
)

COLUMNS = {"item": "string", "score": "float64"}


def fields(contract: OutputContract, *, is_text: bool = False, is_summary: bool = False) -> list[str]:
    found = output_contract_mistakes(contract, prefix="", is_text=is_text, is_summary=is_summary)
    return [mistake.field for mistake in found]


@pytest.mark.parametrize(
    "contract",
    [
        OutputContract(),
        OutputContract(RowsPerItem.ONE, COLUMNS, ExtraColumns.REFUSE, ("score",), "item", unique_key=True),
        OutputContract(nulls=()),
        OutputContract(key_column="undeclared"),
        OutputContract(columns={"words": "list<string>", "boxes": "list<list<float32>>", "at": "timestamp[us, UTC]"}),
    ],
)
def test_a_contract_that_can_be_kept_has_no_mistake(contract: OutputContract) -> None:
    assert fields(contract) == []


@pytest.mark.parametrize(
    ("contract", "wrong"),
    [
        (OutputContract(columns={"score": "double", "": "string"}), ["columns.score", "columns"]),
        (OutputContract(extra_columns=ExtraColumns.REFUSE), ["extra_columns"]),
        (
            OutputContract(columns=COLUMNS, extra_columns=ExtraColumns.REFUSE, nulls=("rank",), key_column="id"),
            ["key_column", "nulls"],
        ),
        (OutputContract(key_column=""), ["key_column"]),
        (OutputContract(unique_key=True), ["unique_key"]),
        (OutputContract(key_column="item", nulls=("item",)), ["nulls"]),
    ],
)
def test_a_contract_that_contradicts_itself_is_told(contract: OutputContract, wrong: list[str]) -> None:
    assert fields(contract) == wrong


def test_what_the_output_cannot_show_cannot_be_declared() -> None:
    assert fields(OutputContract(key_column="item"), is_text=True) == ["key_column"]
    assert fields(OutputContract(columns=COLUMNS), is_text=True) == []
    assert fields(OutputContract(columns=COLUMNS, key_column="item"), is_summary=True, is_text=True) == ["columns"]
    assert fields(OutputContract(RowsPerItem.ONE), is_summary=True, is_text=True) == []


def test_an_input_contract_has_columns_where_its_format_has() -> None:
    def wrong(kind: InputFormat, columns: dict[str, str]) -> list[str]:
        return [mistake.field for mistake in input_contract_mistakes(InputContract(kind, columns), prefix="")]

    assert wrong(InputFormat.IMAGE, {}) == []
    assert wrong(InputFormat.IMAGE, COLUMNS) == ["columns"]
    assert wrong(InputFormat.CSV, {"a": "list<int64>", "b": "date"}) == ["columns.a"]
    assert wrong(InputFormat.JSONL, {"a": "list<int64>", "b": "strng"}) == ["columns.b"]


def test_mistakes_of_both_contracts_are_told_with_those_of_the_settings() -> None:
    settings = ExecutionSettings(
        mini_batch_size=0,
        output_action=OutputAction.SUMMARY_ONLY,
        output_contract=OutputContract(nulls=(), unique_key=True),
        input_contract=InputContract(InputFormat.TEXT, {"a": "bool"}),
    )
    assert [mistake.field for mistake in settings_mistakes(settings)] == [
        "settings.mini_batch_size",
        "settings.output_contract.unique_key",
        "settings.output_contract.nulls",
        "settings.input_contract.columns",
    ]


def test_a_column_of_the_script_cannot_be_one_that_is_put_in_front() -> None:
    settings = ExecutionSettings(
        output_file_name="rows.jsonl",
        output_columns=(OutputColumn.JOB, OutputColumn.ITEM),
        output_contract=OutputContract(columns={"job": "string"}, key_column="item"),
    )
    (mistake,) = settings_mistakes(settings)
    assert (mistake.field, mistake.found) == ("settings.output_columns", "job, item")


def test_keys_name_items_only_where_each_item_must_have_a_row() -> None:
    keyed = OutputContract(key_column="id")
    assert not keyed.keys_name_items
    assert not replace(keyed, rows_per_item=RowsPerItem.ANY).keys_name_items
    assert replace(keyed, rows_per_item=RowsPerItem.ONE).keys_name_items


@settings(deadline=None)
@given(st.recursive(st.sampled_from(PLAIN_TYPES), lambda inner: inner.map(lambda name: f"list<{name}>")))
def test_lists_of_types_are_types(name: str) -> None:
    assert is_type(name)
    assert not is_type(f"list<{name}")
    assert not is_type(f"{name} ")


contracts = st.builds(
    OutputContract,
    st.none() | st.sampled_from(RowsPerItem),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["int64", "float64", "list<string>"])),
    st.sampled_from(ExtraColumns),
    st.none() | st.lists(st.sampled_from("abcd"), unique=True).map(tuple),
    st.none() | st.sampled_from("abcd"),
    st.booleans(),
)


@settings(deadline=None)
@given(contracts, st.booleans(), st.booleans())
def test_every_mistake_names_a_field_of_the_contract(contract: Any, is_text: bool, is_summary: bool) -> None:
    known = {"rows_per_item", "columns", "extra_columns", "nulls", "key_column", "unique_key"}
    assert {field.split(".")[0] for field in fields(contract, is_text=is_text, is_summary=is_summary)} <= known
