"""A job is killed again and again while it divides a mini-batch: each item is in the output once."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.job_states import FINAL, JobStatus
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.processes import kill, processes_of, wait_for_none

ROOT = Path(__file__).parents[2]
BAD = {70, 71, 90, 120}
KILL_AT_CALLS = (4, 9, 14, 22)

SCRIPT = """
import os, time
def run(mini_batch):
    with open(os.path.join(os.path.dirname(mini_batch[0]), "..", "calls"), "a") as log:
        log.write(".")
    time.sleep(0.05)
    for path in mini_batch:
        if open(path).read() == "bad":
            raise ValueError(os.path.basename(path))
    return [os.path.basename(path) for path in mini_batch]
"""


def test_kills_while_a_mini_batch_is_divided_lose_and_double_no_item(tmp_path: Path) -> None:
    source, home = tmp_path / "input", tmp_path / "home"
    source.mkdir()
    for k in range(128):
        (source / f"item-{k:03d}").write_text("bad" if k in BAD else "good")
    direct = DirectHome(home)
    settings = ExecutionSettings(mini_batch_size=64, max_concurrency_per_instance=2, retry=RetrySettings(1, 30.0))
    direct.submit("job", source, SCRIPT, settings)
    try:
        kills = drive(direct, tmp_path / "calls")
        assert wait_for_none(home, within_s=60.0) == {}
    finally:
        for pid in processes_of(home):
            kill(pid)
    assert kills == len(KILL_AT_CALLS)
    job = direct.job("job")
    assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, 124, 4)
    rows = (direct.output("job") / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:03d}" for k in range(128) if k not in BAD]
    lines = [json.loads(line) for line in (direct.output("job") / "_failed_items.jsonl").read_text().splitlines()]
    assert [(line["position"], line["message"]) for line in lines] == [(k, f"item-{k:03d}") for k in sorted(BAD)]


def drive(direct: DirectHome, calls: Path) -> int:
    """Keep an engine running until the job is final; kill everything of it when so many calls were made."""
    deadline, engine, kills = time.monotonic() + 90, None, 0
    while direct.job("job").status not in FINAL:
        assert time.monotonic() < deadline, f"not final: {direct.job('job')}"
        if engine is None or engine.poll() is not None:
            engine = start_engine(direct.home)
        made = calls.stat().st_size if calls.exists() else 0
        if kills < len(KILL_AT_CALLS) and made >= KILL_AT_CALLS[kills]:
            kills += 1
            for pid in processes_of(direct.home):
                kill(pid, signal.SIGKILL)
            engine.wait(timeout=60)
        time.sleep(0.01)
    assert engine is not None
    engine.wait(timeout=60)
    return kills
