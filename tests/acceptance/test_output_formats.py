"""Outputs of other formats than Azure's, as users have them: invoked, downloaded, tried again, read before the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.outputs import read_rows, row_files, rows_of
from tests.support.server_home import ServerHome

ITEMS = 40
NAMES = [f"item-{k:04}.txt" for k in range(ITEMS)]
# Two items are bad until their marker is gone; every eighth row has a column more.
SCRIPT = """
import os
def run(mini_batch):
    rows = []
    for path in mini_batch:
        number = int(open(path).read())
        if number in (7, 30) and os.path.exists({marker!r}):
            raise ValueError("bad")
        rows.append({{"item": os.path.basename(path), "number": number, "text": "x" * 60}})
        if number % 8 == 0:
            rows[-1]["eighth"] = number / 8
    return rows
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    found = tmp_path / "marker"
    found.touch()
    return found


def deploy(served: ServerHome, endpoint: str, marker: Path) -> Path:
    settings = {"mini_batch_size": 2, "max_concurrency_per_instance": 2, "retry_settings": {"max_retries": 0}}
    served.deploy(endpoint, "one", SCRIPT.format(marker=str(marker)), **settings)
    return served.files(f"{endpoint}-items", ITEMS)


@pytest.mark.parametrize("output_format", ["csv", "jsonl", "parquet"])
def test_failed_items_are_scored_again_into_a_whole_output_of_the_same_format(
    served: ServerHome, tmp_path: Path, marker: Path, output_format: str
) -> None:
    source = deploy(served, f"formats-{output_format}", marker)
    wanted = (f"output_file_name=rows.{output_format}", f"output_format={output_format}", "output_shard_bytes=2048")
    job = served.invoke(f"formats-{output_format}", source, "--set", *wanted)
    first = served.finish(job)
    assert (first["status"], first["counts"]["failed"], first["generation"]) == ("Completed", 2, 1)
    download = ("job", "download", "-n", job, "-p", str(tmp_path / "got"), "-o", "none")
    served.run(*download)
    got = tmp_path / "got/named-outputs/score"
    assert [row["item"] for row in rows_of(got)] == [name for name in NAMES if name not in (NAMES[7], NAMES[30])]
    marker.unlink()
    served.run("job", "retry-failed", "-n", job, "-o", "none")
    second = served.finish(job)
    assert (second["status"], second["counts"]["failed"], second["generation"]) == ("Completed", 0, 2)
    served.run(*download)
    assert [(row["item"], int(row["number"])) for row in rows_of(got)] == list(zip(NAMES, range(ITEMS), strict=True))
    names = {entry["name"] for entry in row_files(got)}
    assert names == {f"rows-{k:05}-of-{len(names):05}.{output_format}" for k in range(1, len(names) + 1)}
    assert {path.name for path in got.iterdir()} == {*names, "_failed_items.jsonl", "_manifest.json"}
    assert len(names) > 1


@pytest.mark.parametrize(("output_format", "name"), [("csv", "rows.csv"), ("parquet", "rows.parquet.jsonl")])
def test_rows_can_be_read_before_there_is_an_output(
    served: ServerHome, tmp_path: Path, marker: Path, output_format: str, name: str
) -> None:
    source = deploy(served, f"partial-{output_format}", marker)
    wanted = (f"output_file_name=rows.{output_format}", f"output_format={output_format}", "error_threshold=0")
    job = served.invoke(f"partial-{output_format}", source, "--set", *wanted)
    assert served.finish(job)["status"] == "Failed"
    served.run("job", "download", "-n", job, "--partial", "-p", str(tmp_path / "got"), "-o", "none")
    got = tmp_path / "got/partial-outputs/score"
    manifest = json.loads((got / "partial-manifest.json").read_text())
    rows = read_rows(got / f"partial-{name}", "csv" if output_format == "csv" else "jsonl")
    assert len(rows) == manifest["counts"]["rows"] > 0
    items = [row["item"] for row in rows]
    assert items == [name for name in NAMES if name in items], "whole rows, in the order of the input"
    marker.unlink()
    served.run("job", "resume", "-n", job, "--set", "error_threshold=-1", "-o", "none")
    assert served.finish(job)["status"] == "Completed"
    assert set(items) <= {row["item"] for row in rows_of(served.output(job))}
