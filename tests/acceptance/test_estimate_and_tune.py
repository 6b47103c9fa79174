"""`invoke --estimate` and `batch-deployment tune`: what they say of a job, and what the job then does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.xdist_group("estimate")

# Waits for each item as long as its file says, in milliseconds, and a little for each call: as a remote service does.
WAITING = """
import os, time
def init():
    time.sleep(0.2)
def run(mini_batch):
    time.sleep(0.02 + sum(int(open(path).read().split()[0]) for path in mini_batch) / 1000)
    return [os.path.basename(path) for path in mini_batch]
"""


def waits(served: ServerHome, name: str, milliseconds: list[int]) -> Path:
    """A folder of items that take so long; what takes longer is larger."""
    for k, wait in enumerate(milliseconds):
        served.file(f"{name}/item-{k:04d}.txt", f"{wait} " + "x" * (wait * 10))
    return served.folder / name


def job_seconds(served: ServerHome, endpoint: str, source: Path, *more: str) -> float:
    job = served.finish(served.invoke(endpoint, source, *more), within_s=120)
    assert job["status"] == "Completed"
    return float(job["durations"]["total_s"])


@pytest.mark.parametrize(
    ("shape", "milliseconds"),
    [
        ("constant", [40] * 400),
        ("tail", [10] * 380 + [500] * 20),
        ("growing", [k // 5 for k in range(400)]),
    ],
)
def test_an_estimate_from_a_sample_tells_about_what_the_job_then_takes(
    served: ServerHome, shape: str, milliseconds: list[int]
) -> None:
    served.deploy(f"shape-{shape}", "one", WAITING, mini_batch_size=2, max_concurrency_per_instance=2)
    source = waits(served, f"input-{shape}", milliseconds)
    jobs_before = served.json("job", "list", "--endpoint", f"shape-{shape}")
    invoke = ("batch-endpoint", "invoke", "--name", f"shape-{shape}", "--input", str(source))
    told = served.json(*invoke, "--estimate", "--sample", "10%")
    assert served.json("job", "list", "--endpoint", f"shape-{shape}") == jobs_before == []
    assert (told["items"], told["mini_batches"], told["workers"]) == (400, 200, 2)
    assert told["sample_items"] <= 44
    assert told["low_s"] < told["duration_s"] < told["high_s"]
    assert told["node_seconds"] == told["duration_s"]
    assert told["worker_bytes"] > 1 << 20
    took_s = job_seconds(served, f"shape-{shape}", source)
    # Whether it is within 20 % is measured on a quiet machine: `make tuning`.
    assert told["duration_s"] == pytest.approx(took_s, rel=0.4)


def test_an_estimate_of_a_script_that_fails_tells_the_failure_and_makes_no_job(served: ServerHome) -> None:
    served.deploy("broken", "one", "def run(mini_batch):\n    raise ValueError('cannot read ' + mini_batch[0])\n")
    source = served.files("broken-input", 5)
    invoke = ("batch-endpoint", "invoke", "--name", "broken", "--input", str(source), "--estimate")
    told = served.run(*invoke, exit_code=1)
    assert "Nothing of the sample could be scored; the first failure of 'item-000" in told.stderr
    assert "(script) ValueError: cannot read " in told.stderr
    assert served.json("job", "list", "--endpoint", "broken") == []


@pytest.mark.parametrize("wrong", [("--sample", "0"), ("--sample", "200%"), ("--sample-time", "-1")])
def test_a_sample_that_is_none_is_a_mistake(served: ServerHome, wrong: tuple[str, str]) -> None:
    served.deploy("plain", "one", WAITING)
    source = served.files("plain-input", 2)
    told = served.run(
        "batch-endpoint", "invoke", "--name", "plain", "--input", str(source), "--estimate", *wrong, exit_code=2
    )
    assert f"{wrong[0]} is" in told.stderr
