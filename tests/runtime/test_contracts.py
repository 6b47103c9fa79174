"""Contracts in real workers: what breaks one fails its attempt with the class `contract` and an error of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.outputs.contracts import ExtraColumns, InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.domain.scoring.events import LeaseReported
from batchyard.ports.instance import RowPlan
from tests.runtime.bench import Bench

# The item's name says how many rows it gives.
ROWS = """
import os
def run(mini_batch):
    return [name for path in mini_batch for name in [os.path.basename(path)] for _ in range(int(name.split("-")[1]))]
"""


@pytest.mark.parametrize(
    ("wanted", "failing"),
    [(RowsPerItem.ONE, [0, 2, 3]), (RowsPerItem.AT_LEAST_ONE, [0, 2]), (RowsPerItem.ANY, [])],
)
def test_a_number_of_rows_that_was_not_agreed_is_a_row_count(
    tmp_path: Path, python: Path, wanted: RowsPerItem, failing: list[int]
) -> None:
    names = [b"a-0", b"b-1", b"c-1", b"d-1", b"e-0", b"f-1", b"g-2", b"h-1"]
    with Bench(
        tmp_path, ROWS, names=names, mini_batch_size=2, python=python, output_contract=OutputContract(wanted)
    ) as bench:
        done = bench.score()
    assert [failure.mini_batch for failure in done.failures] == failing
    assert {(failure.error_class, failure.error) for failure in done.failures} <= {(ErrorClass.CONTRACT, "RowCount")}
    assert sum(segment.succeeded for segment in done.segments) == 8 - 2 * len(failing)
    assert all(segment.short == () for segment in done.segments)
    if failing:
        message = done.failures[0].message
        assert message.startswith(f"run() gave 1 row for 2 items; output_contract.rows_per_item is {wanted.value}:")
        assert "RowCount" in bench.log("user/error/n0/n0-s0-0.txt")


def test_rows_of_a_result_that_breaks_the_contract_are_in_no_segment(tmp_path: Path, python: Path) -> None:
    names = [b"a-1", b"b-5", b"c-1"]
    contract = OutputContract(RowsPerItem.ONE)
    with Bench(tmp_path, ROWS, names=names, mini_batch_size=1, python=python, output_contract=contract) as bench:
        bench.score()
        assert bench.text() == "a-1\nc-1\n"


def test_summary_only_counts_rows_for_the_contract_too(tmp_path: Path, python: Path) -> None:
    contract = OutputContract(RowsPerItem.ONE)
    names = [b"a-1", b"b-2"]
    with Bench(
        tmp_path, ROWS, names=names, mini_batch_size=1, python=python, output_contract=contract, writes_rows=False
    ) as bench:
        done = bench.score()
    assert [failure.error for failure in done.failures] == ["RowCount"]


def test_an_item_that_is_not_what_was_declared_fails_before_the_script_sees_it(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch):\n    return [open(path).read() for path in mini_batch]\n"
    contract = InputContract(InputFormat.CSV, {"a": "int64"})
    names = [b"good.csv", b"bad.csv", b"gone.csv"]
    with Bench(tmp_path, script, names=names, mini_batch_size=1, python=python, input_contract=contract) as bench:
        root = Path(bench.listing.input_root.decode())
        (root / "good.csv").write_text("a\n1\n")
        (root / "bad.csv").write_text("a\none\n")
        (root / "gone.csv").unlink()
        done = bench.score()
    bad, gone = done.failures
    assert (bad.mini_batch, bad.error_class, bad.error) == (1, ErrorClass.CONTRACT, "InputSchema")
    assert bad.message == "'bad.csv' has in row 2, column 'a': 'one', which is no int64."
    assert (gone.mini_batch, gone.error_class, gone.error) == (2, ErrorClass.DATA, "FileNotFoundError")


# The mini-batch's number says how its result is wrong.
SCORER = """
import os
def run(mini_batch, context):
    rows = [{"id": os.path.basename(path), "score": 0.5} for path in mini_batch]
    how = WRONG[context.minibatch_index]
    if how == "n-1":
        return rows[:-1]
    if how == "n+1":
        return rows + rows[:1]
    if how == "reordered":
        return rows[::-1]
    if how == "wrong type":
        rows[1]["score"] = "high"
    elif how == "null":
        rows[1]["score"] = float("nan")
    elif how == "missing":
        rows = [{"id": row["id"]} for row in rows]
    elif how == "extra":
        rows[0]["rank"] = 1
    elif how == "doubled":
        rows[1]["id"] = rows[0]["id"]
    elif how == "unknown":
        rows[0]["id"] = "nobody.csv"
    return rows
"""
CAUGHT = {
    "right": "",
    "n-1": "RowCount",
    "n+1": "RowCount",
    "reordered": "WrongOrder",
    "wrong type": "WrongType",
    "null": "NullValue",
    "missing": "MissingColumn",
    "extra": "UnexpectedColumn",
    "doubled": "DuplicateKey",
    "unknown": "UnknownKey",
}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_each_way_to_break_a_contract_is_caught_with_its_own_error(tmp_path: Path, python: Path, kind: str) -> None:
    contract = OutputContract(
        RowsPerItem.ONE, {"id": "string", "score": "float64"}, ExtraColumns.REFUSE, (), "id", unique_key=True
    )
    rows = RowPlan("csv" if kind == "csv" else "jsonl", mixes_types=kind != "parquet")
    chosen = {"output_contract": contract, "rows": rows, "python": python}
    script = f"WRONG = {list(CAUGHT)!r}\n" + SCORER
    with Bench(tmp_path, script, items=3 * len(CAUGHT), mini_batch_size=3, **chosen) as bench:
        done = bench.score()
    assert {failure.error_class for failure in done.failures} == {ErrorClass.CONTRACT}
    found = {list(CAUGHT)[failure.mini_batch]: failure.error for failure in done.failures}
    assert found == {how: error for how, error in CAUGHT.items() if error}
    assert sum(segment.rows for segment in done.segments) == 3


def test_columns_of_frames_are_checked_in_azures_text_too(tmp_path: Path) -> None:
    script = """
import pandas
def run(mini_batch, context):
    frame = pandas.DataFrame({"id": range(len(mini_batch)), "score": [0.5] * len(mini_batch)})
    if context.minibatch_index == 1:
        frame["score"] = ["high"] * len(mini_batch)
    if context.minibatch_index == 2:
        frame.loc[0, "score"] = None
    return frame if context.minibatch_index < 3 else list(frame["score"])
"""
    contract = OutputContract(RowsPerItem.ONE, {"score": "float64"}, nulls=())
    with Bench(tmp_path, script, items=8, mini_batch_size=2, output_contract=contract) as bench:
        done = bench.score()
        assert bench.text() == "0 0.5\n1 0.5\n"
    assert [failure.error for failure in done.failures] == ["WrongType", "NullValue", "MissingColumn"]
    assert "Return a DataFrame" in done.failures[2].message


def test_pieces_of_a_mini_batch_are_each_checked_and_joined(tmp_path: Path, python: Path) -> None:
    contract = OutputContract(RowsPerItem.ONE, {"id": "string"}, key_column="id")
    chosen = {"output_contract": contract, "rows": RowPlan("jsonl", mixes_types=False), "python": python}
    with Bench(tmp_path, "WRONG = ['right']\n" + SCORER, items=5, mini_batch_size=5, **chosen) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, run_items=2)
        done = bench.wait(LeaseReported)
    assert (done.failures, [(s.rows, s.succeeded) for s in done.segments]) == ((), [(5, 5)])
