"""What users of Azure's batch endpoints complained of, each tried by command or REST as they do."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.server_home import FINAL, WS, ServerHome

# One home and one set-up for the whole file.
pytestmark = pytest.mark.xdist_group("pains")

ECHO = """
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""
BROKEN = "import a_module_that_nobody_has\ndef run(mini_batch):\n    return mini_batch\n"
CALLERS = 20
PROVIDER = "/providers/Microsoft.MachineLearningServices"


@pytest.fixture(scope="module")
def pains(served: ServerHome) -> ServerHome:
    """The home with endpoint `pains`, default `one`, and three numbers as files, as data and in the datastore."""
    served.deploy("pains", "one", ECHO)
    folder = served.files("pains-input", 3)
    served.run("data", "create", "--name", "pains", "--version", "1", "--path", str(folder), "--type", "uri_folder")
    return served


def test_one_request_id_is_one_job_however_many_callers_repeat_it_at_once(pains: ServerHome) -> None:
    gate = threading.Barrier(CALLERS)
    with pains.rest() as client:
        url = client.get(f"{WS}/batchEndpoints/pains").json()["properties"]["scoringUri"]
        body = rest_input((pains.folder / "pains-input").as_uri())
        headers = {"repeatability_request-id": "99999999-2222-3333-4444-555555555555"}

        def post(_: int) -> tuple[int, str]:
            gate.wait(timeout=60)
            answer = client.post(url, json=body, headers=headers)
            return answer.status_code, answer.json()["name"]

        before = len(pains.json("job", "list", "--endpoint", "pains", "--all-results"))
        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(post, range(CALLERS)))
    assert {status for status, _ in answers} <= {200, 201}
    assert len({name for _, name in answers}) == 1
    assert len(pains.json("job", "list", "--endpoint", "pains", "--all-results")) == before + 1


def test_every_documented_form_of_an_invocation_scores_what_it_names(pains: ServerHome) -> None:
    folder = pains.folder / "pains-input"
    uri = pains.json("data", "show", "--name", "pains", "--version", "1")["path"]
    pains.file("invoke.yml", {"inputs": {"data": {"type": "uri_folder", "path": "azureml:pains:1"}}})
    by_name = ("--inputs", f"data.path={uri}", "data.type=uri_folder")
    forms: list[tuple[str, ...]] = [
        ("--input", str(folder)),
        ("--input", "pains-input", "--input-type", "uri_folder"),
        ("--input", "azureml:pains:1"),
        ("--input", "azureml:pains@latest"),
        ("--input", f"{WS}/data/pains/versions/1"),
        ("--input", uri),
        ("--input", uri.replace("azureml:/", f"azureml:/{WS.replace(PROVIDER, '')}")),
        ("--input", str(folder / "item-0001.txt"), "--input-type", "uri_file"),
        by_name,
        ("--file", "invoke.yml"),
    ]
    jobs = [pains.json("batch-endpoint", "invoke", "--name", "pains", *form)["name"] for form in forms]
    for form, job in zip(forms, jobs, strict=True):
        done = pains.finish(job)
        assert done["status"] == "Completed", (form, done["error"])
        expected = 1 if "uri_file" in form else 3
        assert done["counts"]["succeeded"] == expected, form


def test_an_input_that_cannot_be_read_is_told_by_its_field_and_never_as_a_server_error(pains: ServerHome) -> None:
    wrong = ("azureml:pains:99", "azureml:nobody@latest", "azureml://datastores/nowhere/paths/a", "no-such-folder")
    for text in wrong:
        refused = pains.run("batch-endpoint", "invoke", "--name", "pains", "--input", text, exit_code=None)
        assert refused.returncode in (1, 3), text
        assert "InternalServerError" not in refused.stderr
        assert "Traceback" not in refused.stderr
        name = text.split(":")[1] if text.startswith("azureml:") and "//" not in text else text
        assert name.split("@")[0].removeprefix("azureml://datastores/").split("/")[0] in refused.stderr


def test_a_status_is_polled_by_rest_until_the_job_is_final(pains: ServerHome) -> None:
    with pains.rest() as client:
        url = client.get(f"{WS}/batchEndpoints/pains").json()["properties"]["scoringUri"]
        made = client.post(url, json=rest_input((pains.folder / "pains-input").as_uri()))
        assert made.status_code == 201
        job = made.json()
        seen = [job["properties"]["status"]]
        deadline = time.monotonic() + 120
        while seen[-1] not in FINAL:
            assert time.monotonic() < deadline, seen
            time.sleep(0.1)
            # The answer's own id is the URL to ask.
            found = client.get(job["id"])
            assert found.status_code == 200
            assert found.json()["properties"]["jobType"] == "Pipeline"
            seen.append(found.json()["properties"]["status"])
    assert seen[-1] == "Completed"


def test_the_jobs_of_a_deployment_are_listed_by_command_and_by_rest(pains: ServerHome) -> None:
    mine = pains.invoke("pains", pains.folder / "pains-input", "--deployment-name", "one")
    pains.finish(mine)
    listed = pains.json("batch-deployment", "list-jobs", "--endpoint-name", "pains", "--name", "one")
    assert mine in [job["name"] for job in listed]
    assert {job["deployment_name"] for job in listed} == {"one"}
    missing = ("batch-deployment", "list-jobs", "--endpoint-name", "pains", "--name", "nobody")
    assert "nobody" in pains.run(*missing, exit_code=3).stderr
    with pains.rest() as client:
        place = f"/mferp/managementfrontend{WS}/batchEndpoints/pains/deployments/one/jobs"
        rows = client.get(place).json()["value"]
        assert mine in [row["name"] for row in rows]


def test_set_default_switches_once_and_only_to_a_deployment_that_is_ready(pains: ServerHome) -> None:
    pains.deploy("switch", "good", ECHO)
    pains.file("bad/code/score.py", BROKEN)
    pains.file("bad.yml", deployment("bad"))
    create = ("batch-deployment", "create", "--set-default", "--file")

    failed = pains.run(*create, "bad.yml", exit_code=1)
    assert "a_module_that_nobody_has" in failed.stderr
    endpoint = pains.json("batch-endpoint", "show", "--name", "switch")
    assert endpoint["defaults"]["deployment_name"] == "good"
    job = pains.finish(pains.invoke("switch", pains.folder / "pains-input"))
    assert (job["deployment_name"], job["status"]) == ("good", "Completed")

    pains.file("bad/code/score.py", ECHO)
    made = json.loads(pains.run(*create, "bad.yml", "--reason", "mended").stdout)
    assert (made["provisioning_state"], made["is_default"]) == ("Succeeded", True)
    history = pains.json("batch-endpoint", "show", "--name", "switch")["default_history"]
    assert [(change["before"], change["after"]) for change in history].count(("good", "bad")) == 1
    assert len(history) == 2
    both = pains.run(*create, "bad.yml", "--no-wait", exit_code=2)
    assert "--no-wait" in both.stderr


def deployment(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "endpoint_name": "switch",
        "type": "model",
        "model": "azureml:pains-model:1",
        "code_configuration": {"code": f"{name}/code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:cpu",
    }


def rest_input(uri: str) -> dict[str, Any]:
    return {"properties": {"inputData": {"data": {"jobInputType": "UriFolder", "uri": uri}}}}
