"""`job download --partial`: what a job has scored, whenever it is asked; never anything that looks whole."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import ServerHome

ITEMS = 60
ROWS = [b"item-%04d.txt %d\n" % (k, k) for k in range(ITEMS)]
# The seventh item is bad; from the thirtieth on everything waits until the marker is gone.
SCRIPT = """
import os, time
def run(mini_batch):
    for path in mini_batch:
        number = int(open(path).read())
        while number >= 30 and os.path.exists({marker!r}):
            time.sleep(0.05)
        if number == 7 and os.path.exists({marker!r}):
            raise ValueError("bad")
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""


def partial_of(served: ServerHome, job: str, folder: Path) -> tuple[dict[str, Any], list[bytes], list[dict[str, Any]]]:
    """Download what there is, check it against its own manifest, and give manifest, rows and failed items."""
    served.run("job", "download", "-n", job, "--partial", "-p", str(folder), "-o", "none")
    score = folder / "partial-outputs" / "score"
    manifest = json.loads((score / "partial-manifest.json").read_text())
    assert sorted(p.name for p in score.iterdir()) == sorted(
        ["partial-manifest.json", *(entry["name"] for entry in manifest["outputs"])]
    )
    for entry in manifest["outputs"]:
        content = (score / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size_bytes"], entry["sha256"])
    counts = manifest["counts"]
    assert counts["succeeded"] + counts["failed"] + counts["skipped"] + counts["incomplete"] == counts["items"]
    rows = (score / "partial-predictions.csv").read_bytes().splitlines(keepends=True)
    assert len(rows) == counts["rows"]
    lines = (score / "partial-failed-items.jsonl").read_text().splitlines()
    return manifest, rows, [json.loads(line) for line in lines]


@pytest.fixture
def half_done(served: ServerHome, tmp_path: Path) -> str:
    """A job that is held in the middle of its input."""
    (tmp_path / "marker").touch()
    script = SCRIPT.format(marker=str(tmp_path / "marker"))
    retry = {"max_retries": 0, "timeout": 900}
    served.deploy(
        "halves",
        tmp_path.name.replace("_", "-")[:20].strip("-"),
        script,
        mini_batch_size=1,
        max_concurrency_per_instance=2,
        retry_settings=retry,
    )
    job = served.invoke("halves", served.files("sixty", ITEMS))
    deadline = time.monotonic() + 120
    while served.json("job", "show", "-n", job)["counts"]["succeeded"] < ITEMS // 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job


def test_the_committed_part_of_a_cancelled_job_validates_and_a_resume_gives_the_full_output(
    served: ServerHome, half_done: str, tmp_path: Path
) -> None:
    running, rows, _ = partial_of(served, half_done, tmp_path / "running")
    assert (running["partial"], running["status"]) == (True, "Running")
    assert rows == [row for row in ROWS if row in rows], "rows are whole and in the order of the input"
    served.run("job", "cancel", "-n", half_done)
    record = served.finish(half_done)
    manifest, rows, failed = partial_of(served, half_done, tmp_path / "cancelled")
    assert manifest["counts"]["succeeded"] == record["counts"]["succeeded"] == len(rows)
    assert 0 < len(rows) < ITEMS
    assert rows == [row for row in ROWS if row in rows]
    assert [line["item"] for line in failed] == ["item-0007.txt"]
    (tmp_path / "marker").unlink()
    served.run("job", "resume", "-n", half_done, "-o", "none")
    assert served.finish(half_done)["status"] == "Completed"
    full = (served.output(half_done) / "predictions.csv").read_bytes()
    assert full == b"".join(ROWS[:7] + ROWS[8:])
    refused = served.run("job", "download", "-n", half_done, "--partial", "-p", str(tmp_path / "no"), exit_code=1)
    assert "Download it without `--partial`" in refused.stderr


def test_rows_that_are_damaged_on_disk_are_left_out_and_counted_as_incomplete(
    served: ServerHome, half_done: str, tmp_path: Path
) -> None:
    served.run("job", "cancel", "-n", half_done)
    served.finish(half_done)
    before, rows, _ = partial_of(served, half_done, tmp_path / "before")
    part = max((served.home / "jobs" / half_done / "parts").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(part.read_bytes())
    content[-2] ^= 1
    part.write_bytes(content)
    after, fewer, _ = partial_of(served, half_done, tmp_path / "after")
    assert len(fewer) < len(rows)
    assert set(fewer) < set(rows)
    assert after["counts"]["incomplete"] == before["counts"]["incomplete"] + len(rows) - len(fewer)


def test_files_that_a_script_wrote_itself_are_left_out_and_the_answer_says_so(
    served: ServerHome, tmp_path: Path
) -> None:
    script = """
import os
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name.endswith("5.txt"):
        raise ValueError("poisoned")
    open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name), "w").close()
    return mini_batch
"""
    retry = {"max_retries": 0, "timeout": 900}
    served.deploy("own", "one", script, mini_batch_size=1, error_threshold=0, retry_settings=retry)
    job = served.finish(served.invoke("own", served.files("own-files", 6)))
    assert job["status"] == "Failed"
    manifest, rows, _ = partial_of(served, job["name"], tmp_path / "own")
    assert len(rows) == manifest["left_out"]["script_files_of_mini_batches"] > 0


def test_the_part_of_a_job_whose_script_never_started_is_empty(served: ServerHome, tmp_path: Path) -> None:
    served.deploy("nothing", "one", "def init():\n    raise OSError('no')\ndef run(b):\n    return b\n")
    job = served.finish(served.invoke("nothing", served.files("few", 2)))
    assert job["status"] == "Failed"
    manifest, rows, failed = partial_of(served, job["name"], tmp_path / "failed")
    assert (manifest["counts"]["incomplete"], rows, failed) == (2, [], [])
    missing = served.run("job", "download", "-n", "no-such-job", "--partial", exit_code=3)
    assert "does not exist" in missing.stderr
