"""A server is killed again and again while a pipeline runs: no step that has finished is run a second time."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any  # what YAML holds

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.timeout(600)

STEPS = ["one", "two", "three", "four"]
KILLS = 4  # A job whose process ends five times without any progress is given up.


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path_factory.mktemp("own"))
    try:
        yield home
    finally:
        home.end()


def chain() -> dict[str, Any]:
    """Give a pipeline whose steps tell their names, and each add a line to what they are given."""
    jobs: dict[str, Any] = {}
    for before, name in pairwise(["", *STEPS]):
        inputs = {"tally": "${{parent.inputs.tally}}"}
        inputs |= {"text": f"${{{{parent.jobs.{before}.outputs.out}}}}"} if before else {}
        given = "cat ${{inputs.text}}" if before else "true"
        begin, end = f"echo {name} >> ${{{{inputs.tally}}}}", f"({given}; echo {name}) > ${{{{outputs.out}}}}"
        jobs[name] = {
            "type": "command",
            "command": f"{begin}; sleep 0.4; {end}",
            "environment": {"conda_file": {"dependencies": ["python"]}},
            "inputs": inputs,
            "outputs": {"out": "${{parent.outputs.result}}" if name == STEPS[-1] else {"type": "uri_file"}},
        }
    return {
        "type": "pipeline",
        "inputs": {"tally": {"type": "string"}},
        "outputs": {"result": {"type": "uri_file"}},
        "jobs": jobs,
    }


def kill_some(home: ServerHome, chance: random.Random) -> None:
    """Kill the processes of a home that are not the user's own: all of them, or each with a chance of a half.

    A command that somebody kills has failed, and so would its pipeline; those of killed jobs end with them.
    """
    share = chance.choice([0.5, 1.0])
    for pid, command in home.processes().items():
        if "sleep" not in command and chance.random() < share:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_random_kills_neither_lose_a_step_nor_repeat_one_that_has_finished(
    own_home: ServerHome, tmp_path: Path, seed: int
) -> None:
    chance, tally = random.Random(seed), tmp_path / "tally"
    deployment = {
        "name": "chain",
        "endpoint_name": "chain",
        "type": "pipeline",
        "component": chain(),
        "settings": {"default_compute": "cpu", "force_rerun": True},
    }
    own_home.run("compute", "create", "--name", "cpu", "--type", "amlcompute")
    own_home.run("batch-endpoint", "create", "--name", "chain")
    own_home.run("batch-deployment", "create", "--file", str(own_home.file("chain.yml", deployment)), "--set-default")
    name = own_home.json("batch-endpoint", "invoke", "--name", "chain", "--inputs", f"tally={tally}")["name"]

    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 1.5))
        kill_some(own_home, chance)
        own_home.run("job", "list", "--max-results", "1")  # which starts what is missing
    job = own_home.finish(name)

    assert job["status"] == "Completed", job["error"]
    place = job["outputs"]["result"]["uri"].partition("/paths/")[2]
    published = own_home.home / "datastores" / "workspaceblobstore" / place
    assert published.read_text().split() == STEPS
    ran = tally.read_text().split()
    # Once a step has begun, those that it takes from have finished, and never run again.
    assert ran == sorted(ran, key=STEPS.index)
    assert set(ran) == set(STEPS)
