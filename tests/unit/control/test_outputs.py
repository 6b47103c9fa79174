"""A format that cannot be written on this server is refused before anything runs, with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.deployments import ExecutionSettings, OutputAction, OutputFormat, Overrides
from batchyard.domain.errors import InvalidInput

from .bench import DRAFT, INVOCATION, Bench

PARQUET = ExecutionSettings(output_file_name="scores.parquet")
REMEDY = "Parquet files need pyarrow. Install it."


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    found.tables.missing = REMEDY
    return found


def test_a_deployment_that_asks_for_parquet_is_refused_where_it_cannot_be_written(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match=r"settings.output_format.*Install it") as refused:
        bench.put(replace(DRAFT, settings=replace(PARQUET, mini_batch_size=0)))
    assert len(refused.value.mistakes) == 2, "all mistakes at once"


def test_an_invocation_that_asks_for_parquet_is_refused_where_it_cannot_be_written(bench: Bench) -> None:
    bench.deploy()
    bench.set_default("blue")
    asked = Overrides(output_format=OutputFormat.PARQUET, output_file_name="a.parquet")
    with pytest.raises(InvalidInput, match="Install it"):
        bench.invoke(replace(INVOCATION, overrides=asked))


@pytest.mark.parametrize(
    "settings",
    [
        ExecutionSettings(output_format=OutputFormat.CSV),
        replace(PARQUET, output_action=OutputAction.SUMMARY_ONLY),
    ],
)
def test_what_writes_no_parquet_needs_nothing(bench: Bench, settings: ExecutionSettings) -> None:
    stored, _ = bench.put(replace(DRAFT, settings=settings))
    assert stored.document.settings == settings
