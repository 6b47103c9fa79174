"""Deployments of pipeline components at the ARM door: checked, stored, shown, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from .bench import WS, Bench

ONE = f"{WS}/batchEndpoints/digits/deployments/steps"
SETTINGS = {"default_compute": "cpu", "continue_on_step_failure": False, "force_rerun": True}


def body(component: str = "both/versions/1", settings: Any = SETTINGS, **more: Any) -> dict[str, Any]:  # Any: JSON
    """Give the body as azure-ai-ml sends it, with the settings of a model that it puts beside it."""
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/{component}"},
        "settings": settings,
    }
    properties = {"deploymentConfiguration": configuration, "miniBatchSize": 10, "errorThreshold": -1, **more}
    return {"location": "local", "tags": {"a": "b"}, "properties": properties}


@pytest.fixture
def stocked(bench: Bench) -> Bench:
    """An endpoint, a compute, a step, and a pipeline of it."""
    bench.endpoint()
    bench.compute()
    step = bench.step(inputs={"data": {"type": "uri_folder"}}, resources={"instance_count": 2})
    bench.put("/components/step/versions/1", {"componentSpec": step})
    jobs = {"one": {"component": "azureml:step:1", "inputs": {"data": "${{parent.inputs.data}}"}}}
    pipeline = {"type": "pipeline", "inputs": {"data": {"type": "uri_folder"}}, "jobs": jobs}
    bench.put("/components/both/versions/1", {"componentSpec": pipeline})
    return bench


def refused(bench: Bench, sent: dict[str, Any]) -> set[str]:
    answer = bench.client.put(ONE, json=sent)
    assert answer.status_code == 400, answer.text
    assert bench.client.get(ONE).status_code == 404
    return {detail["target"] for detail in answer.json()["error"]["details"]}


def test_a_pipeline_deployment_is_made_shown_listed_changed_and_deleted(stocked: Bench) -> None:
    made = stocked.client.put(ONE, json=body())

    assert made.status_code == 201, made.text
    assert made.json()["properties"]["provisioningState"] == "Creating"
    stocked.provision()
    operation = stocked.client.get(made.headers["azure-asyncoperation"]).json()
    assert operation["status"] == "Succeeded"
    shown = stocked.client.get(ONE).json()
    configuration = shown["properties"]["deploymentConfiguration"]
    assert shown["properties"]["provisioningState"] == "Succeeded"
    assert configuration["componentId"]["assetId"] == f"{WS}/components/both/versions/1"
    assert configuration["settings"] == SETTINGS
    assert shown["tags"] == {"a": "b"}
    listed = stocked.client.get(ONE.rpartition("/")[0]).json()["value"]
    assert [one["name"] for one in listed] == ["steps"]

    changed = {"properties": {"deploymentConfiguration": {"settings": {"force_rerun": False}}}}
    patched = stocked.client.patch(ONE, json=changed).json()["properties"]
    assert patched["deploymentConfiguration"]["settings"] == {**SETTINGS, "force_rerun": False}
    assert patched["provisioningState"] == "Succeeded"
    assert patched["revision"] == 3
    assert stocked.client.delete(ONE).status_code == 200
    assert stocked.client.get(ONE).status_code == 404


def test_the_newest_version_is_frozen_when_a_label_is_given(stocked: Bench) -> None:
    stocked.client.put(ONE, json=body("both/labels/latest"))
    found = stocked.client.get(f"{WS}/components/both/versions/1").json()["properties"]["componentSpec"]
    stocked.put("/components/both/versions/2", {"componentSpec": {**found, "description": "other"}})
    shown = stocked.client.get(ONE).json()["properties"]["deploymentConfiguration"]
    assert shown["componentId"]["assetId"].endswith("/components/both/versions/1")


def test_every_mistake_of_a_pipeline_deployment_is_told_at_once(stocked: Bench) -> None:
    where = "properties.deploymentConfiguration"
    settings = {"default_compute": "a/b", "force_rerun": "maybe", "continue_on_step_failures": True}
    assert refused(stocked, body("", settings)) == {
        f"{where}.componentId.assetId",
        f"{where}.settings.default_compute",
        f"{where}.settings.force_rerun",
        f"{where}.settings.continue_on_step_failures",
    }
    unknown = {"default_compute": "gpu", "default_datastore": "mine"}
    assert refused(stocked, body("nobody/versions/1", unknown)) == {
        "component",
        "settings.default_compute",
        "settings.default_datastore",
    }
    assert refused(stocked, body("step/versions/1")) == {"component"}


def test_every_step_needs_a_compute_that_is_large_enough_nested_ones_too(stocked: Bench) -> None:
    inner = {"component": "azureml:both:1", "inputs": {"data": "${{parent.inputs.data}}"}}
    own = {"component": "azureml:step:1", "inputs": inner["inputs"]}
    jobs = {
        "in": inner,
        "big": {**own, "compute": "azureml:cpu", "resources": {"instance_count": 3}},
        "gone": {**own, "compute": "azureml:gone"},
    }
    pipeline = {"type": "pipeline", "inputs": {"data": {"type": "uri_folder"}}, "jobs": jobs}
    stocked.put("/components/outer/versions/1", {"componentSpec": pipeline})

    assert refused(stocked, body("outer/versions/1", {})) == {
        "component.jobs.in.jobs.one.compute",
        "component.jobs.big.resources.instance_count",
        "component.jobs.gone.compute",
    }
