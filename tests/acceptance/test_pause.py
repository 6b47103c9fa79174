"""`job pause` and `job continue`: instances are freed, nothing is lost, the output is that of an undisturbed run."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.support.server_home import WS, ServerHome

ITEMS = 120
ROWS = b"".join(b"item-%04d.txt %d\n" % (k, k) for k in range(ITEMS))
# Takes a while for each item as long as the marker is there.
SCRIPT = """
import os, time
def run(mini_batch):
    for path in mini_batch:
        time.sleep(1.0 if os.path.exists({marker!r}) else 0.0)
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""


def shown(served: ServerHome, job: str) -> dict[str, Any]:
    return dict(served.json("job", "show", "-n", job))


def wait_for(served: ServerHome, job: str, *statuses: str) -> dict[str, Any]:
    """Wait until a job has one of these states."""
    deadline = time.monotonic() + 120
    while (found := shown(served, job))["status"] not in statuses:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def reached(client: httpx2.Client, job: str, status: str) -> dict[str, Any]:
    """Wait over REST, which is quicker than the command, until a job has a state, and give its properties."""
    deadline = time.monotonic() + 120
    while (found := client.get(f"{WS}/jobs/{job}").json()["properties"])["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return dict(found)


def start(served: ServerHome, folder: Path, name: str) -> str:
    """Invoke a job that would take long, and wait until it has scored something."""
    (folder / "marker").touch()
    script = SCRIPT.format(marker=str(folder / "marker"))
    served.file(f"{name}.yml", {"name": name, "type": "amlcompute", "max_instances": 1})
    served.run("compute", "create", "--file", f"{name}.yml")
    served.deploy(name, "one", script, compute=name, mini_batch_size=1, max_concurrency_per_instance=2)
    job = served.invoke(name, served.files("hundred", ITEMS))
    while shown(served, job)["counts"]["succeeded"] == 0:
        time.sleep(0.1)
    return job


def test_ten_pauses_at_random_moments_change_nothing(served: ServerHome, tmp_path: Path) -> None:
    job, chance = start(served, tmp_path, "pauses"), random.Random(10)
    done = 0
    with served.rest() as client:
        for _ in range(10):
            time.sleep(chance.uniform(0.0, 1.0))
            client.post(f"{WS}/jobs/{job}/pause").raise_for_status()
            counts = reached(client, job, "Paused")["batchyard"]["counts"]
            assert counts["succeeded"] >= done
            done = counts["succeeded"]
            client.post(f"{WS}/jobs/{job}/continue").raise_for_status()
            if chance.random() < 0.7:
                reached(client, job, "Running")
    (tmp_path / "marker").unlink()
    record = served.finish(job)
    assert record["status"] == "Completed"
    assert (record["counts"]["succeeded"], record["counts"]["attempts"], record["run"]) == (ITEMS, ITEMS, 1)
    assert (served.output(job) / "predictions.csv").read_bytes() == ROWS


def test_a_paused_job_frees_its_instances_runs_nothing_and_keeps_its_place(served: ServerHome, tmp_path: Path) -> None:
    job = start(served, tmp_path, "frees")
    waiting = served.invoke("frees", served.files("one-item", 1))
    assert shown(served, waiting)["status"] == "Queued"
    served.run("job", "pause", "-n", job, "-o", "none")
    wait_for(served, job, "Paused")
    assert served.finish(waiting)["status"] == "Completed"
    deadline = time.monotonic() + 120
    while left := [command for command in served.processes().values() if job in command]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    refused = served.run("job", "stream", "-n", job, exit_code=1)
    assert "batchyard job continue" in refused.stderr
    (tmp_path / "marker").unlink()
    assert served.json("job", "continue", "-n", job, "--wait")["status"] == "Completed"
    assert (served.output(job) / "predictions.csv").read_bytes() == ROWS
    late = served.run("job", "pause", "-n", job, exit_code=1)
    assert "is Completed" in late.stderr


def test_a_paused_job_survives_a_stop_of_the_server_and_can_be_cancelled(own_home: ServerHome, tmp_path: Path) -> None:
    job = start(own_home, tmp_path, "stays")
    own_home.run("job", "pause", "-n", job, "-o", "none")
    own_home.run("server", "stop", "-o", "none")
    paused = wait_for(own_home, job, "Paused")
    assert paused["counts"]["incomplete"] > 0
    time.sleep(1.0)
    assert shown(own_home, job)["status"] == "Paused"
    own_home.run("job", "cancel", "-n", job, "-o", "none")
    assert shown(own_home, job)["status"] == "Canceled"
