"""A job whose mini-batches are cut by bytes: what its script is given, in which order, and what it publishes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.job_states import JobStatus
from tests.support.direct import DirectHome

LARGE_BYTES = 5 * 10**9
SCRIPT = """
import os, time
def run(mini_batch, context):
    sizes = [os.path.getsize(path) for path in mini_batch]
    if sum(sizes) > 10**9:
        time.sleep(0.5)
    began = time.monotonic()
    for path in mini_batch:
        if path.endswith("bad"):
            raise ValueError("bad")
    return [f"{os.path.basename(path)} {context.minibatch_index} {sum(sizes)} {began}" for path in mini_batch]
"""


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    """200 files of 1 kB, a link that leads nowhere, and one sparse file of 5 GB, which comes last."""
    folder = tmp_path / "input"
    folder.mkdir()
    for k in range(200):
        (folder / f"item-{k:03d}").write_bytes(b"x" * 1000)
    with open(folder / "the-large-one", "wb") as stream:
        os.truncate(stream.fileno(), LARGE_BYTES)
    return folder


def rows(direct: DirectHome) -> list[list[str]]:
    return [line.split(" ") for line in (direct.output("job") / "predictions.csv").read_text().splitlines()]


def test_large_file_is_a_mini_batch_of_its_own_and_is_begun_before_the_small_ones(
    direct: DirectHome, skewed: Path
) -> None:
    settings = ExecutionSettings(mini_batch_size=50, mini_batch_max_bytes=20_000, max_concurrency_per_instance=2)
    direct.submit("job", skewed, SCRIPT, settings)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED
    assert (job.counts.mini_batches, job.counts.succeeded) == (11, 201)
    published = rows(direct)
    assert [row[0] for row in published] == [*(f"item-{k:03d}" for k in range(200)), "the-large-one"]
    assert {row[2] for row in published} == {"20000", str(LARGE_BYTES)}
    assert [int(row[1]) for row in published] == [k // 20 for k in range(201)]
    begun = {int(row[1]): float(row[3]) - (0.5 if row[0] == "the-large-one" else 0.0) for row in published}
    assert sorted(begun, key=begun.__getitem__).index(10) <= 1


def test_failed_items_of_packed_mini_batches_are_told_by_name(direct: DirectHome, skewed: Path) -> None:
    (skewed / "item-100-bad").write_bytes(b"")
    (skewed / "item-101-broken").symlink_to("nothing")
    settings = ExecutionSettings(mini_batch_size=50, mini_batch_max_bytes=1000)
    direct.submit("job", skewed, SCRIPT, settings)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED
    names = {row[0] for row in rows(direct)}
    assert len(names) == job.counts.succeeded == 203 - job.counts.failed
    failed = (direct.output("job") / "_failed_items.jsonl").read_text()
    assert "item-100-bad" in failed
    assert "item-101-broken" in failed
