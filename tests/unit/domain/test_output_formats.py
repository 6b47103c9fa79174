"""Which format settings ask for, and what cannot go together."""

from __future__ import annotations

import pytest

from batchyard.domain.deployments import (
    ExecutionSettings,
    OutputColumn,
    OutputFormat,
    Overrides,
    effective,
    given,
    output_format_of,
    settings_mistakes,
)
from batchyard.domain.outputs.formats import default_file_name, shard_name


@pytest.mark.parametrize(
    ("asked", "file_name", "expected"),
    [
        (None, "predictions.csv", OutputFormat.AZURE_TEXT),
        (None, "predictions", OutputFormat.AZURE_TEXT),
        (None, "predictions.txt", OutputFormat.AZURE_TEXT),
        (None, "predictions.jsonl", OutputFormat.JSONL),
        (None, "Predictions.JSONL", OutputFormat.JSONL),
        (None, "predictions.parquet", OutputFormat.PARQUET),
        (None, "parquet", OutputFormat.AZURE_TEXT),
        (OutputFormat.CSV, "predictions.csv", OutputFormat.CSV),
        (OutputFormat.PARQUET, "table", OutputFormat.PARQUET),
    ],
)
def test_the_format_is_the_one_asked_for_or_the_one_the_ending_promises(
    asked: OutputFormat | None, file_name: str, expected: OutputFormat
) -> None:
    settings = ExecutionSettings(output_format=asked, output_file_name=file_name)
    assert output_format_of(settings) is expected
    assert settings_mistakes(settings) == []


@pytest.mark.parametrize(
    ("asked", "file_name"),
    [
        (OutputFormat.CSV, "a.jsonl"),
        (OutputFormat.CSV, "a.parquet"),
        (OutputFormat.AZURE_TEXT, "a.jsonl"),
        (OutputFormat.JSONL, "a.PARQUET"),
        (OutputFormat.PARQUET, "a.jsonl"),
        (OutputFormat.PARQUET, "a.csv"),
        (OutputFormat.JSONL, "a.csv"),
    ],
)
def test_a_format_that_contradicts_the_ending_is_a_mistake(asked: OutputFormat, file_name: str) -> None:
    found = settings_mistakes(ExecutionSettings(output_format=asked, output_file_name=file_name))
    assert [mistake.field for mistake in found] == ["settings.output_format"]
    assert asked.value in found[0].found
    assert file_name in found[0].allowed


def test_columns_need_a_format_that_has_columns() -> None:
    columns = (OutputColumn.ITEM, OutputColumn.POSITION)
    (found,) = settings_mistakes(ExecutionSettings(output_columns=columns))
    assert (found.field, found.found) == ("settings.output_columns", "item, position")
    assert "azure_text" in found.allowed
    for asked in (OutputFormat.CSV, OutputFormat.JSONL, OutputFormat.PARQUET):
        settings = ExecutionSettings(
            output_format=asked, output_file_name=default_file_name(asked), output_columns=columns
        )
        assert settings_mistakes(settings) == []


def test_a_column_is_asked_for_once() -> None:
    columns = (OutputColumn.ITEM, OutputColumn.JOB, OutputColumn.ITEM)
    (found,) = settings_mistakes(ExecutionSettings(output_format=OutputFormat.CSV, output_columns=columns))
    assert (found.field, found.found) == ("settings.output_columns", "item more than once")


def test_an_invocation_may_choose_the_format() -> None:
    overrides = Overrides(output_format=OutputFormat.JSONL, output_file_name="o.jsonl")
    assert output_format_of(effective(ExecutionSettings(), overrides)) is OutputFormat.JSONL
    assert given(overrides) == {"output_format": "jsonl", "output_file_name": "o.jsonl"}


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("predictions.parquet", "predictions-00001-of-00032.parquet"),
        ("a.b.csv", "a.b-00001-of-00032.csv"),
        ("plain", "plain-00001-of-00032"),
    ],
)
def test_one_of_several_files_is_named_after_the_file(file_name: str, expected: str) -> None:
    assert shard_name(file_name, 1, of=32) == expected


@pytest.mark.parametrize("before", [None, *OutputFormat])
@pytest.mark.parametrize("asked", OutputFormat)
def test_a_format_at_invoke_takes_the_default_file_name_along(before: OutputFormat | None, asked: OutputFormat) -> None:
    deployed = ExecutionSettings(output_format=before, output_file_name=default_file_name(before))

    found = effective(deployed, Overrides(output_format=asked))

    assert found.output_file_name == default_file_name(asked)
    assert output_format_of(found) is asked
    assert settings_mistakes(found) == []


def test_a_file_name_that_somebody_chose_is_kept_and_contradicts_a_format_at_invoke() -> None:
    deployed = ExecutionSettings(output_file_name="scores.csv")

    found = effective(deployed, Overrides(output_format=OutputFormat.PARQUET))

    assert found.output_file_name == "scores.csv"
    assert [mistake.field for mistake in settings_mistakes(found)] == ["settings.output_format"]
