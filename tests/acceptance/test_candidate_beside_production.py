"""R53, R55: a pipeline is tried as the candidate beside the model that is the default, which nothing of it touches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # what JSON holds

import httpx2
import pytest

from tests.support.server_home import WS, ServerHome, ended

# Both tell that they run, and end only once the other one of the pair runs, too.
PRODUCTION = """
import os, time
def run(mini_batch):
    rows = []
    for path in mini_batch:
        pair = open(path).read()
        open(f"{gate}/production-{pair}", "w").close()
        deadline = time.monotonic() + 120
        while not os.path.exists(f"{gate}/candidate-{pair}"):
            assert time.monotonic() < deadline, "the candidate does not run at the same time"
            time.sleep(0.01)
        rows.append("production " + pair)
    return rows
"""
CANDIDATE = """
pair=$(cat ${{inputs.data}}/item.txt) && touch "%(gate)s/candidate-$pair" && echo "$pair" >> %(gate)s/ran
tries=0
until test -e "%(gate)s/production-$pair"; do tries=$((tries+1)); test $tries -lt 6000 || exit 9; sleep 0.02; done
echo "candidate $pair" > ${{outputs.half}}
"""
STEP = {"type": "command", "environment": {"conda_file": {"dependencies": ["python"]}}}
ENDPOINT = f"{WS}/batchEndpoints/beside"


def deploy(served: ServerHome, gate: Path) -> None:
    """Put the model behind the endpoint as its default, then the pipeline."""
    served.deploy("beside", "production", PRODUCTION.replace("{gate}", str(gate)))
    steps = {
        "score": {
            **STEP,
            "command": (CANDIDATE % {"gate": gate}).strip(),
            "inputs": {"data": "${{parent.inputs.data}}"},
            "outputs": {"half": {"type": "uri_file"}},
        },
        "tell": {
            **STEP,
            "command": "cat ${{inputs.half}} > ${{outputs.rows}}",
            "inputs": {"half": "${{parent.jobs.score.outputs.half}}"},
            "outputs": {"rows": "${{parent.outputs.rows}}"},
        },
    }
    deployment = {
        "name": "candidate",
        "endpoint_name": "beside",
        "type": "pipeline",
        "component": {
            "type": "pipeline",
            "inputs": {"data": {"type": "uri_folder"}},
            "outputs": {"rows": {"type": "uri_file"}},
            "jobs": steps,
        },
        "settings": {"default_compute": "azureml:cpu"},
    }
    served.run("batch-deployment", "create", "--file", str(served.file("beside.yml", deployment)))


def invoke(client: httpx2.Client, data: Path, deployment: str | None = None) -> str:
    """POST to the scoring URI, as its consumers do; give the job's name."""
    url = client.get(ENDPOINT).json()["properties"]["scoringUri"]
    source = {"jobInputType": "UriFolder", "uri": data.as_uri()}
    headers = {} if deployment is None else {"azureml-model-deployment": deployment}
    answer = client.post(url, json={"properties": {"inputData": {"data": source}}}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


def all_of(client: httpx2.Client, job: str) -> dict[str, Any]:
    """Give the whole record of a job."""
    return dict(client.get(f"{WS}/jobs/{job}").json())


def files_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Give bytes, inode and time of change of every file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def caches_of(served: ServerHome) -> dict[str, list[tuple[str, int]]]:
    """Give what is kept for all deployments: sealed trees and built environments, with their times of change."""
    return {
        kind: sorted((path.name, path.stat().st_mtime_ns) for path in (served.home / kind).iterdir())
        for kind in ("sealed", "environments")
    }


def behind(client: httpx2.Client) -> list[Any]:
    """Give what is stored of the endpoint and of both deployments."""
    paths = (ENDPOINT, f"{ENDPOINT}/deployments/production", f"{ENDPOINT}/deployments/candidate")
    return [client.get(path).json() for path in paths]


@dataclass(frozen=True)
class Beside:
    """A home where both are deployed. gate: the folder in which they tell that they run."""

    home: ServerHome
    gate: Path


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    home, gate = ServerHome(tmp_path_factory.mktemp("beside")), tmp_path_factory.mktemp("gate")
    try:
        deploy(home, gate)
        yield Beside(home, gate)
    finally:
        home.end()


def test_a_candidate_is_invoked_by_its_name_and_the_default_stays(beside: Beside) -> None:
    home = beside.home
    for pair in ("x", "y"):
        (beside.gate / f"production-{pair}").touch()
        (beside.gate / f"candidate-{pair}").touch()
    before = home.json("batch-endpoint", "show", "--name", "beside")
    by_command = home.invoke("beside", home.file("by/x/item.txt", "x").parent, "-d", "candidate")
    with home.rest() as client:
        stored = client.get(ENDPOINT).json()
        by_rest = invoke(client, home.file("by/y/item.txt", "y").parent, "candidate")
        by_default = invoke(client, home.folder / "by/y")
        told = {name: ended(client, name)["batchyard"] for name in (by_command, by_rest, by_default)}
        assert client.get(ENDPOINT).json() == stored
    assert {name: (one["deployment"], one["routedBy"]) for name, one in told.items()} == {
        by_command: ("candidate", "named"),
        by_rest: ("candidate", "named"),
        by_default: ("production", "default"),
    }
    assert before["defaults"]["deployment_name"] == "production"
    assert home.json("batch-endpoint", "show", "--name", "beside") == before


@pytest.mark.parametrize("pairs", [5, pytest.param(20, marks=pytest.mark.long)])
def test_both_run_at_the_same_time_and_neither_touches_the_other(beside: Beside, pairs: int) -> None:
    home = beside.home
    names = [f"{pairs}-{k}" for k in range(pairs)]
    data = [home.file(f"pairs/{name}/item.txt", name).parent for name in names]
    with home.rest() as client:
        stood, cached = behind(client), caches_of(home)
        produced: dict[str, tuple[dict[str, Any], dict[str, tuple[bytes, int, int]]]] = {}
        for k, (name, source) in enumerate(zip(names, data, strict=True)):
            order: list[str | None] = ["candidate", None] if k % 2 else [None, "candidate"]
            jobs = {which: invoke(client, source, which) for which in order}
            # Neither ends before the other one runs.
            production, candidate = (ended(client, jobs[which]) for which in (None, "candidate"))

            assert (production["status"], candidate["status"]) == ("Completed", "Completed"), (production, candidate)
            told = [one["batchyard"]["deployment"] for one in (production, candidate)]
            assert told == ["production", "candidate"]
            assert (home.output(jobs[None]) / "predictions.csv").read_text() == f"production {name}\n"
            rows = home.home / "datastores/workspaceblobstore/azureml" / jobs["candidate"] / "rows"
            assert rows.read_text() == f"candidate {name}\n"
            produced[jobs[None]] = (all_of(client, jobs[None]), files_of(home.output(jobs[None])))

        # What the candidate did before is used again by the candidate, and by nobody else.
        again = ended(client, invoke(client, data[0], "candidate"))
        default = ended(client, invoke(client, data[0]))
        assert (again["status"], default["status"]) == ("Completed", "Completed")
        assert default["batchyard"]["deployment"] == "production"
        ran = (beside.gate / "ran").read_text().split()
        assert [name for name in ran if name in names] == names

        for job, (record, files) in produced.items():
            assert all_of(client, job) == record
            assert files_of(home.output(job)) == files
        assert (behind(client), caches_of(home)) == (stood, cached)
