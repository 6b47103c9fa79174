"""Rows with columns from real workers: what is in the part files, and what a mini-batch is charged with."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from batchyard.domain.outputs.contracts import OutputContract, RowsPerItem
from batchyard.domain.scoring.events import LeaseReported, WorkerEnded, WritesFailed
from batchyard.ports.instance import RowPlan
from tests.runtime.bench import Bench

CSV = RowPlan("csv", mixes_types=True)
JSONL = RowPlan("jsonl", mixes_types=True)
KEYED = RowPlan(
    "jsonl",
    mixes_types=False,
    columns=("item", "position", "mini_batch", "job", "deployment_revision", "model_version"),
    constants={"job": "job-1", "deployment_revision": 3, "model_version": "m:2"},
)
NAMES = "import os\ndef run(mini_batch):\n    return [{'name': os.path.basename(path)} for path in mini_batch]\n"


def json_rows(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bench.text().splitlines()]


def test_rows_are_lines_of_csv_and_the_header_line_has_their_types(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    return [{"text": 'a,"b"\\nc', "number": 0.5, "none": None, "truth": True} for _ in mini_batch]
"""
    with Bench(tmp_path, script, items=3, mini_batch_size=2, python=python, rows=CSV) as bench:
        report = bench.score()
    rows = list(csv.reader(io.StringIO(bench.text(), newline="")))
    assert rows == [['a,"b"\nc', "0.5", "", "true"]] * 3
    columns = [["text", "string"], ["number", "float64"], ["none", "null"], ["truth", "bool"]]
    assert bench.schemas() == {"1-n0-s0-0.part": {"format": "csv", "columns": columns}}
    assert [(s.first, s.rows, s.succeeded, s.part) for s in report.segments] == [(0, 3, 3, "1-n0-s0-0.part")]


def test_the_context_says_that_rows_have_columns(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch, context): return [{'named': context.has_columns}]"
    with Bench(tmp_path, script, items=1, python=python, rows=JSONL) as bench:
        bench.score()
    assert json_rows(bench) == [{"named": True}]


def test_rows_that_do_not_fit_go_on_in_a_new_part_file(tmp_path: Path, python: Path) -> None:
    script = """
rows = iter([{"a": 1}, {"a": 2}, {"a": 0.5}, {"a": 3}, {"b": "x"}])
def run(mini_batch): return [next(rows) for _ in mini_batch]
"""
    with Bench(tmp_path, script, items=5, python=python, rows=JSONL) as bench:
        report = bench.score()
    assert [(s.first, s.count, s.part) for s in report.segments] == [
        (0, 2, "1-n0-s0-0.part"),
        (2, 2, "1-n0-s0-0.2.part"),
        (4, 1, "1-n0-s0-0.3.part"),
    ]
    assert json_rows(bench) == [{"a": 1}, {"a": 2}, {"a": 0.5}, {"a": 3}, {"b": "x"}]
    assert [header["columns"] for header in bench.schemas().values()] == [
        [["a", "float64"]],
        [["a", "float64"], ["b", "string"]],
        [["a", "int64"]],
    ]


def test_a_new_part_file_that_cannot_be_made_is_charged_to_nobody(tmp_path: Path, python: Path) -> None:
    script = """
rows = iter([{"a": 1}, {"b": 2}])
def run(mini_batch): return [next(rows)]
"""
    with Bench(tmp_path, script, items=2, python=python, rows=JSONL) as bench:
        (worker,) = bench.start()
        (bench.plan.parts_dir / "1-n0-s0-0.2.part").touch()
        bench.assign(worker, 0, 2)
        told = bench.wait(WritesFailed)
        ended = bench.wait(WorkerEnded)
    assert "1-n0-s0-0.2.part" in told.message
    assert ended.running is None
    assert bench.of(LeaseReported) == []


def test_columns_in_front_say_where_each_row_comes_from(tmp_path: Path, python: Path) -> None:
    names = [b"a/x", b"a/y", b"b/\xff", b"c"]
    with Bench(tmp_path, NAMES, names=names, mini_batch_size=3, python=python, rows=KEYED) as bench:
        bench.score()
    items = ["a/x", "a/y", "b/\\xff", "c"]
    assert [(row["item"], row["position"], row["mini_batch"]) for row in json_rows(bench)] == [
        (item, position, position // 3) for position, item in enumerate(items)
    ]
    assert list(json_rows(bench)[3].items())[3:] == [
        ("job", "job-1"),
        ("deployment_revision", 3),
        ("model_version", "m:2"),
        ("name", "c"),
    ]
    (header,) = bench.schemas().values()
    assert header["columns"][:3] == [["item", "string"], ["position", "int64"], ["mini_batch", "int64"]]


def test_columns_in_front_are_right_for_parts_and_for_pieces_of_a_mini_batch(tmp_path: Path, python: Path) -> None:
    script = NAMES.replace("return", "rows =") + "    mini_batch.clear()\n    return rows\n"
    with Bench(tmp_path, script, items=8, mini_batch_size=4, python=python, rows=KEYED) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1, items=(1, 4), run_items=2)
        bench.wait(LeaseReported)
    rows = json_rows(bench)
    assert [(row["item"], row["name"], row["position"]) for row in rows] == [
        (f"item-{k}", f"item-{k}", k) for k in (5, 6, 7)
    ]


def test_pieces_of_a_mini_batch_with_different_columns_lie_in_one_part_file(tmp_path: Path, python: Path) -> None:
    script = """
rows = iter([{"a": 1}, {"b": "x"}, {"a": 0.5}])
def run(mini_batch): return [next(rows) for _ in mini_batch]
"""
    with Bench(tmp_path, script, items=3, mini_batch_size=3, python=python, rows=CSV) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, run_items=1)
        bench.wait(LeaseReported)
    assert bench.text() == "1,\n,x\n0.5,\n"
    (header,) = bench.schemas().values()
    assert header["columns"] == [["a", "float64"], ["b", "string"]]


def test_all_rows_of_a_mini_batch_of_one_item_are_that_items(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch): return [{'k': k} for k in range(3)]\n"
    with Bench(tmp_path, script, items=2, python=python, rows=KEYED) as bench:
        bench.score()
    assert [(row["item"], row["k"]) for row in json_rows(bench)] == [
        (f"item-{item}", k) for item in range(2) for k in range(3)
    ]


def test_rows_that_could_be_of_any_item_fail_their_mini_batch_and_no_other(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    short = mini_batch[0].endswith("2")
    return [{"k": 1} for _ in mini_batch[short:]]
"""
    with Bench(tmp_path, script, items=6, mini_batch_size=2, python=python, rows=KEYED) as bench:
        report = bench.score()
    (failure,) = report.failures
    assert (failure.mini_batch, failure.error_class.value, failure.error) == (1, "contract", "AmbiguousRows")
    assert "1 rows for 2 items" in failure.message
    assert [row["item"] for row in json_rows(bench)] == ["item-0", "item-1", "item-4", "item-5"]


@pytest.mark.parametrize("rows_per_item", [RowsPerItem.ANY, RowsPerItem.AT_LEAST_ONE])
def test_a_column_of_the_scripts_own_may_name_the_item(
    tmp_path: Path, python: Path, rows_per_item: RowsPerItem
) -> None:
    script = """
import os
def run(mini_batch):
    if mini_batch[0].endswith("2"):
        return [{"file": "item-9"}] * 3
    return [{"file": os.path.basename(path)} for path in reversed(mini_batch) for _ in range(2)]
"""
    rows = RowPlan("jsonl", mixes_types=False, columns=("item", "position"))
    contract = OutputContract(rows_per_item, key_column="file")
    with Bench(
        tmp_path, script, items=4, mini_batch_size=2, python=python, rows=rows, output_contract=contract
    ) as bench:
        report = bench.score()
    assert [(row["item"], row["position"], row["file"]) for row in json_rows(bench)] == [
        (f"item-{k}", k, f"item-{k}") for k in (1, 1, 0, 0)
    ]
    (failure,) = report.failures
    assert (failure.error_class.value, failure.error) == ("contract", "UnknownKey")
    assert "'item-9'" in failure.message


def test_a_column_that_the_script_names_like_ours_is_refused(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch): return [{'position': 1, 'x': 2} for _ in mini_batch]\n"
    with Bench(tmp_path, script, items=1, python=python, rows=KEYED) as bench:
        report = bench.score()
    (failure,) = report.failures
    assert (failure.error_class.value, failure.error) == ("contract", "UnexpectedColumn")
    assert "'position'" in failure.message


def test_short_results_and_failures_leave_the_others_rows_alone(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    name = mini_batch[0][-1]
    if name == "1": return None
    if name == "3": raise ValueError("no")
    if name == "4": return [{"a": name}, {"a": object}][:1] + [{"b": 1 / 0}]
    return [{"a": name}]
"""
    with Bench(tmp_path, script, items=6, python=python, rows=CSV) as bench:
        report = bench.score()
    assert bench.text() == "0\n2\n5\n"
    assert [failure.mini_batch for failure in report.failures] == [3, 4]
    assert [(s.first, s.short) for s in report.segments] == [(0, ()), (1, ((1, 1),)), (2, ()), (5, ())]
    assert list(bench.schemas()) == ["1-n0-s0-0.part"]


def test_a_mini_batch_without_rows_may_be_the_first(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch): return [] if mini_batch[0].endswith('0') else [{'a': 1}]\n"
    with Bench(tmp_path, script, items=2, python=python, rows=CSV) as bench:
        bench.score()
    assert bench.text() == "1\n"
    assert [header["columns"] for header in bench.schemas().values()] == [[["a", "int64"]], []]


def test_a_process_that_the_script_forks_writes_nothing(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch):
    if not os.fork(): os._exit(0)
    os.wait()
    return [{"a": 1}]
"""
    with Bench(tmp_path, script, items=3, python=python, rows=JSONL) as bench:
        bench.score()
    assert bench.text() == '{"a":1}\n' * 3
