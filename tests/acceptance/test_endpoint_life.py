"""The whole life of an endpoint: consumers keep their URL and their command while everything behind it changes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import BATCHYARD, WS, ServerHome, copy_deployment, ended

pytestmark = pytest.mark.xdist_group("endpoint-life")

WHO = """
import os, time
def run(mini_batch):
    time.sleep(float(os.environ.get("PAUSE_S", "0")))
    return [os.environ.get("WHO", "nobody") for _ in mini_batch]
"""
TELLS_MODEL = """
import os
def init():
    global text
    text = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.txt")).read()
def run(mini_batch):
    return [text for _ in mini_batch]
"""


@pytest.fixture(scope="module")
def pair(served: ServerHome) -> Path:
    return served.files("pair", 2)


@pytest.fixture(scope="module")
def prototype(served: ServerHome) -> str:
    """A deployment made with the command, to make others like it faster."""
    served.deploy("prototype", "one", WHO)
    return "prototype/one"


def make(served: ServerHome, prototype: str, target: str, **properties: Any) -> None:
    with served.rest() as client:
        copy_deployment(client, prototype, target, **properties)


def register_model(served: ServerHome, name: str, version: str, text: str) -> None:
    served.file(f"models/{name}/{version}/model/model.txt", text)
    path = f"models/{name}/{version}/model"
    served.run("model", "create", "--name", name, "--version", version, "--path", path)


def rows(served: ServerHome, job: dict[str, Any]) -> list[str]:
    return (served.output(job["name"]) / "predictions.csv").read_text().splitlines()


def show(served: ServerHome, endpoint: str, name: str) -> dict[str, Any]:
    return dict(served.json("batch-deployment", "show", "--endpoint-name", endpoint, "--name", name))


def test_an_endpoint_lives_without_a_deployment_and_says_so_to_whoever_invokes_it(
    served: ServerHome, pair: Path
) -> None:
    made = served.json("batch-endpoint", "create", "--name", "empty", "--set", "description=nobody home")
    assert made["defaults"]["deployment_name"] is None
    assert made["description"] == "nobody home"
    assert served.json("batch-deployment", "list", "--endpoint-name", "empty") == []
    assert "empty" in [found["name"] for found in served.json("batch-endpoint", "list")]
    refused = served.run("batch-endpoint", "invoke", "--name", "empty", "--input", str(pair), exit_code=1)
    assert "no default deployment" in refused.stderr
    assert served.json("job", "list", "--endpoint", "empty") == []
    served.run("batch-endpoint", "delete", "--name", "empty", "--yes")
    served.run("batch-endpoint", "show", "--name", "empty", exit_code=3)


def test_a_consumers_command_and_url_work_unchanged_over_every_change_behind_the_endpoint(
    served: ServerHome, pair: Path
) -> None:
    script = served.file(
        "nightly.sh",
        f"""\
        set -eu
        job=$({BATCHYARD} batch-endpoint invoke --name nightly --input {pair} --wait --query name -o tsv)
        {BATCHYARD} job download --name "$job" --download-path "nightly/$job" -o none
        cat "nightly/$job/named-outputs/score/predictions.csv"
        """,
    )
    before = hashlib.sha256(script.read_bytes()).hexdigest()

    def consume() -> str:
        command = ["sh", str(script)]
        done = subprocess.run(
            command, env=served.environment(), cwd=served.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    register_model(served, "nightly-model", "1", "first")
    served.deploy("nightly", "old", TELLS_MODEL, document={"model": "azureml:nightly-model:1"})
    url = served.json("batch-endpoint", "show", "--name", "nightly")["scoring_uri"]
    body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": pair.as_uri()}}}}
    assert consume() == "first\nfirst\n"

    register_model(served, "nightly-model", "2", "second")
    served.deploy("nightly", "new", TELLS_MODEL, document={"model": "azureml:nightly-model:2"})
    assert consume() == "second\nsecond\n"
    served.run("batch-deployment", "delete", "--endpoint-name", "nightly", "--name", "old", "--yes")
    changes = ("--set", "settings.mini_batch_size=1", "settings.output_file_name=predictions.csv")
    served.run("batch-deployment", "update", "--endpoint-name", "nightly", "--name", "new", *changes)
    assert consume() == "second\nsecond\n"

    assert served.json("batch-endpoint", "show", "--name", "nightly")["scoring_uri"] == url
    assert hashlib.sha256(script.read_bytes()).hexdigest() == before
    with served.rest() as client:
        answer = client.post(url, json=body)
        assert answer.status_code == 201, answer.text
        assert ended(client, answer.json()["name"])["status"] == "Completed"


def test_a_new_deployment_beside_a_serving_one_leaves_its_running_jobs_alone(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "beside/one", environmentVariables={"WHO": "one", "PAUSE_S": "1.5"})
    running = served.invoke("beside", pair)
    make(served, prototype, "beside/two", environmentVariables={"WHO": "two"})
    served.run("batch-endpoint", "update", "--name", "beside", "--set", "defaults.deployment_name=two")
    job = served.finish(running)
    assert (job["status"], job["deployment_name"]) == ("Completed", "one")
    assert rows(served, job) == ["one", "one"]


def test_twenty_deployments_live_under_one_endpoint_and_each_is_invoked_by_its_name(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "crowd/first")
    names = [f"number-{k:02d}" for k in range(20)]
    with served.rest() as client:
        found = client.get(f"{WS}/batchEndpoints/crowd/deployments/first").json()
        url = client.get(f"{WS}/batchEndpoints/crowd").json()["properties"]["scoringUri"]
        for name in names:
            properties = {**found["properties"], "environmentVariables": {"WHO": name}}
            answer = client.put(f"{WS}/batchEndpoints/crowd/deployments/{name}", json={"properties": properties})
            assert answer.status_code == 201, answer.text
        wait_until_all_serve(served, "crowd", count=21)
        body = {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": pair.as_uri()}}}}
        headers = [{"azureml-model-deployment": name} for name in names]
        jobs = [client.post(url, json=body, headers=one).json()["name"] for one in headers]
        seen = [ended(client, job)["batchyard"] for job in jobs]
    assert [(one["deployment"], one["routedBy"]) for one in seen] == [(name, "named") for name in names]
    assert [rows(served, {"name": job}) for job in jobs] == [[name, name] for name in names]
    default = served.json("batch-endpoint", "show", "--name", "crowd")["defaults"]["deployment_name"]
    assert default == "first"


def wait_until_all_serve(served: ServerHome, endpoint: str, *, count: int) -> None:
    deadline = time.monotonic() + 120
    with served.rest() as client:
        while True:
            listed = client.get(f"{WS}/batchEndpoints/{endpoint}/deployments").json()["value"]
            states = [one["properties"]["provisioningState"] for one in listed]
            if states == ["Succeeded"] * count:
                return
            assert "Failed" not in states, listed
            assert time.monotonic() < deadline, states
            time.sleep(0.1)


def test_an_invocation_that_names_no_deployment_goes_to_the_default_and_the_record_says_why(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "routes/green", environmentVariables={"WHO": "green"})
    make(served, prototype, "routes/blue", environmentVariables={"WHO": "blue"})
    by_name = served.finish(served.invoke("routes", pair, "--deployment-name", "blue"))
    by_default = served.finish(served.invoke("routes", pair))
    for job, name, reason in ((by_name, "blue", "named"), (by_default, "green", "default")):
        assert (job["deployment_name"], job["routed_by"]) == (name, reason)
        assert rows(served, job) == [name, name]
        assert job["deployment_revision"] == show(served, "routes", name)["serving_revision"]
    listed = served.json("batch-endpoint", "list-jobs", "--name", "routes")
    assert [job["deployment_name"] for job in listed] == ["green", "blue"]
    only_blue = served.json("batch-deployment", "list-jobs", "--endpoint-name", "routes", "--name", "blue")
    assert [job["name"] for job in only_blue] == [by_name["name"]]


def test_each_change_of_the_default_is_kept_with_who_when_from_to_reason_and_ticket(
    served: ServerHome, prototype: str
) -> None:
    make(served, prototype, "history/one")
    make(served, prototype, "history/two")
    served.run("batch-endpoint", "update", "--name", "history", "--set", "defaults.deployment_name=two")
    back = ("--set", "defaults.deployment_name=one", "--reason", "wörse than before", "--ticket", "CHG-7")
    served.run("batch-endpoint", "update", "--name", "history", *back)
    served.run("batch-endpoint", "update", "--name", "history", "--defaults", "deployment_name:two")
    changes = served.json("batch-endpoint", "show", "--name", "history", "--query", "default_history")
    changes = sorted(changes, key=lambda change: change["time"])
    assert [(change["before"], change["after"]) for change in changes] == [
        (None, "one"),
        ("one", "two"),
        ("two", "one"),
        ("one", "two"),
    ]
    assert [(change["reason"], change["ticket"]) for change in changes][2] == ("wörse than before", "CHG-7")
    me = show(served, "history", "one")["creation_context"]["created_by"]
    assert {change["actor"] for change in changes} == {me}
    assert all(change["time"].endswith("+00:00") for change in changes)
    # Changing anything else is no change of the default.
    served.run("batch-endpoint", "update", "--name", "history", "--set", "description=other")
    assert len(served.json("batch-endpoint", "show", "--name", "history", "--query", "default_history")) == 4


FULL = {
    "description": "as it was",
    "tags": {"team": "vision", "tier": "gold"},
}
SETTINGS: dict[str, Any] = {
    "mini_batch_size": 3,
    "max_concurrency_per_instance": 2,
    "error_threshold": 5,
    "retry_settings": {"max_retries": 4, "timeout": 77},
    "output_file_name": "scores.csv",
    "logging_level": "debug",
    "environment_variables": {"WHO": "before", "GONE": "soon", "PAUSE_S": "1"},
}


def test_an_update_changes_the_named_fields_alone_also_to_zero_and_null_and_prints_the_difference(
    served: ServerHome, pair: Path
) -> None:
    served.deploy("patched", "one", WHO, document=FULL, **SETTINGS)
    before = show(served, "patched", "one")
    in_flight = served.invoke("patched", pair)
    changes = ("settings.error_threshold=0", "settings.retry_settings.max_retries=0", "description=null")
    more = ("tags.team=null", "settings.environment_variables.GONE=null", "settings.environment_variables.WHO=after")
    update = ("batch-deployment", "update", "--endpoint-name", "patched", "--name", "one", "--set", *changes, *more)
    done = served.run(*update)
    after = json.loads(done.stdout)
    expected = json.loads(json.dumps(before))
    expected["settings"]["error_threshold"] = 0
    expected["settings"]["retry_settings"]["max_retries"] = 0
    expected["settings"]["environment_variables"] = {"WHO": "after", "PAUSE_S": "1"}
    expected["description"] = ""
    expected["tags"] = {"tier": "gold"}
    moving = ("creation_context", "revision", "serving_revision")
    assert {k: v for k, v in after.items() if k not in moving} == {k: v for k, v in expected.items() if k not in moving}
    assert after["revision"] > before["revision"]
    for line in (
        "settings.error_threshold: 5 → 0",
        "settings.retry_settings.max_retries: 4 → 0",
        'tags.team: "vision"',
    ):
        assert line in done.stderr
    assert "mini_batch_size" not in done.stderr
    job = served.finish(in_flight)
    assert job["deployment_revision"] == before["serving_revision"]
    assert (served.output(job["name"]) / "scores.csv").read_text().split() == ["before", "before"]


def test_an_update_that_changes_nothing_makes_no_revision(served: ServerHome, prototype: str) -> None:
    make(served, prototype, "idle/one", miniBatchSize=3)
    before = show(served, "idle", "one")
    update = ("batch-deployment", "update", "--endpoint-name", "idle", "--name", "one")
    assert "Nothing to change" in served.run(*update, "--set", "settings.mini_batch_size=3").stderr
    assert show(served, "idle", "one") == before


def test_an_old_revision_stays_readable(served: ServerHome, prototype: str) -> None:
    make(served, prototype, "readable/one", miniBatchSize=3)
    before = show(served, "readable", "one")
    update = ("batch-deployment", "update", "--endpoint-name", "readable", "--name", "one")
    served.run(*update, "--set", "settings.mini_batch_size=4", "tags.new=yes")
    number = str(before["revision"])
    command = ("batch-deployment", "show", "--endpoint-name", "readable", "--name", "one", "--revision", number)
    old = served.json(*command)
    assert old["settings"] == before["settings"]
    assert old["tags"] == before["tags"]


def test_an_update_that_fails_to_provision_leaves_consumers_with_what_served(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "careful/one", environmentVariables={"WHO": "steady"})
    before = show(served, "careful", "one")
    served.file("careful/code/score.py", "import no_such_module_anywhere\ndef run(b):\n    return b\n")
    update = ("batch-deployment", "update", "--endpoint-name", "careful", "--name", "one")
    failed = served.run(*update, "--set", "code_configuration.code=careful/code", exit_code=1)
    assert "no_such_module_anywhere" in failed.stderr
    after = show(served, "careful", "one")
    assert after["provisioning_state"] == "Failed"
    assert after["serving_revision"] == before["serving_revision"]
    job = served.finish(served.invoke("careful", pair))
    assert (job["status"], job["deployment_revision"]) == ("Completed", before["serving_revision"])
    assert rows(served, job) == ["steady", "steady"]


def test_the_default_is_deleted_only_with_force_and_the_endpoint_then_has_none(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "guarded/one")
    delete = ("batch-deployment", "delete", "--endpoint-name", "guarded", "--name", "one", "--yes")
    refused = served.run(*delete, exit_code=1)
    assert "default" in refused.stderr
    assert "--force" in refused.stderr
    assert served.finish(served.invoke("guarded", pair))["status"] == "Completed"
    served.run(*delete, "--force", "--ticket", "CHG-8")
    endpoint = served.json("batch-endpoint", "show", "--name", "guarded")
    assert endpoint["defaults"]["deployment_name"] is None
    last = max(endpoint["default_history"], key=lambda change: change["time"])
    assert (last["before"], last["after"], last["ticket"]) == ("one", None, "CHG-8")
    refused = served.run("batch-endpoint", "invoke", "--name", "guarded", "--input", str(pair), exit_code=1)
    assert "no default deployment" in refused.stderr


def test_deleting_an_endpoint_takes_its_deployments_and_leaves_jobs_outputs_and_compute(
    served: ServerHome, prototype: str, pair: Path
) -> None:
    make(served, prototype, "leaving/one")
    job = served.finish(served.invoke("leaving", pair))
    served.run("batch-endpoint", "delete", "--name", "leaving", "--yes")
    served.run("batch-deployment", "show", "--endpoint-name", "leaving", "--name", "one", exit_code=3)
    served.run("batch-deployment", "list", "--endpoint-name", "leaving", exit_code=3)
    assert served.json("job", "show", "--name", job["name"]) == job
    assert rows(served, job) == ["nobody", "nobody"]
    served.run("compute", "show", "--name", "cpu")
    make(served, prototype, "leaving/one")
    assert show(served, "leaving", "one")["provisioning_state"] == "Succeeded"


def test_deleting_what_does_not_exist_exits_zero(served: ServerHome) -> None:
    missing = (
        ("batch-endpoint", "delete", "--name", "never-was", "--yes"),
        ("batch-deployment", "delete", "--endpoint-name", "never-was", "--name", "one", "--yes"),
        ("compute", "delete", "--name", "never-was", "--yes"),
    )
    assert [served.run(*command, exit_code=None).returncode for command in missing] == [0, 0, 0]


def test_rest_delete_of_what_does_not_exist_answers_204(served: ServerHome) -> None:
    served.run("server", "start")
    with served.rest() as client:
        for path in ("batchEndpoints/never-was", "batchEndpoints/never-was/deployments/one", "computes/never-was"):
            assert client.delete(f"{WS}/{path}").status_code == 204


def test_an_endpoint_shows_what_stands_behind_it(served: ServerHome, prototype: str) -> None:
    make(served, prototype, "visible/one")
    make(served, prototype, "visible/two")
    shown = served.json("batch-endpoint", "show", "--name", "visible")
    deployments = {one["name"]: one for one in shown["deployments"]}
    assert set(deployments) == {"one", "two"}
    text = json.dumps(deployments["one"])
    assert "prototype-model" in text
    assert show(served, "visible", "one")["environment_hash"][:12] in text
    assert "cpu" in text
    assert "Succeeded" in text
    assert deployments["one"]["is_default"] is True
