"""`job resume`: a failed or cancelled job goes on from its ledger, and its output equals that of an undisturbed run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.xdist_group("resume")

ITEMS = 40
ROWS = b"".join(b"item-%04d.txt %d\n" % (k, k) for k in range(ITEMS))
# Notes each item it scores; waits at the twentieth, or fails where it is told, as long as a marker is there.
SCRIPT = """
import os, time
HERE = {folder!r}
def run(mini_batch):
    for path in mini_batch:
        name = os.path.basename(path)
        with open(os.path.join(HERE, "scored"), "a") as out:
            out.write(name + "\\n")
        while os.path.exists(os.path.join(HERE, "hold")) and int(open(path).read()) >= 20:
            time.sleep(0.05)
        if os.path.exists(os.path.join(HERE, "poison")) and int(open(path).read()) in {bad}:
            raise ValueError("poisoned " + name)
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""


@pytest.fixture(scope="module")
def items(served: ServerHome) -> Path:
    return served.files("forty", ITEMS)


def deploy(served: ServerHome, folder: Path, name: str, *, bad: tuple[int, ...] = (), **settings: object) -> None:
    script = SCRIPT.format(folder=str(folder), bad=set(bad))
    settings = {"mini_batch_size": 1, "retry_settings": {"max_retries": 0, "timeout": 900}, **settings}
    served.deploy(name, "one", script, **settings)


def test_a_job_over_its_budget_goes_on_with_a_larger_one_and_scores_only_what_is_missing(
    served: ServerHome, items: Path, tmp_path: Path
) -> None:
    (tmp_path / "poison").touch()
    deploy(served, tmp_path, "budget", bad=(3, 20), error_threshold=0)
    job = served.finish(served.invoke("budget", items))
    assert (job["status"], job["error"]["code"]) == ("Failed", "ErrorThresholdExceeded")
    refused = served.run("job", "resume", "-n", job["name"], exit_code=1)
    assert "would fail again at once" in refused.stderr
    again = served.json(
        "job", "resume", "-n", job["name"], "--set", "error_threshold=2", "--wait", "--reason", "two may be lost"
    )
    assert (again["name"], again["status"], again["run"]) == (job["name"], "Completed", 2)
    record = served.json("job", "show", "-n", job["name"])
    assert (record["counts"]["succeeded"], record["counts"]["failed"]) == (ITEMS - 2, 2)
    assert record["settings"]["error_threshold"] == 2
    assert record["reruns"][0]["before"]["error"]["code"] == "ErrorThresholdExceeded"
    scored = (tmp_path / "scored").read_text().split()
    assert sorted(scored) == [f"item-{k:04d}.txt" for k in range(ITEMS)], "nothing was scored twice"
    manifest = json.loads((served.output(job["name"]) / "_manifest.json").read_text())
    assert manifest["settings"]["error_threshold"] == 2
    spec = json.loads((served.home / "jobs" / job["name"] / "spec.json").read_text())
    assert spec["settings"]["error_threshold"] == 0, "the frozen spec stays"


def test_a_cancelled_job_is_resumed_to_the_full_output(served: ServerHome, items: Path, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    deploy(served, tmp_path, "cancelled-half", max_concurrency_per_instance=2)
    name = served.invoke("cancelled-half", items)
    # What a worker is at is reported with its lease: a few of the first half may still be with the held ones.
    while served.json("job", "show", "-n", name)["counts"]["succeeded"] < ITEMS // 8:
        time.sleep(0.05)
    served.run("job", "cancel", "-n", name)
    assert 0 < served.finish(name)["counts"]["succeeded"] < ITEMS
    (tmp_path / "hold").unlink()
    served.run("job", "resume", "-n", name, "-o", "none")
    record = served.finish(name)
    assert record["status"] == "Completed"
    assert record["counts"]["attempts"] == ITEMS
    assert (served.output(name) / "predictions.csv").read_bytes() == ROWS


def test_a_script_that_could_not_start_is_resumed_once_its_cause_is_gone(
    served: ServerHome, items: Path, tmp_path: Path
) -> None:
    script = f"""
        import os
        def init():
            if not os.path.exists({str(tmp_path / "mounted")!r}):
                raise OSError("the share is not mounted")
        def run(mini_batch):
            return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
        """
    served.deploy("mounts", "one", script)
    job = served.finish(served.invoke("mounts", items))
    assert job["error"]["code"] == "ScriptStartFailed"
    (tmp_path / "mounted").touch()
    assert served.json("job", "resume", "-n", job["name"], "--wait")["status"] == "Completed"
    assert (served.output(job["name"]) / "predictions.csv").read_bytes() == ROWS


def test_an_output_that_somebody_took_and_a_home_that_is_gone_are_refused(
    served: ServerHome, items: Path, tmp_path: Path
) -> None:
    (tmp_path / "poison").touch()
    deploy(served, tmp_path, "taken", bad=(0,), error_threshold=0)
    job = served.finish(served.invoke("taken", items))["name"]
    (served.output(job)).mkdir(parents=True)
    (served.output(job) / "mine.txt").touch()
    refused = served.run("job", "resume", "-n", job, "--set", "error_threshold=-1", exit_code=1)
    assert "Move that away" in refused.stderr
    (served.output(job) / "mine.txt").unlink()
    (served.home / "jobs" / job).rename(tmp_path / "moved")
    refused = served.run("job", "resume", "-n", job, "--set", "error_threshold=-1", exit_code=1)
    assert "Invoke the endpoint again" in refused.stderr
    (tmp_path / "moved").rename(served.home / "jobs" / job)
    assert served.json("job", "resume", "-n", job, "--set", "error_threshold=-1", "--wait")["status"] == "Completed"
    refused = served.run("job", "resume", "-n", job, exit_code=1)
    assert "is Completed" in refused.stderr
