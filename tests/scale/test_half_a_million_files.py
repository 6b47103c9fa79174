"""530,000 small nested files in one job: counts add up, every row is there once, memory stays flat."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.job_states import JobStatus
from batchyard.engine.claim import claim_job
from batchyard.engine.job_run import run_job
from benchmarks.measure import descendants, pss
from tests.support.direct import DirectHome

FILES = 530_000
SCRIPT = """
import os


def init():
    pass


def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path) as stream:
            value = stream.read()
        if value != "bad":
            rows.append("%s %d" % (os.path.basename(path), int(value) * 2))
    return rows
"""


def _fill(folder: Path, originals: Path) -> set[str]:
    """Give many names to few files: what is listed and opened is the same, and it is quickly made. Returns: the bad."""
    chance, bad = random.Random(20261122), set()
    originals.mkdir()
    for k in range(100):
        (originals / f"{k}").write_text(str(k))
    (originals / "bad").write_text("bad")
    for k in range(FILES):
        place = folder / f"camera-{k % 53:02d}" / f"{k // 53 % 100:02d}"
        if k < 5300:
            place.mkdir(parents=True, exist_ok=True)
        is_bad = chance.random() < 0.01
        path = place / f"{k:06d}.txt"
        os.link(originals / ("bad" if is_bad else f"{k % 100}"), path)
        if is_bad:
            bad.add(str(path.relative_to(folder)))
    return bad


@pytest.mark.timeout(900)
def test_half_a_million_nested_files_are_scored_in_flat_memory(tmp_path: Path) -> None:
    bad = _fill(tmp_path / "input", tmp_path / "originals")
    direct = DirectHome(tmp_path / "home")
    settings = ExecutionSettings(mini_batch_size=10, max_concurrency_per_instance=2, error_threshold=-1)
    direct.submit("big", tmp_path / "input", SCRIPT, settings)
    job = claim_job(direct.rooms)
    assert job is not None

    pid = os.fork()
    if pid == 0:
        run_job(direct.as_new_process(), job)
        os._exit(0)
    samples = []
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        samples.append(_sample(pid))
        time.sleep(0.1)

    assert os.waitstatus_to_exitcode(ended[1]) == 0
    done = direct.job("big")
    took_s = done.phases["ended"] - done.phases["preparing"]
    total, own, workers = ([sample[at] for sample in samples] for at in range(3))
    print(
        f"\n{took_s:.1f} s, {FILES / took_s:,.0f} files a second; at most {max(total):.0f} MB in all, without ", end=""
    )
    print(f"pages of files {max(own):.0f} MB in the job's process, {max(workers):.0f} MB in its workers")
    assert done.status is JobStatus.COMPLETED
    assert (done.counts.items, done.counts.succeeded, done.counts.failed) == (FILES, FILES - len(bad), len(bad))
    with open(direct.output("big") / "predictions.csv") as rows:
        names = Counter(row.split(" ", 1)[0] for row in rows)
    assert len(names) == FILES - len(bad)
    assert set(names.values()) == {1}
    with open(direct.output("big") / "_failed_items.jsonl") as failed:
        found = [json.loads(line) for line in failed]
    # What was short before any mini-batch was whole is counted, not looked for (rule 16).
    assert {one["item"] for one in found} - {None} <= bad
    assert sum(one.get("count", 1) for one in found) == len(bad)
    assert sum(one["item"] is None for one in found) < 20
    assert _growth(own) < 5
    assert _growth(workers) < 5
    assert max(total) < 120


def _sample(job: int) -> tuple[float, float, float]:
    """Give MB of all processes of a job; and, without pages of files, of its own process and of its workers."""
    workers = list(descendants(job))
    total = sum(map(pss, [job, *workers]))
    return total / 1e6, pss(job, kind="Pss_Anon") / 1e6, sum(pss(pid, kind="Pss_Anon") for pid in workers) / 1e6


def _growth(values: list[float]) -> float:
    """Give how much more the second half needs than the first: what grew with the number of items would show."""
    return max(values[len(values) // 2 :]) - max(values[: len(values) // 2])
