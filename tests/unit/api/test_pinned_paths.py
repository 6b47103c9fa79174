"""Outputs of their own for candidates: refused elsewhere at the scoring URI, and told by the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.job_specs import PipelineSpec

from .bench import WS, Bench
from .test_pipeline_invocations import INPUTS, OUTPUTS, invoke, job, pipeline

PLACES = "azureml://datastores/workspaceblobstore/paths"
GIVEN = {"data": {"jobInputType": "UriFolder", "uri": f"{PLACES}/in"}}


def pin(bench: Bench, name: str, path: str) -> None:
    """Pin the pipeline's deployment to a path."""
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/{name}/versions/1"},
        "settings": {"default_compute": "cpu", "output_path": f"{PLACES}/{path}"},
    }
    bench.put(f"/batchEndpoints/digits/deployments/{name}", {"deploymentConfiguration": configuration})


def put_model(bench: Bench, name: str, path: str | None) -> Any:
    body = bench.deployment_body(**({"outputPath": f"{PLACES}/{path}"} if path is not None else {}))
    answer = bench.client.put(
        f"{WS}/batchEndpoints/digits/deployments/{name}", json={"location": "local", "properties": body}
    )
    bench.provision()
    return answer


@pytest.fixture
def stocked(bench: Bench) -> Bench:
    """The default `blue` is pinned to prod/, the pipeline `steps` to candidates/steps."""
    bench.ready()
    assert put_model(bench, "blue", "prod").status_code in (200, 201)
    pipeline(bench, "steps", {"data": INPUTS["data"]}, {"scores": OUTPUTS["scores"]})
    pin(bench, "steps", "candidates/steps")
    return bench


def asked(bench: Bench, path: str | None) -> Any:
    outputs = {} if path is None else {"scores": {"jobOutputType": "UriFolder", "uri": f"{PLACES}/{path}"}}
    return invoke(bench, GIVEN, OutputData=outputs)


def test_a_path_is_shown_as_it_was_given_and_kept_by_an_update_of_something_else(stocked: Bench) -> None:
    shown = stocked.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").json()["properties"]
    assert shown["outputPath"] == f"{PLACES}/prod"
    shown = stocked.client.get(f"{WS}/batchEndpoints/digits/deployments/steps").json()["properties"]
    assert shown["deploymentConfiguration"]["settings"]["output_path"] == f"{PLACES}/candidates/steps"


def test_outputs_of_a_pinned_pipeline_are_below_its_path(stocked: Bench) -> None:
    made = job(stocked, asked(stocked, None))
    assert isinstance(made.spec, PipelineSpec)
    assert made.spec.outputs["scores"].place.path == f"candidates/steps/{made.name}/scores"
    inside = job(stocked, asked(stocked, "candidates/steps/mine"))
    assert isinstance(inside.spec, PipelineSpec)
    assert inside.spec.outputs["scores"].place.path == "candidates/steps/mine"


@pytest.mark.parametrize("path", ["prod", "prod/x", "", "elsewhere", "candidates"])
def test_a_pinned_candidate_publishes_nowhere_else(stocked: Bench, path: str) -> None:
    answer = asked(stocked, path)
    assert answer.status_code == 400
    (detail,) = answer.json()["error"]["details"]
    assert detail["target"] == "outputs.scores"


def test_a_refused_write_into_anothers_path_is_in_the_audit_log(stocked: Bench) -> None:
    assert asked(stocked, "prod/x").status_code == 400
    assert stocked.invoke(OutputPath=None, outputData={"score": {"uri": f"{PLACES}/candidates/steps/x"}}) is not None
    with stocked.records.reading() as tx:
        entries = tx.audit.list(target="batchEndpoints/digits", action="batchEndpoints/jobs/write")
    assert "where only deployment 'blue' of endpoint 'digits' publishes to" in entries[-1].details["refused"]
    assert stocked.client.get(f"{WS}/jobs").json()["value"] == []


@pytest.mark.parametrize("path", ["prod", "prod/a", "candidates"])
def test_a_second_deployment_cannot_be_pinned_to_a_path_of_another(stocked: Bench, path: str) -> None:
    answer = put_model(stocked, "green", path)
    assert answer.status_code == 400
    (detail,) = answer.json()["error"]["details"]
    assert detail["target"] in ("properties.outputPath", "settings.output_path")
