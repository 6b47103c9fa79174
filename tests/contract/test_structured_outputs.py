"""Outputs with columns, from scripts to published files, in every format: what is read back is what was returned."""

from __future__ import annotations

import csv
import datetime
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from batchyard.domain.deployments import ExecutionSettings, OutputColumn, OutputFormat, RetrySettings
from batchyard.domain.job_states import JobStatus
from batchyard.domain.outputs.formats import default_file_name
from tests.support.direct import DirectHome

STRUCTURED = (OutputFormat.CSV, OutputFormat.JSONL, OutputFormat.PARQUET)
# Sleeps as its item says, so that mini-batches end in an order of their own; tells when it ended, and its process.
SHUFFLED = """
import os, time
def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path) as stream:
            pause_s = float(stream.read())
        rows.append({"name": os.path.basename(path), "pid": os.getpid()})
    time.sleep(pause_s)
    return [{**row, "ended": time.monotonic()} for row in rows]
"""
# Each returns what the test below expects to read back.
TABLE = """
import datetime, os
import numpy as np
import pandas as pd
def run(mini_batch):
    frame = pd.DataFrame({
        "name": [os.path.basename(path) for path in mini_batch],
        "text": ['a,"b"\\n', None],
        "small": np.array([1, 2], dtype="int8"),
        "maybe": pd.array([None, 7], dtype="Int64"),
        "float": [0.1, float("nan")],
        "single": np.array([0.1, 1e-7], dtype="float32"),
        "infinite": [float("inf"), float("-inf")],
        "large": np.array([2**63, 1], dtype="uint64"),
        "truth": pd.array([True, None], dtype="boolean"),
        "when": pd.to_datetime(["2020-01-31 10:00:00.5", None]),
        "zoned": pd.to_datetime(["2020-01-31T10:00:00+02:00", None]),
        "day": [None, datetime.date(2020, 1, 31)],
        "raw": [b"\\x00\\xff", None],
        "vector": [np.array([0.5, 1]), [2]],
        "more": [{"k": [1, "x"]}, {}],
    })
    return frame
"""
UTC = datetime.UTC
TYPED = [
    {
        "name": "item-0",
        "text": 'a,"b"\n',
        "small": 1,
        "maybe": None,
        "float": 0.1,
        "single": 0.10000000149011612,
        "infinite": math.inf,
        "large": 2**63,
        "truth": True,
        "when": datetime.datetime(2020, 1, 31, 10, 0, 0, 500_000),
        "zoned": datetime.datetime(2020, 1, 31, 8, tzinfo=UTC),
        "day": None,
        "raw": b"\x00\xff",
        "vector": [0.5, 1.0],
        "more": '{"k": [1, "x"]}',
    },
    {
        "name": "item-1",
        "text": None,
        "small": 2,
        "maybe": 7,
        "float": None,
        "single": 1.0000000116860974e-07,
        "infinite": -math.inf,
        "large": 1,
        "truth": None,
        "when": None,
        "zoned": None,
        "day": datetime.date(2020, 1, 31),
        "raw": None,
        "vector": [2.0],
        "more": "{}",
    },
]


def settings(asked: OutputFormat, **changed: Any) -> ExecutionSettings:
    return ExecutionSettings(output_format=asked, output_file_name=default_file_name(asked), **changed)


def files(folder: Path, contents: list[str]) -> Path:
    folder.mkdir()
    for k, content in enumerate(contents):
        (folder / f"item-{k}").write_text(content)
    return folder


def read(direct: DirectHome, asked: OutputFormat) -> list[dict[str, Any]]:
    path = direct.output("job") / default_file_name(asked)
    if asked is OutputFormat.PARQUET:
        found: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return found
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream)) if asked is OutputFormat.CSV else [json.loads(line) for line in stream]


@pytest.mark.parametrize("asked", STRUCTURED, ids=lambda one: one.value)
def test_rows_of_eight_workers_stand_in_input_order_with_the_key_of_their_item(
    direct: DirectHome, tmp_path: Path, asked: OutputFormat
) -> None:
    items = 240
    chance = random.Random(4)
    source = files(tmp_path / "input", [str(chance.choice((0, 0.002, 0.02, 0.05))) for _ in range(items)])
    columns = (OutputColumn.ITEM, OutputColumn.POSITION, OutputColumn.MINI_BATCH, OutputColumn.MODEL_VERSION)
    chosen = settings(asked, mini_batch_size=3, max_concurrency_per_instance=8, output_columns=columns)
    direct.submit("job", source, SHUFFLED, chosen)
    assert direct.run_next().status is JobStatus.COMPLETED
    rows = read(direct, asked)
    names = sorted((f"item-{k}" for k in range(items)), key=str.encode)
    assert [row["item"] for row in rows] == [row["name"] for row in rows] == names
    assert [(int(row["position"]), int(row["mini_batch"])) for row in rows] == [(k, k // 3) for k in range(items)]
    assert {row["model_version"] for row in rows} == {"m:1"}
    ended = [float(row["ended"]) for row in rows]
    assert ended != sorted(ended)
    assert len({row["pid"] for row in rows}) > 1


@pytest.mark.parametrize("asked", STRUCTURED, ids=lambda one: one.value)
def test_values_of_every_type_are_read_back_as_they_were(
    direct: DirectHome, tmp_path: Path, asked: OutputFormat
) -> None:
    direct.submit("job", files(tmp_path / "input", ["", ""]), TABLE, settings(asked))
    assert direct.run_next().status is JobStatus.COMPLETED
    first, second = read(direct, asked)
    if asked is OutputFormat.PARQUET:
        assert [first, second] == TYPED
    elif asked is OutputFormat.JSONL:
        assert first == {
            **TYPED[0],
            "single": 0.1,
            "infinite": "Infinity",
            "when": "2020-01-31T10:00:00.500000",
            "zoned": "2020-01-31T08:00:00Z",
            "raw": "AP8=",
            "more": {"k": [1, "x"]},
        }
        assert (second["infinite"], second["day"], second["more"]) == ("-Infinity", "2020-01-31", {})
    else:
        assert list(first.values())[:8] == ["item-0", 'a,"b"\n', "1", "", "0.1", "0.1", "inf", str(2**63)]
        assert list(first.values())[8:12] == ["true", "2020-01-31T10:00:00.500000", "2020-01-31T08:00:00Z", ""]
        assert list(first.values())[12:] == ["AP8=", "[0.5,1.0]", '{"k":[1,"x"]}']
        assert (second["text"], second["float"], second["maybe"], second["vector"]) == ("", "", "7", "[2]")


@pytest.mark.parametrize("asked", STRUCTURED, ids=lambda one: one.value)
def test_rows_that_could_be_of_any_item_are_told_apart_by_dividing_their_mini_batch(
    direct: DirectHome, tmp_path: Path, asked: OutputFormat
) -> None:
    script = """
import os
def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    return [{"name": name} for name in names for _ in range(2 if name == "item-2" else 1)]
"""
    chosen = settings(asked, mini_batch_size=4, retry=RetrySettings(max_retries=0), output_columns=(OutputColumn.ITEM,))
    direct.submit("job", files(tmp_path / "input", [""] * 8), script, chosen)
    job = direct.run_next()
    assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, 8, 0)
    rows = [(row["item"], row["name"]) for row in read(direct, asked)]
    assert rows == [(name, name) for name in ("item-0", "item-1", *["item-2"] * 2, *(f"item-{k}" for k in range(3, 8)))]


@pytest.mark.parametrize("asked", [OutputFormat.CSV, OutputFormat.PARQUET], ids=lambda one: one.value)
def test_columns_that_differ_from_item_to_item_become_those_of_one_table(
    direct: DirectHome, tmp_path: Path, asked: OutputFormat
) -> None:
    script = """
import os
def run(mini_batch):
    k = int(mini_batch[0][-1])
    return [{"k": k if k % 3 else k + 0.5, **({"odd": "x"} if k % 2 else {})}]
"""
    chosen = settings(asked, mini_batch_size=1, max_concurrency_per_instance=2)
    direct.submit("job", files(tmp_path / "input", [""] * 9), script, chosen)
    assert direct.run_next().status is JobStatus.COMPLETED
    rows = read(direct, asked)
    assert [float(row["k"]) for row in rows] == [k if k % 3 else k + 0.5 for k in range(9)]
    assert [row["odd"] or None for row in rows] == ["x" if k % 2 else None for k in range(9)]


def test_a_column_that_mixes_types_fails_its_mini_batch_where_the_format_has_one_type(
    direct: DirectHome, tmp_path: Path
) -> None:
    script = """
def run(mini_batch):
    return [{"score": "high" if path.endswith("3") else 1} for path in mini_batch]
"""
    chosen = settings(
        OutputFormat.PARQUET, mini_batch_size=2, retry=RetrySettings(max_retries=0), isolate_failing_items=False
    )
    direct.submit("job", files(tmp_path / "input", [""] * 6), script, chosen)
    job = direct.run_next()
    assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, 4, 2)
    failed = [json.loads(line) for line in (direct.output("job") / "_failed_items.jsonl").read_text().splitlines()]
    assert [(one["item"], one["error_class"], one["error"]) for one in failed] == [
        ("item-2", "contract", "WrongType"),
        ("item-3", "contract", "WrongType"),
    ]
    assert "'score'" in failed[0]["message"]
