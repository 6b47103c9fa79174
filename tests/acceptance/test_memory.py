"""A script that has no memory for a whole mini-batch: it goes on with less, and later jobs begin with that (O12)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.job_states import JobStatus
from batchyard.instances.local import LocalInstances
from batchyard.instances.memory import OOMKills
from tests.support.direct import DirectHome

ITEMS, SIZE, HOLDS = 100, 32, 5
# FAILS is what the script does where memory does not suffice; every call of run() is noted beside the items.
SCRIPT = """
import os
def run(mini_batch):
    folder = os.path.join(os.path.dirname(mini_batch[0]), "..")
    with open(os.path.join(folder, "calls"), "a") as log:
        log.write("%d\\n" % len(mini_batch))
    if len(mini_batch) > HOLDS:
        FAILS
    return [os.path.basename(path) for path in mini_batch]
"""
RAISES = "raise MemoryError()"
# As the kernel would: its counter rises, then the process is gone.
IS_KILLED = """with open(os.path.join(folder, "memory.events"), "w") as counter:
            counter.write("oom_kill %d" % os.path.getsize(os.path.join(folder, "calls")))
        os.kill(os.getpid(), 9)"""


@pytest.mark.parametrize("fails", [RAISES, IS_KILLED], ids=["MemoryError", "killed"])
def test_a_job_finds_a_size_that_fits_and_the_next_one_begins_with_it(tmp_path: Path, fails: str) -> None:
    direct, source, calls = DirectHome(tmp_path / "home"), tmp_path / "input", tmp_path / "calls"
    source.mkdir()
    for k in range(ITEMS):
        (source / f"item-{k:03d}").touch()
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0")

    direct.rooms = replace(direct.rooms, make_instances=lambda plan: LocalInstances(plan, OOMKills([counter])))
    settings = ExecutionSettings(mini_batch_size=SIZE, retry=RetrySettings(0, 30.0))
    script = SCRIPT.replace("FAILS", fails).replace("HOLDS", str(HOLDS))
    failures = []
    for name in ("first", "second"):
        calls.write_text("")
        direct.submit(name, source, script, settings)
        job = direct.run_next()
        assert (job.status, job.counts.succeeded, job.counts.failed) == (JobStatus.COMPLETED, ITEMS, 0)
        assert job.counts.run_items == 4
        rows = (direct.output(name) / "predictions.csv").read_text().splitlines()
        assert rows == [f"item-{k:03d}" for k in range(ITEMS)]
        failures.append(sum(int(size) > HOLDS for size in calls.read_text().split()))
    assert failures == [3, 0]
