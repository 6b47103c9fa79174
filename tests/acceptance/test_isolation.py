"""One bad item does not spoil its neighbours: whole jobs through the engine, with real workers (rule 16, O9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batchyard.domain.deployments import ExecutionSettings, OutputAction, RetrySettings
from batchyard.domain.job_states import JobStatus
from tests.support.direct import DirectHome

# Raises when an item says bad, gives no row where one says short, and writes a line for each call beside the items.
SCRIPT = """
import os
def run(mini_batch):
    words = [(os.path.basename(path), open(path).read()) for path in mini_batch]
    with open(os.path.join(os.path.dirname(mini_batch[0]), "..", "calls"), "a") as log:
        log.write("%d\\n" % len(mini_batch))
    for name, word in words:
        if word == "bad":
            raise ValueError("cannot read " + name)
    return [name for name, word in words if word != "short"]
"""
FILES_SCRIPT = """
import os
def run(mini_batch, context):
    words = [open(path).read() for path in mini_batch]
    out = os.environ["AZUREML_BI_OUTPUT_PATH"]
    with open(os.path.join(out, "batch-%d.csv" % context.minibatch_index), "w") as rows:
        for path, word in zip(mini_batch, words):
            if word == "bad":
                raise ValueError("cannot read " + os.path.basename(path))
            rows.write(os.path.basename(path) + "\\n")
    return words
"""


@pytest.fixture
def direct(tmp_path: Path) -> DirectHome:
    return DirectHome(tmp_path / "home")


def inputs(folder: Path, count: int, words: dict[int, str]) -> Path:
    source = folder / "input"
    source.mkdir()
    for k in range(count):
        (source / f"item-{k:03d}").write_text(words.get(k, "good"))
    return source


def chosen(**changed: Any) -> ExecutionSettings:
    return ExecutionSettings(**{"mini_batch_size": 64, "retry": RetrySettings(0, 30.0), **changed})


def failed_lines(direct: DirectHome, job: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (direct.output(job) / "_failed_items.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("bad", "most_calls"), [([77], 13), ([70, 100, 127], 37)])
def test_bad_items_of_a_mini_batch_of_64_fail_alone(
    direct: DirectHome, tmp_path: Path, bad: list[int], most_calls: int
) -> None:
    source = inputs(tmp_path, 128, dict.fromkeys(bad, "bad"))
    direct.submit("j", source, SCRIPT, chosen())
    job = direct.run_next()
    good = [f"item-{k:03d}" for k in range(128) if k not in bad]
    assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, len(good), len(bad))
    assert (direct.output("j") / "predictions.csv").read_text().splitlines() == good
    assert len((tmp_path / "calls").read_text().splitlines()) <= 1 + most_calls
    lines = failed_lines(direct, "j")
    assert [(line["position"], line["item"], line["attribution"]) for line in lines] == [
        (k, f"item-{k:03d}", "item") for k in bad
    ]
    assert [line["message"] for line in lines] == [f"cannot read item-{k:03d}" for k in bad]


def test_a_short_result_names_the_item_that_got_no_row(direct: DirectHome, tmp_path: Path) -> None:
    direct.submit("j", inputs(tmp_path, 30, {17: "short"}), SCRIPT, chosen(mini_batch_size=10))
    job = direct.run_next()
    assert (job.counts.succeeded, job.counts.failed) == (29, 1)
    (line,) = failed_lines(direct, "j")
    assert (line["item"], line["error"], line["attribution"], line["count"]) == ("item-017", "ShortResult", "item", 1)
    (group,) = job.failures.failed
    assert [sample.item for sample in group.samples] == ["item-017"]
    rows = (direct.output("j") / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:03d}" for k in range(30) if k != 17]


def test_files_of_parts_are_published_once_each_and_none_of_a_failed_attempt(
    direct: DirectHome, tmp_path: Path
) -> None:
    source = inputs(tmp_path, 16, {13: "bad"})
    settings = chosen(mini_batch_size=8, output_action=OutputAction.SUMMARY_ONLY)
    direct.submit("j", source, FILES_SCRIPT, settings)
    job = direct.run_next()
    assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, 15, 1)
    files = {path.name: path.read_text().split() for path in direct.output("j").glob("*.csv")}
    assert files == {
        "batch-0.csv": [f"item-{k:03d}" for k in range(8)],
        "batch-1.csv": [f"item-{k:03d}" for k in range(8, 12)],
        "batch-1.part-2.csv": ["item-012"],
        "batch-1.part-3.csv": ["item-014", "item-015"],
    }
    assert [line["item"] for line in failed_lines(direct, "j")] == ["item-013"]


def test_without_isolation_all_items_of_the_mini_batch_fail_with_its_reason(direct: DirectHome, tmp_path: Path) -> None:
    source = inputs(tmp_path, 20, {13: "bad"})
    direct.submit("j", source, SCRIPT, chosen(mini_batch_size=10, isolate_failing_items=False))
    job = direct.run_next()
    assert (job.counts.succeeded, job.counts.failed) == (10, 10)
    assert {line["attribution"] for line in failed_lines(direct, "j")} == {"mini_batch"}
