"""`invoke --estimate` and `batch-deployment tune`: what they say of a job, and what the job then does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
        pytest.param("tail", [10] * 380 + [500] * 20, marks=pytest.mark.long),
        pytest.param("growing", [k // 5 for k in range(400)], marks=pytest.mark.long),
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
    assert took_s / 3 < told["duration_s"] < took_s * 3


def test_an_estimate_of_a_script_that_fails_tells_the_failure_and_makes_no_job(served: ServerHome) -> None:
    served.deploy("broken", "one", "def run(mini_batch):\n    raise ValueError('cannot read ' + mini_batch[0])\n")
    source = served.files("broken-input", 5)
    invoke = ("batch-endpoint", "invoke", "--name", "broken", "--input", str(source), "--estimate")
    told = served.run(*invoke, exit_code=1)
    assert "Nothing of the sample could be scored; the first failure of 'item-000" in told.stderr
    assert "(script) ValueError: cannot read " in told.stderr
    assert "--set mini_batch_size=1` tells which would remain" in told.stderr
    alone = served.run(*invoke, "--set", "mini_batch_size=1", exit_code=1)
    assert "mini_batch_size=1" not in alone.stderr and "so the job would fail" in alone.stderr
    assert served.json("job", "list", "--endpoint", "broken") == []


@pytest.mark.parametrize("wrong", [("--sample", "0"), ("--sample", "200%"), ("--sample-time", "-1")])
def test_a_sample_that_is_none_is_a_mistake(served: ServerHome, wrong: tuple[str, str]) -> None:
    served.deploy("plain", "one", WAITING)
    source = served.files("plain-input", 2)
    told = served.run(
        "batch-endpoint", "invoke", "--name", "plain", "--input", str(source), "--estimate", *wrong, exit_code=2
    )
    assert f"{wrong[0]} is" in told.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--sample", "5"), "--sample and --sample-time go with --estimate"),
        (("--estimate", "--wait"), "--estimate makes no job"),
    ],
)
def test_flags_that_mean_nothing_together_are_a_mistake(served: ServerHome, flags: tuple[str, ...], told: str) -> None:
    source = served.files("plain-input", 2)
    done = served.run("batch-endpoint", "invoke", "--name", "any", "--input", str(source), *flags, exit_code=2)
    assert told in done.stderr


def test_tuning_finds_settings_for_a_duration_that_a_job_then_keeps_and_writes_them(served: ServerHome) -> None:
    served.deploy("tuned", "one", WAITING, mini_batch_size=1)
    source = waits(served, "tuned-input", [20] * 600)
    of_it = ("--endpoint-name", "tuned", "--name", "one")
    tune = ("batch-deployment", "tune", *of_it, "--input", str(source), "--trial-time", "1", "--max-workers", "8")
    found = served.json(*tune, "--max-trials", "12", "--target-duration", "9", "--write", "new.yml", "--chart", "c.svg")
    assert found["meets_target"] is True
    assert 3 <= len(found["trials"]) <= 12
    chosen = found["recommended"]
    # One worker needs 24 s with mini-batches of 1, and at least 12 s with any.
    assert chosen["mini_batch_size"] > 1 or chosen["workers"] > 2
    assert 2 <= chosen["workers"] <= 8
    assert (served.folder / "c.svg").read_text().startswith("<svg ")
    assert served.json("job", "list", "--endpoint", "tuned") == []
    assert served.json("batch-deployment", "show", *of_it)["settings"]["mini_batch_size"] == 1, "nothing is changed"

    served.run("batch-deployment", "update", "--file", "new.yml", "-o", "none")
    settings = served.json("batch-deployment", "show", *of_it)["settings"]
    assert settings["mini_batch_size"] == chosen["mini_batch_size"]
    assert settings["max_concurrency_per_instance"] == chosen["workers"]
    # That it keeps the duration exactly is measured on a quiet machine: `make tuning`.
    assert job_seconds(served, "tuned", source) < 3 * chosen["duration_s"]

    past = served.json(
        "batch-deployment", "tune", *of_it, "--from-jobs", "--items", "6000", "--target-duration", "3600"
    )
    assert [trial["workers"] for trial in past["trials"]] == [chosen["workers"]]
    assert (past["items"], past["meets_target"]) == (6000, True)
    assert all(trial["worker_bytes"] is None and trial["start_s"] >= 0.15 for trial in past["trials"])
    assert past["recommended"]["memory_bytes"] is None
    told = served.run("batch-deployment", "tune", *of_it, "--from-jobs", "-o", "none").stderr
    assert "memory not known" in told and "0 bytes" not in told


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "Give the data to try settings on with --input, or say --from-jobs."),
        (("--from-jobs",), "has completed without failures"),
        (("--input", "plain-input", "--memory-limit", "lots"), "--memory-limit is 'lots'"),
        (("--input", "plain-input", "--max-trials", "0"), "--max-trials is 0"),
        (("--input", "plain-input", "--target-duration", "soon"), "--target-duration is 'soon'"),
        (("--input", "nowhere"), "which does not exist"),
    ],
)
def test_what_tuning_cannot_begin_with_is_told(served: ServerHome, flags: tuple[str, ...], told: str) -> None:
    if served.run("batch-endpoint", "show", "--name", "untuned", exit_code=None).returncode:
        served.deploy("untuned", "one", WAITING)
    served.files("plain-input", 2)
    done = served.run("batch-deployment", "tune", "-e", "untuned", "-n", "one", *flags, exit_code=None)
    assert done.returncode in (1, 2)
    assert told in done.stderr


def test_more_memory_than_the_limit_is_not_recommended(served: ServerHome) -> None:
    served.deploy("tight", "one", WAITING)
    source = waits(served, "tight-input", [20] * 40)
    tune = ("batch-deployment", "tune", "-e", "tight", "-n", "one", "--input", str(source), "--trial-time", "0.5")
    none = served.run(*tune, "--memory-limit", "1MB", "--max-trials", "2", exit_code=1)
    assert "No setting that was tried keeps within the memory limit" in none.stderr
    found: dict[str, Any] = served.json(*tune, "--memory-limit", "64MiB", "--max-trials", "5")
    assert found["recommended"]["memory_bytes"] <= 64 << 20
