"""A deployment's model, environment and compute are swapped while a consumer goes on invoking (R8)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.server_home import ServerHome, ended

SCRIPT = """
import os
import six
def init():
    global text
    text = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.txt")).read()
def run(mini_batch):
    return [text + " " + six.__version__ for _ in mini_batch]
"""
TEXTS = {"azureml:swap-model:1": "first", "azureml:swap-model:2": "second"}
VERSIONS = {"azureml:swap-env:1": "1.16.0", "azureml:swap-env:2": "1.17.0"}
PAUSE_S = 0.2


@dataclass(frozen=True)
class Behind:
    """What stands behind the endpoint after one change."""

    deployment: str
    revision: int
    model: str
    environment: str
    compute: str


class Consumer(threading.Thread):
    """Sends one unchanged request about five times a second, one after another, and keeps every answer in order."""

    def __init__(self, client: httpx2.Client, url: str, source: Path) -> None:
        super().__init__()
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self._client, self._url, self._enough = client, url, threading.Event()
        self._body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": source.as_uri()}}}}

    def run(self) -> None:
        while not self._enough.wait(PAUSE_S):
            answer = self._client.post(self._url, json=self._body)
            self.answers.append((answer.status_code, answer.json()))

    def wait_for_more(self, count: int) -> None:
        """Return once that many further invocations were answered."""
        wanted, deadline = len(self.answers) + count, time.monotonic() + 120
        while len(self.answers) < wanted:
            assert self.is_alive(), self.answers[-1:]
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        self._enough.set()
        self.join()


def prepare(served: ServerHome) -> None:
    for version, text, package in (("1", "first", "six==1.16.0"), ("2", "second", "six==1.17.0")):
        served.file(f"swap/{version}/model/model.txt", text)
        path = f"swap/{version}/model"
        served.run("model", "create", "--name", "swap-model", "--version", version, "--path", path)
        served.file(f"swap/{version}/conda.yml", {"dependencies": ["python", "pip", {"pip": [package]}]})
        conda = ("--conda-file", f"swap/{version}/conda.yml")
        served.run("environment", "create", "--name", "swap-env", "--version", version, *conda)
    for name in ("left", "right"):
        served.run("compute", "create", "--name", name, "--max-instances", "4")
    document = {"model": "azureml:swap-model:1", "environment": "azureml:swap-env:1"}
    served.deploy("swapped", "one", SCRIPT, compute="left", document=document)


def behind(served: ServerHome, name: str) -> Behind:
    found = served.json("batch-deployment", "show", "--endpoint-name", "swapped", "--name", name)
    serving, compute = found["serving_revision"], found["compute"].removeprefix("azureml:")
    return Behind(name, serving, found["model"], found["environment"], compute)


def swap_in_place(served: ServerHome, consumer: Consumer) -> list[Behind]:
    """Swap model, environment and compute of the one deployment, one after another."""
    steps = []
    for change in ("model=azureml:swap-model:2", "environment=azureml:swap-env:2", "compute=azureml:right"):
        update = ("batch-deployment", "update", "--endpoint-name", "swapped", "--name", "one", "--set", change)
        served.run(*update)
        steps.append(behind(served, "one"))
        consumer.wait_for_more(2)
    return steps


def swap_by_default(served: ServerHome, consumer: Consumer) -> list[Behind]:
    """Swap the same back, one after another, each by a new deployment that becomes the default."""
    steps, changes = [], ["environment=azureml:swap-env:2", "compute=azureml:right"]
    for name, change in (
        ("model-swapped", "model=azureml:swap-model:1"),
        ("environment-swapped", "environment=azureml:swap-env:1"),
        ("compute-swapped", "compute=azureml:left"),
    ):
        changes.append(change)
        create = ("batch-deployment", "create", "--file", "one/deployment.yml", "--name", name, "--set", *changes)
        served.run(*create, "--set-default")
        steps.append(behind(served, name))
        consumer.wait_for_more(2)
    return steps


def test_model_environment_and_compute_are_swapped_in_place_and_by_default_while_a_consumer_invokes(
    served: ServerHome,
) -> None:
    prepare(served)
    source = served.files("swap-input", 2)
    steps = [behind(served, "one")]
    url = served.json("batch-endpoint", "show", "--name", "swapped")["scoring_uri"]
    with served.rest() as client:
        consumer = Consumer(client, url, source)
        consumer.start()
        try:
            consumer.wait_for_more(2)
            steps += swap_in_place(served, consumer)
            steps += swap_by_default(served, consumer)
        finally:
            consumer.stop()
        assert {status for status, _ in consumer.answers} == {201}
        jobs = [client_job(client, answer["name"]) for _, answer in consumer.answers]
    assert len(set(steps)) == 7
    assert {(job["status"], job["batchyard"]["counts"]["failed"]) for job in jobs} == {("Completed", 0)}
    for job in jobs:
        assert rows(served, job) == [expected_row(job)] * 2
    seen = [pinned(job) for job in jobs]
    assert set(seen) == set(steps), "every job ran exactly what one committed change had put there"
    order = [steps.index(one) for one in seen]
    assert order == sorted(order), "the cut-overs come in the order of the commits"


def client_job(client: httpx2.Client, name: str) -> dict[str, Any]:
    return {"name": name, **ended(client, name)}


def pinned(job: dict[str, Any]) -> Behind:
    ours = job["batchyard"]
    model, environment = ours["model"]["id"], ours["environment"]["id"]
    return Behind(ours["deployment"], ours["deploymentRevision"], model, environment, ours["compute"])


def expected_row(job: dict[str, Any]) -> str:
    return f"{TEXTS[job['batchyard']['model']['id']]} {VERSIONS[job['batchyard']['environment']['id']]}"


def rows(served: ServerHome, job: dict[str, Any]) -> list[str]:
    return (served.output(job["name"]) / "predictions.csv").read_text().splitlines()
