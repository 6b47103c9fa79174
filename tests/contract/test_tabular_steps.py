"""Tabular input of a parallel step: what `run()` is given, the same in every attempt, and what rows are counted."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from batchyard.domain.job_states import JobStatus
from batchyard.domain.pipelines.definitions import ParallelSettings
from batchyard.domain.pipelines.tabular import TabularFormat
from tests.support.direct import DirectHome
from tests.support.parallel import place_of, submit_step

CSV = ParallelSettings(mini_batch_bytes=60, input_format=TabularFormat.CSV)
TYPES = """
def run(frame):
    types = "/".join(str(dtype) for dtype in frame.dtypes)
    return [f"{row.a}|{row.b!r}|{len(frame)}|{types}" for row in frame.itertuples()]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for tables."""
    made = tmp_path / "tables"
    made.mkdir()
    return made


def rows_of(direct: DirectHome) -> list[str]:
    return (place_of(direct, "step", "scores") / "parallel_run_step.txt").read_text().splitlines()


def test_rows_of_csv_files_are_cut_by_bytes_with_the_same_types_in_each_piece(direct: DirectHome, folder: Path) -> None:
    (folder / "1.csv").write_text('a,b\r\n1,"two\r\nlines, one cell"\r\n2,x\r\n')
    (folder / "2.csv").write_text("a,b\n" + "".join(f"{k},{'' if k == 5 else k}\n" for k in range(3, 9)))
    submit_step(direct, "step", folder, TYPES, settings=CSV)

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    found = [row.split("|") for row in rows_of(direct)]
    assert [row[0] for row in found] == [str(k) for k in range(1, 9)]
    assert found[0][1] == repr("two\r\nlines, one cell")
    assert {row[3] for row in found} == {"int64/object"}
    assert job.counts.items == 8
    assert 1 < job.counts.mini_batches < 8


def test_rows_of_one_key_are_one_mini_batch(direct: DirectHome, folder: Path) -> None:
    (folder / "t.csv").write_text("k,v\n" + "".join(f"{'abc'[n % 3]},{n}\n" for n in range(30)))
    script = """
def run(frame, context):
    assert set(frame.k) == {context.partition_key_value["k"]}
    return [f"{context.partition_key_value['k']} {list(frame.v)}"] * len(frame)
"""
    settings = ParallelSettings(partition_keys=("k",), input_format=TabularFormat.CSV, max_concurrency_per_instance=2)
    submit_step(direct, "step", folder, script, settings=settings)

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    assert job.counts.mini_batches == 3
    assert set(rows_of(direct)) == {f"{'abc'[n]} {list(range(n, 30, 3))}" for n in range(3)}


@pytest.mark.parametrize("input_format", [TabularFormat.JSONL, TabularFormat.PARQUET])
def test_other_formats_keep_the_types_of_their_columns(
    direct: DirectHome, folder: Path, input_format: TabularFormat
) -> None:
    rows = [{"a": k, "b": 0.5 * k} for k in range(10)]
    if input_format is TabularFormat.JSONL:
        (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), folder / "t.parquet")
    settings = ParallelSettings(mini_batch_bytes=50, input_format=input_format)
    submit_step(direct, "step", folder, TYPES, settings=settings)

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    assert [row.split("|")[:2] for row in rows_of(direct)] == [[str(k), repr(0.5 * k)] for k in range(10)]
    assert {row.split("|")[3] for row in rows_of(direct)} == {"int64/float64"}


def test_a_row_that_fails_is_found_by_its_file_and_number(direct: DirectHome, folder: Path) -> None:
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{k},x\n" for k in range(20)))
    script = "def run(frame):\n    assert 13 not in set(frame.a)\n    return frame.a.tolist()\n"
    settings = ParallelSettings(mini_batch_bytes=90, max_retries=0, input_format=TabularFormat.CSV)
    submit_step(direct, "step", folder, script, settings=settings)

    job = direct.run_next()

    assert (job.status, job.counts.items, job.counts.failed) == (JobStatus.COMPLETED, 20, 1)
    assert rows_of(direct) == [str(k) for k in range(20) if k != 13]
    with direct.rooms.homes.open("step").read("failed_items.jsonl") as lines:
        (failed,) = [json.loads(line) for line in lines]
    assert (failed["item"], failed["error_class"]) == ("t.csv#14", "script")


@pytest.mark.parametrize("text", ["a,b\n1,2\n3\n", "a,a\n1,2\n", 'a,b\n1,"2\n'])
def test_a_table_that_cannot_be_read_fails_the_step_by_name(direct: DirectHome, folder: Path, text: str) -> None:
    (folder / "t.csv").write_text(text)
    submit_step(direct, "step", folder, TYPES, settings=CSV)

    job = direct.run_next()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "'t.csv', row" in job.error.message
