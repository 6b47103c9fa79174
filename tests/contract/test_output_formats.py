"""Outputs of each format, by real workers: order and keys, files by size, types that differ, what there is before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.deployments import ExecutionSettings, OutputColumn, OutputFormat, RetrySettings
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.partial import LedgerPartials
from tests.support.direct import DirectHome
from tests.support.outputs import manifest_of, read_rows, row_files, rows_of
from tests.support.part_files import Part, write_parts

ROOT = Path(__file__).parents[2]
ITEMS = 160
NAMES = [f"item-{k:03}.txt" for k in range(ITEMS)]
STRUCTURED = pytest.mark.parametrize("output_format", [OutputFormat.CSV, OutputFormat.JSONL, OutputFormat.PARQUET])

# Mini-batches take unlike times, so that eight workers finish them in any order.
SHUFFLED_SCRIPT = """
import os, random, time
def run(mini_batch):
    time.sleep(random.random() / 50)
    rows = []
    for path in mini_batch:
        number = int(os.path.basename(path)[5:8])
        rows.append({"name": os.path.basename(path), "number": number, "text": 'a, "b"\\n%d' % number})
        if number % 3 == 0:
            rows[-1]["third"] = number / 3
    return rows
"""
MIXED_SCRIPT = """
import os
def run(mini_batch):
    return [{"score": 1 if path < os.path.dirname(path) + "/item-080" else "x", "same": 1.5} for path in mini_batch]
"""


@pytest.fixture
def direct(tmp_path: Path) -> DirectHome:
    return DirectHome(tmp_path / "home")


def run(direct: DirectHome, tmp_path: Path, script: str, output_format: OutputFormat, **settings: Any) -> Job:
    source = tmp_path / "input"
    source.mkdir()
    for name in NAMES:
        (source / name).write_text("x")
    wanted = {"mini_batch_size": 2, "max_concurrency_per_instance": 8, **settings}
    name = f"rows.{output_format.value}"
    direct.submit(
        "job", source, script, ExecutionSettings(output_format=output_format, output_file_name=name, **wanted)
    )
    return direct.run_next()


@STRUCTURED
def test_rows_stand_in_the_order_of_the_input_and_each_key_once_whoever_is_first(
    direct: DirectHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    columns = (OutputColumn.ITEM, OutputColumn.POSITION, OutputColumn.MINI_BATCH)
    assert run(direct, tmp_path, SHUFFLED_SCRIPT, output_format, output_columns=columns).status is JobStatus.COMPLETED
    rows = rows_of(direct.output("job"))
    assert [row["item"] for row in rows] == [row["name"] for row in rows] == NAMES
    assert [int(row["position"]) for row in rows] == [int(row["number"]) for row in rows] == list(range(ITEMS))
    assert [int(row["mini_batch"]) for row in rows] == [k // 2 for k in range(ITEMS)]
    assert [row["text"] for row in rows] == [f'a, "b"\n{k}' for k in range(ITEMS)]
    thirds = [row.get("third") for row in rows]
    assert [float(third) if third else 0.0 for third in thirds] == [k / 3 if k % 3 == 0 else 0.0 for k in range(ITEMS)]
    (entry,) = row_files(direct.output("job"))
    types = {"item": "string", "position": "int64", "mini_batch": "int64", "name": "string", "number": "int64"}
    assert dict(entry["columns"]) == {**types, "text": "string", "third": "float64"}
    assert (entry["name"], entry["format"]) == (f"rows.{output_format.value}", output_format.value)


@STRUCTURED
def test_files_by_size_hold_the_same_rows_in_the_same_order(
    direct: DirectHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    job = run(direct, tmp_path, SHUFFLED_SCRIPT, output_format, output_shard_bytes=4096)
    assert job.status is JobStatus.COMPLETED
    files = row_files(direct.output("job"))
    names = [f"rows-{k:05}-of-{len(files):05}.{output_format.value}" for k in range(1, len(files) + 1)]
    assert [entry["name"] for entry in files] == names
    assert len(files) > 1
    assert [row["name"] for row in rows_of(direct.output("job"))] == NAMES
    left = {path.name for path in direct.output("job").iterdir()} - {*names}
    assert left == {"_failed_items.jsonl", "_manifest.json"}
    if output_format is not OutputFormat.PARQUET:
        assert max(entry["size_bytes"] for entry in files) <= 4096


@pytest.mark.parametrize("output_format", [OutputFormat.CSV, OutputFormat.JSONL])
def test_types_that_are_no_one_type_are_values_side_by_side(
    direct: DirectHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    assert run(direct, tmp_path, MIXED_SCRIPT, output_format).status is JobStatus.COMPLETED
    rows = rows_of(direct.output("job"))
    assert [str(row["score"]) for row in rows] == ["1"] * 80 + ["x"] * 80
    (entry,) = manifest_of(direct.output("job"))["outputs"][:1]
    assert entry["columns"] == [["score", "object"], ["same", "float64"]]


def test_types_that_are_no_one_type_publish_no_parquet_and_are_named_with_an_item_of_each(
    direct: DirectHome, tmp_path: Path
) -> None:
    job = run(direct, tmp_path, MIXED_SCRIPT, OutputFormat.PARQUET)
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "OutputConflict"
    assert "'score' is int64 in rows of 'item-000.txt' and string in rows of 'item-080.txt'" in job.error.message
    assert not direct.output("job").exists()


LATER_SCRIPT = """
import os
def run(mini_batch):
    found = [int(os.path.basename(path)[5:8]) for path in mini_batch]
    if 80 in found:
        return [{"score": None}, {"score": "x"}] MORE
    return [{"score": None if k < 3 else 1} for k in found]
"""


@pytest.mark.parametrize(
    ("more", "where"),
    [("", "in rows of 'item-081.txt'"), ('+ [{"score": "y"}]', "in the mini-batch of 'item-080.txt'")],
)
def test_of_types_that_are_no_one_type_the_item_is_named_whose_row_has_it(
    direct: DirectHome, tmp_path: Path, more: str, where: str
) -> None:
    job = run(direct, tmp_path, LATER_SCRIPT.replace("MORE", more), OutputFormat.PARQUET)
    assert job.error is not None
    assert "'score' is int64 in rows of 'item-" in job.error.message
    assert f" and string {where}, " in job.error.message


FAILS_ONCE_SCRIPT = """
import os
def run(mini_batch):
    if os.path.basename(mini_batch[0]) >= "item-100" and os.path.exists(MARKER):
        raise ValueError("bad")
    return [{"name": os.path.basename(path), "text": "x" * 100} for path in mini_batch]
"""


@STRUCTURED
def test_a_part_of_the_rows_can_be_read_before_there_is_an_output(
    direct: DirectHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    script = FAILS_ONCE_SCRIPT.replace("MARKER", repr(str(marker)))
    retry = RetrySettings(max_retries=0)
    job = run(direct, tmp_path, script, output_format, error_threshold=0, retry=retry, max_concurrency_per_instance=1)
    assert job.status is JobStatus.FAILED
    partials = LedgerPartials(direct.rooms.homes)
    found = partials.look(job)
    content = b"".join(partials.rows(job, found.snapshot))
    assert found.rows_bytes == len(content)
    path = tmp_path / "partial"
    path.write_bytes(content)
    rows = read_rows(path, "csv" if output_format is OutputFormat.CSV else "jsonl")
    assert [row["name"] for row in rows] == NAMES[: len(rows)]
    assert len(rows) == found.counts.rows >= 98


_PEAK_SCRIPT = """
import sys
from pathlib import Path
from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.outputs.formats import OutputFormat
from batchyard.engine.rows import lay_out_lines
from tests.support.part_files import gathered_of
from tests.support.processes import peak_kib
folder, rows, what = Path(sys.argv[1]), int(sys.argv[2]), OutputFormat(sys.argv[3])
home = LocalJobHome(folder)
found = lay_out_lines(
    home, gathered_of(home, folder / "work"), folder / "work", output_format=what, most_bytes=1 << 16, reach=tuple
)
assert sum(file.rows for file in found.files) == rows
assert all(found.size_bytes(number) <= 1 << 16 for number in range(len(found.files)))
print(peak_kib())
"""


def write_unlike_parts(folder: Path, rows: int, output_format: OutputFormat) -> None:
    """Every other thousand rows have other columns, so that csv is written anew."""
    is_csv, kind = output_format is OutputFormat.CSV, output_format.value
    one = '"a ""quoted""\ntext",1' if is_csv else '{"text":"a","n":1}'
    other = '2,"x,y",true' if is_csv else '{"n":2,"text":"x","more":true}'
    columns = (("text", "string"), ("n", "int64"))
    parts = [
        Part(columns, {k: [one] * 1000 for k in range(0, rows // 1000, 2)}, kind),
        Part((*columns[::-1], ("more", "bool")), {k: [other] * 1000 for k in range(1, rows // 1000, 2)}, kind),
    ]
    write_parts(LocalJobHome(folder), parts, items=rows // 1000)


@pytest.mark.parametrize("output_format", [OutputFormat.CSV, OutputFormat.JSONL])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, output_format: OutputFormat) -> None:
    peaks = []
    for rows in (50_000, 500_000):
        folder = tmp_path / str(rows)
        write_unlike_parts(folder, rows, output_format)
        command = [sys.executable, "-c", _PEAK_SCRIPT, str(folder), str(rows), output_format.value]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
        peaks.append(int(done.stdout) / 1024)
    print(f"MiB: {peaks}")
    assert peaks[1] < peaks[0] + 10, f"MiB at 50,000 and at 500,000 rows: {peaks}"
