"""Pipeline jobs that are PUT by themselves, as Azure's SDK sends them, and deployments that are made of one."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.job_specs import PipelineSpec, StepData
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType

from .bench import INPUT, WS, Bench

BOUND = {"job_input_type": "literal", "value": "${{parent.inputs.data}}"}
STEP = {
    "name": "one",
    "type": "command",
    "componentId": f"azureml:{WS}/components/step/versions/1",
    "_source": "REMOTE.WORKSPACE.COMPONENT",
    "inputs": {"data": BOUND, "rate": {"job_input_type": "literal", "value": "${{parent.inputs.rate}}"}},
    "outputs": {"score": {"type": "literal", "value": "${{parent.outputs.score}}"}},
}
JOB = {
    "jobType": "Pipeline",
    "displayName": "Hello",
    "experimentName": "exp",
    "inputs": {
        "data": {"jobInputType": "uri_folder", "uri": INPUT},
        "rate": {"jobInputType": "literal", "value": "0.5"},
    },
    "outputs": {"score": {"jobOutputType": "uri_folder", "mode": "Upload"}},
    "jobs": {"one": STEP},
    "settings": {"default_compute": "cpu", "_source": "YAML.JOB"},
}


@pytest.fixture
def stocked(bench: Bench) -> Bench:
    """A compute, data and a registered step."""
    bench.compute()
    bench.upload("in/a.txt", "a")
    ports = {"data": {"type": "uri_folder"}, "rate": {"type": "number", "max": 1}}
    step = bench.step(inputs=ports, outputs={"score": {"type": "uri_folder"}})
    bench.put("/components/step/versions/1", {"componentSpec": step})
    return bench


def put(bench: Bench, properties: dict[str, Any], name: str = "made") -> Any:  # Any: JSON
    """PUT a job; any answer is given back."""
    headers = {"x-azureml-token": "Bearer of the same"}
    return bench.client.put(f"{WS}/jobs/{name}", json={"properties": properties}, headers=headers)


def job(bench: Bench, name: str = "made") -> tuple[Job, PipelineSpec]:
    """Give a stored job with its spec."""
    with bench.records.reading() as tx:
        found = tx.jobs.get(name)
    assert found is not None and isinstance(found.spec, PipelineSpec)
    return found, found.spec


def refused(bench: Bench, properties: dict[str, Any]) -> set[str]:
    """Give the fields of the mistakes; no job was made."""
    answer = put(bench, properties)
    assert answer.status_code == 400, answer.text
    assert bench.client.get(f"{WS}/jobs").json()["value"] == []
    return {detail["target"] for detail in answer.json()["error"]["details"]}


def test_a_pipeline_job_is_made_with_a_component_of_its_own(stocked: Bench) -> None:
    answer = put(stocked, JOB)
    again = put(stocked, {**JOB, "inputs": {**JOB["inputs"], "rate": 0.25}}, "other")

    assert (answer.status_code, again.status_code) == (201, 201), answer.text + again.text
    made, spec = job(stocked)
    assert (made.display_name, spec.experiment_name, spec.endpoint) == ("Hello", "exp", "")
    assert isinstance(spec.inputs["data"], StepData)
    assert spec.inputs["rate"] == 0.5
    assert str(spec.outputs["score"].place).endswith("/azureml/made/score")
    # The type of a value is what its step takes; equal graphs are one component, whatever they are given.
    assert job(stocked, "other")[1].component == spec.component
    id = f"{WS}/components/{spec.component.name}/versions/{spec.component.version}"
    kept = stocked.client.get(id).json()["properties"]["componentSpec"]
    assert kept["inputs"]["rate"] == {"type": PortType.NUMBER.value, "max": 1}
    shown = answer.json()["properties"]
    assert (shown["jobType"], shown["componentId"]) == ("Pipeline", id)
    assert "azureml.batchrun" not in shown["tags"]


def test_putting_the_same_job_again_gives_the_job_and_another_one_is_refused(stocked: Bench) -> None:
    put(stocked, JOB)
    assert put(stocked, JOB).status_code == 200
    other = {**JOB, "inputs": {**JOB["inputs"], "rate": {"jobInputType": "literal", "value": "0.1"}}}
    assert put(stocked, other).status_code == 400


def test_another_pipeline_under_the_name_of_a_job_is_refused_and_not_taken_for_an_edit(stocked: Bench) -> None:
    made = put(stocked, JOB)
    number = put(stocked, {**JOB, "inputs": {**JOB["inputs"], "rate": {"jobInputType": "literal", "value": 0.5}}})
    other = put(stocked, {**JOB, "jobs": {"two": STEP}})
    command = put(
        stocked,
        {
            "jobType": "Command",
            "command": "true",
            "environmentId": f"azureml:{WS}/environments/env/versions/1",
            "computeId": "cpu",
        },
    )
    component = made.json()["properties"]["componentId"]
    same = put(stocked, {"jobType": "Pipeline", "componentId": component, "displayName": "New"})
    elsewhere = put(stocked, {"jobType": "Pipeline", "componentId": f"azureml:{WS}/components/step/versions/1"})

    assert (made.status_code, number.status_code, same.status_code) == (201, 200, 200), number.text + same.text
    assert (other.status_code, command.status_code) == (409, 409), other.text + command.text
    assert "'made' exists already" in other.json()["error"]["message"]
    assert elsewhere.status_code == 400


def test_a_job_of_a_registered_component_is_made(stocked: Bench) -> None:
    put(stocked, JOB)
    component = job(stocked)[1].component
    body = {**JOB, "jobs": {}, "componentId": f"{WS}/components/{component.name}/versions/{component.version}"}
    assert put(stocked, body, "again").status_code == 201
    assert job(stocked, "again")[1].component == component
    assert "component" in refused_late(stocked, {**body, "componentId": f"{WS}/components/nobody/versions/1"})


def refused_late(bench: Bench, properties: dict[str, Any]) -> str:
    """Give the answer to a job that is refused."""
    answer = put(bench, properties, "late")
    assert answer.status_code == 400
    return str(answer.text)


def test_a_command_job_is_a_pipeline_of_one_step(stocked: Bench) -> None:
    body = {
        "jobType": "Command",
        "command": "echo ${{inputs.title}} > ${{outputs.report}}",
        "environmentId": f"{WS}/environments/env/versions/1",
        "computeId": f"{WS}/computes/cpu",
        "environmentVariables": {"A": "b"},
        "limits": {"jobLimitsType": "Command", "timeout": "PT1M"},
        "resources": {"instanceCount": 1, "properties": {}},
        "inputs": {"title": {"jobInputType": "literal", "value": "x"}},
        "outputs": {"report": {"jobOutputType": "uri_file"}},
    }
    answer = put(stocked, body)
    assert answer.status_code == 201, answer.text
    spec = job(stocked)[1]
    id = f"{WS}/components/{spec.component.name}/versions/{spec.component.version}"
    steps = stocked.client.get(id).json()["properties"]["componentSpec"]["jobs"]
    assert list(steps) == ["main"]
    assert spec.settings.default_compute == "cpu"


def test_every_mistake_of_a_job_is_told(stocked: Bench) -> None:
    assert refused(stocked, {"jobType": "Sweep"}) == {"properties.jobType"}
    wrong = {**JOB, "settings": {"default_computer": "x"}, "inputs": {"data": {"jobInputType": "mltable"}}}
    assert refused(stocked, wrong) == {
        "properties.settings.default_computer",
        "properties.inputs.data.jobInputType",
        "properties.inputs.data.uri",
    }
    unknown = {**JOB, "settings": {"default_compute": "gpu"}}
    assert refused(stocked, unknown) == {"settings.default_compute"}
    high = {**JOB, "inputs": {**JOB["inputs"], "rate": 3}}
    assert refused(stocked, high) == {"inputs.rate"}
    graph = {**JOB, "jobs": {"one": {**STEP, "inputs": {"dta": BOUND}}}}
    assert {"jobs.one.inputs.dta", "jobs.one.inputs.data", "jobs.one.inputs.rate"} <= refused(stocked, graph)


def test_a_component_is_made_of_an_earlier_job(stocked: Bench) -> None:
    put(stocked, JOB)
    body = {"componentSpec": {"sourceJobId": "azureml:made", "name": "azureml_anonymous"}, "isAnonymous": True}
    answer = stocked.put("/components/azureml_anonymous/versions/1", body).json()
    assert answer["properties"]["componentSpec"]["jobs"].keys() == {"one"}
    missing = {"componentSpec": {"sourceJobId": "mde"}}
    refusal = stocked.client.put(f"{WS}/components/azureml_anonymous/versions/1", json={"properties": missing})
    assert refusal.status_code == 404


def test_what_only_scored_jobs_have_is_refused_for_a_pipeline(stocked: Bench) -> None:
    put(stocked, JOB)
    stocked.client.post(f"{WS}/jobs/made/cancel")
    run = f"/history/v1.0{WS}/runs/made"
    asked = [f"{run}/lineage", f"{run}/verification", f"{run}/partial", f"{run}/items?item=a.txt"]
    statuses = {path: stocked.client.get(path).status_code for path in asked}
    statuses["retry"] = stocked.client.post(f"{WS}/jobs/made/retryFailed", json={}).status_code
    assert all(400 <= status < 500 for status in statuses.values()), statuses
