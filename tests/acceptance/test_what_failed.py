"""Finding out what failed: groups of failures in the job's record, in its logs, and on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.xdist_group("what-failed")

TWO_PROBLEMS = """
import os
def run(mini_batch):
    for path in mini_batch:
        number = int(open(path).read())
        if number < 4:
            raise ValueError("cannot read " + os.path.basename(path))
        if number in (8, 9):
            return []
    return list(mini_batch)
"""


@pytest.fixture(scope="module")
def ten(served: ServerHome) -> Path:
    return served.files("ten-what-failed", 10)


def test_two_planted_problems_are_exactly_two_groups_in_show_table_and_logs(served: ServerHome, ten: Path) -> None:
    served.deploy("problems", "one", TWO_PROBLEMS, mini_batch_size=1, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("problems", ten))
    assert job["status"] == "Completed"
    first, second = job["failure_groups"]
    assert (first["error_class"], first["error"], first["message"]) == ("script", "ValueError", "cannot read <name>")
    assert (first["items"], first["mini_batches"], first["share"]) == (4, 4, 0.666667)
    assert [sample["item"] for sample in first["samples"]] == [f"item-000{k}.txt" for k in range(3)]
    assert (second["error_class"], second["error"], second["items"]) == ("data", "ShortResult", 2)
    assert [sample["item"] for sample in second["samples"]] == ["item-0008.txt", "item-0009.txt"]
    assert job["recovered_groups"] == []
    table = served.run("job", "show", "-n", job["name"], "-o", "table").stdout
    assert "4 script ValueError: cannot read <name>" in table
    errors = (served.logs(job["name"]) / "logs" / "user" / "error.txt").read_text()
    assert "4 items in 4 mini-batches: script ValueError: cannot read <name>" in errors
    assert "Traceback" in errors
    overview = (served.logs(job["name"]) / "logs" / "job_progress_overview.txt").read_text()
    assert "There are 10 tasks with 10 items." in overview
    assert "Processed 10 of 10 mini batches." in overview
    assert "Failures by cause:" in overview
    assert "job_error.txt" in (served.logs(job["name"]) / "logs" / "readme.txt").read_text()


def test_a_list_of_jobs_leaves_the_groups_out_and_says_so(served: ServerHome, ten: Path) -> None:
    served.deploy("listed", "one", TWO_PROBLEMS, mini_batch_size=1, retry_settings={"max_retries": 0})
    name = served.invoke("listed", ten)
    served.finish(name)
    (listed,) = [job for job in served.json("job", "list", "--endpoint", "listed") if job["name"] == name]
    assert listed["failure_groups"] is None


def test_what_failed_at_first_and_succeeded_later_is_told_apart(served: ServerHome, ten: Path, tmp_path: Path) -> None:
    script = f"""
        import os
        def run(mini_batch):
            marker = os.path.join({str(tmp_path)!r}, os.path.basename(mini_batch[0]))
            if int(open(mini_batch[0]).read()) < 2 and not os.path.exists(marker):
                open(marker, "w").close()
                raise OSError("flaky " + mini_batch[0])
            return list(mini_batch)
        """
    served.deploy("flaky", "one", script, mini_batch_size=1, retry_settings={"max_retries": 1}, error_threshold=0)
    job = served.finish(served.invoke("flaky", ten))
    assert job["status"] == "Completed"
    assert job["failure_groups"] == []
    assert [(g["error"], g["message"], g["items"]) for g in job["recovered_groups"]] == [("OSError", "flaky <path>", 2)]


def test_stream_and_a_local_run_end_with_the_causes(served: ServerHome, ten: Path) -> None:
    served.deploy("ends", "ends", TWO_PROBLEMS, mini_batch_size=1, retry_settings={"max_retries": 0})
    done = served.run("job", "stream", "-n", served.invoke("ends", ten))
    line = "4 items in 4 mini-batches: script ValueError: cannot read <name>"
    assert line in done.stdout
    output = served.folder / "local-out"
    local = served.run("run", "ends/deployment.yml", "--input", str(ten), "--output", str(output))
    assert line in local.stderr
    failed = [json.loads(text) for text in (output / "_failed_items.jsonl").read_text().splitlines()]
    assert {entry["log"].split("/")[2] for entry in failed} == {"error", "stderr"}
