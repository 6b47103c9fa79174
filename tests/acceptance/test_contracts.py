"""Contracts as people use them: what breaks one is told by name, and an output that breaks one is not published."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.xdist_group("contracts")

ONCE = {"max_retries": 0, "timeout": 60}
# The mini-batch's number says what its scorer does.
WAYS = {
    "right": "",
    "n-1": "RowCount",
    "n+1": "RowCount",
    "reordered": "WrongOrder",
    "wrong type": "WrongType",
    "null": "NullValue",
}
SCORER = f"""
import os
WAYS = {list(WAYS)!r}
def run(mini_batch, context):
    way = WAYS[context.minibatch_index]
    rows = [{{"file": os.path.basename(path), "score": float(open(path).read())}} for path in mini_batch]
    if way == "n-1":
        rows.pop()
    elif way == "n+1":
        rows.append(rows[0])
    elif way == "reordered":
        rows.reverse()
    elif way == "wrong type":
        rows[1]["score"] = "high"
    elif way == "null":
        rows[1]["score"] = None
    return rows
"""
CONTRACT = {
    "rows_per_item": "one",
    "columns": {"file": "string", "score": "float64"},
    "nulls": "refuse",
    "key_column": "file",
    "unique_key": True,
}


def failed_items(served: ServerHome, job: dict[str, Any]) -> list[dict[str, Any]]:
    lines = (served.output(job["name"]) / "_failed_items.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_scorers_that_give_too_few_too_many_reordered_mistyped_or_null_rows_are_each_told_apart(
    served: ServerHome, kind: str
) -> None:
    settings = {"mini_batch_size": 3, "retry_settings": ONCE, "isolate_failing_items": False}
    output = {"output_format": kind, "output_file_name": f"scores.{kind}", "output_contract": CONTRACT}
    served.deploy("wrong-scorers", f"as-{kind}", SCORER, **settings, **output)
    job = served.finish(served.invoke("wrong-scorers", served.files("eighteen", 3 * len(WAYS))))
    assert job["status"] == "Completed", job
    found = {list(WAYS)[item["mini_batch"]]: item["error"] for item in failed_items(served, job)}
    assert found == {way: error for way, error in WAYS.items() if error}
    assert {item["error_class"] for item in failed_items(served, job)} == {"contract"}
    groups = {group["error"]: group["items"] for group in job["failure_groups"]}
    assert groups == {"RowCount": 6, "WrongOrder": 3, "WrongType": 3, "NullValue": 3}
    errors = served.run("job", "logs", "-n", job["name"], "--errors").stdout
    assert "contract WrongOrder" in errors
    table = served.run("job", "show", "-n", job["name"], "-o", "table").stdout
    assert "contract" in table


def test_one_item_that_breaks_the_contract_fails_alone(served: ServerHome) -> None:
    script = """
import os
def run(mini_batch):
    rows = [{"file": os.path.basename(path), "score": 0.5} for path in mini_batch]
    for row in rows:
        row["score"] = float("nan") if row["file"] == "item-0005.txt" else 0.5
    return rows
"""
    settings = {"mini_batch_size": 8, "retry_settings": ONCE, "output_file_name": "scores.jsonl"}
    served.deploy("one-null", "first", script, **settings, output_contract=CONTRACT)
    job = served.finish(served.invoke("one-null", served.files("sixteen", 16)))
    (item,) = failed_items(served, job)
    told = (item["item"], item["error_class"], item["error"], item["attribution"])
    assert told == ("item-0005.txt", "contract", "NullValue", "item")
    assert item["message"].startswith("column 'score' has NaN in row 1 of 1 (item 'item-0005.txt')")
    rows = [json.loads(line) for line in (served.output(job["name"]) / "scores.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == [f"item-{k:04d}.txt" for k in range(16) if k != 5]


def test_a_key_that_comes_twice_in_the_whole_output_publishes_nothing_and_names_both_items(
    served: ServerHome, tmp_path: Path
) -> None:
    script = """
def run(mini_batch):
    return [{"customer": int(open(path).read()) % 7} for path in mini_batch]
"""
    unique = {"key_column": "customer", "unique_key": True}
    settings = {"mini_batch_size": 2, "max_concurrency_per_instance": 2, "output_file_name": "scores.jsonl"}
    served.deploy("unique", "first", script, **settings, output_contract=unique)
    job = served.finish(served.invoke("unique", served.files("nine", 9)))
    error = job["error"]
    assert (job["status"], error["code"], error["error_class"]) == ("Failed", "ContractBroken", "contract")
    assert (error["item"], error["exception"]) == ("item-0007.txt", "DuplicateKey")
    assert "has 0 more than once: for item 'item-0000.txt'" in error["message"]
    assert "for item 'item-0007.txt'" in error["message"]
    assert "4 rows have a key that another row has" in error["message"]
    assert not served.output(job["name"]).exists()
    served.run("job", "download", "-n", job["name"], "--partial", "-p", str(tmp_path), "-o", "none")
    (rows,) = tmp_path.glob("**/*scores.jsonl")
    assert len(rows.read_text().splitlines()) == 9
    again = served.run("job", "resume", "-n", job["name"], "--wait", exit_code=None)
    assert "ContractBroken" in again.stdout + again.stderr
    assert served.json("job", "show", "-n", job["name"])["run"] == 2
    few = served.finish(served.invoke("unique", served.files("seven", 7)))
    assert few["status"] == "Completed"


def test_a_table_with_a_bad_column_is_told_by_file_row_and_column(served: ServerHome) -> None:
    script = """
import csv
def run(mini_batch):
    return [sum(int(row["amount"]) for row in csv.DictReader(open(path))) for path in mini_batch]
"""
    for name, amount in (("good", "5"), ("bad", "five")):
        with open(served.file(f"tables/{name}.csv", ""), "w", newline="") as stream:
            csv.writer(stream).writerows([["id", "amount"], [1, 4], [2, amount]])
    served.deploy(
        "tables", "first", script, retry_settings=ONCE, input_contract={"format": "csv", "columns": {"amount": "int64"}}
    )
    job = served.finish(served.invoke("tables", served.folder / "tables"))
    (item,) = failed_items(served, job)
    assert (item["item"], item["error_class"], item["error"]) == ("bad.csv", "contract", "InputSchema")
    assert item["message"] == "'bad.csv' has in row 3, column 'amount': 'five', which is no int64."
    assert (served.output(job["name"]) / "predictions.csv").read_text() == "9\n"


def test_contracts_that_cannot_be_kept_are_refused_with_every_mistake_at_once(served: ServerHome) -> None:
    served.deploy("refused", "first", SCORER)
    answer = served.run(
        *("batch-deployment", "update", "--endpoint-name", "refused", "--name", "first", "--set"),
        "settings.output_contract.key_column=file",
        "settings.output_contract.columns.score=double",
        "settings.input_contract.format=png",
        exit_code=None,
    )
    assert answer.returncode != 0
    for part in ("output_contract.key_column", "output_contract.columns.score", "input_contract.format"):
        assert part in answer.stderr
