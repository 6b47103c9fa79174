"""A server that is stopped, or loses a process, in the middle of a job: the job goes on and nothing is doubled."""

from __future__ import annotations

import time

import pytest

from tests.support.processes import kill, wait_for_none
from tests.support.server_home import ServerHome

SLOW = """
import os, time
def run(mini_batch):
    time.sleep(0.05)
    return [os.path.basename(path) for path in mini_batch]
"""
ROWS = b"".join(b"item-%04d.txt\n" % k for k in range(120))


def start(home: ServerHome) -> str:
    """Invoke a job of six seconds, and wait until it has scored something."""
    source = home.files("input", 120)
    home.deploy("slow", "one", SLOW, mini_batch_size=1)
    job = home.invoke("slow", source)
    while home.json("job", "show", "--name", job)["counts"]["succeeded"] == 0:
        time.sleep(0.1)
    return job


def test_a_stopped_server_leaves_nothing_running_and_the_job_goes_on_at_the_next_start(own_home: ServerHome) -> None:
    job = start(own_home)
    own_home.run("server", "stop", "-o", "none")
    assert wait_for_none(own_home.home, within_s=60.0) == {}
    assert not own_home.output(job).exists()
    record = own_home.finish(job)
    assert record["status"] == "Completed"
    assert record["counts"]["attempts"] == 120, "what was durable is not scored again"
    assert (own_home.output(job) / "predictions.csv").read_bytes() == ROWS


def test_a_killed_job_process_is_replaced_and_charges_nobody(own_home: ServerHome) -> None:
    job = start(own_home)
    engine_like = [pid for pid, command in own_home.processes().items() if "bootstrap.engine" in command]
    for pid in sorted(engine_like)[1:]:  # The engine is the oldest; the others are its forks.
        kill(pid)
    record = own_home.finish(job)
    assert record["status"] == "Completed"
    assert record["counts"]["attempts"] == 120
    assert (own_home.output(job) / "predictions.csv").read_bytes() == ROWS


@pytest.mark.long
def test_a_job_survives_any_number_of_stops_before_its_first_row(own_home: ServerHome) -> None:
    script = "import time\ndef run(b):\n    time.sleep(6)\n    return list(b)\n"
    source = own_home.files("one", 1)
    own_home.deploy("slow", "one", script)
    job = own_home.invoke("slow", source)
    for _ in range(6):
        while own_home.json("job", "show", "--name", job)["status"] != "Running":
            time.sleep(0.05)
        own_home.run("server", "stop", "-o", "none")
    assert own_home.finish(job)["status"] == "Completed"
