"""Invocations of a pipeline component at the scoring URI: named inputs and outputs, checked and frozen into a job."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.job_specs import InputKind, InputSource, PipelineSpec, StepData, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import InputMode, OutputMode, PortType
from batchyard.domain.resource_ids import AssetId, DatastorePath

from .bench import INPUT, WS, Bench

INPUTS = {
    "data": {"type": "uri_folder"},
    "rate": {"type": "number", "min": 0, "max": 1, "default": 0.5},
    "mode": {"type": "string", "enum": ["fast", "exact"]},
    "table": {"type": "uri_file", "optional": True},
    "net": {"type": "custom_model", "optional": True},
}
OUTPUTS = {"scores": {"type": "uri_folder"}, "report": {"type": "uri_file"}, "model": {"type": "mlflow_model"}}
DATA = {"jobInputType": "UriFolder", "uri": INPUT}
GIVEN = {"data": DATA, "mode": {"jobInputType": "Literal", "value": "fast"}}
PLACES = "azureml://datastores/workspaceblobstore/paths"


def pipeline(bench: Bench, name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Register a pipeline of one step, and deploy it."""
    step = bench.step(inputs=inputs, outputs=outputs)
    bench.put(f"/components/{name}-step/versions/1", {"componentSpec": step})
    bound = {port: f"${{{{parent.inputs.{port}}}}}" for port in inputs}
    given = {port: f"${{{{parent.outputs.{port}}}}}" for port in outputs}
    jobs = {"one": {"component": f"azureml:{name}-step:1", "inputs": bound, "outputs": given}}
    whole = {"type": "pipeline", "inputs": inputs, "outputs": outputs, "jobs": jobs}
    bench.put(f"/components/{name}/versions/1", {"componentSpec": whole})
    configuration = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/{name}/versions/1"},
        "settings": {"default_compute": "cpu", "force_rerun": True},
    }
    bench.put(f"/batchEndpoints/digits/deployments/{name}", {"deploymentConfiguration": configuration})


@pytest.fixture
def stocked(bench: Bench) -> Bench:
    """Three pipelines, and data; a deployment of a model is beside them."""
    bench.ready()
    bench.upload("table.csv", "a,b")
    pipeline(bench, "steps", INPUTS, OUTPUTS)
    pipeline(bench, "none", {"rate": INPUTS["rate"]}, {})
    pipeline(bench, "one", {"data": INPUTS["data"]}, {})
    return bench


def invoke(bench: Bench, inputs: Any, *, deployment: str = "steps", **properties: Any) -> Any:  # Any: JSON
    """POST an invocation; any answer is given back."""
    uri = bench.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["scoringUri"]
    headers = {"azureml-model-deployment": deployment, "repeatability_request-id": properties.pop("request_id", "")}
    return bench.client.post(uri, json={"properties": {"inputData": inputs, **properties}}, headers=headers)


def job(bench: Bench, answer: Any) -> Job:
    """Give the job that an answer names."""
    assert answer.status_code == 201, answer.text
    with bench.records.reading() as tx:
        found = tx.jobs.get(answer.json()["name"])
    assert found is not None
    return found


def refused(bench: Bench, answer: Any) -> dict[str, str]:
    """Give the mistakes of an answer, by field; no job was made."""
    assert answer.status_code == 400, answer.text
    assert bench.client.get(f"{WS}/jobs").json()["value"] == []
    return {detail["target"]: detail["message"] for detail in answer.json()["error"]["details"]}


def test_inputs_by_name_and_default_and_the_places_of_outputs_are_frozen(stocked: Bench) -> None:
    given = {**GIVEN, "table": {"JobInputType": "UriFile", "Uri": f"{PLACES}/table.csv", "mode": "Download"}}
    outputs = {
        "report": {"JobOutputType": "UriFile", "Uri": f"{PLACES}/out/report.txt"},
        "model": {"jobOutputType": "MLFlowModel", "assetName": "heart", "assetVersion": "7"},
    }
    made = job(stocked, invoke(stocked, given, OutputData=outputs, name="first", tags={"team": "x"}))

    spec = made.spec
    assert isinstance(spec, PipelineSpec)
    assert (spec.job, spec.endpoint, spec.deployment, spec.routed_by) == ("first", "digits", "steps", "named")
    assert (spec.component, spec.settings.default_compute) == (AssetId("steps", "1"), "cpu")
    assert spec.experiment_name == "digits"
    table = InputSource(InputKind.FILE, f"{PLACES}/table.csv")
    assert spec.inputs == {
        "data": StepData(InputSource(InputKind.FOLDER, INPUT), PortType.URI_FOLDER),
        "mode": "fast",
        "rate": 0.5,
        "table": StepData(table, PortType.URI_FILE, InputMode.DOWNLOAD),
    }
    store = "workspaceblobstore"
    assert spec.outputs == {
        "scores": StepOutput(DatastorePath(store, "azureml/first/scores"), PortType.URI_FOLDER, OutputMode.RW_MOUNT),
        "report": StepOutput(DatastorePath(store, "out/report.txt"), PortType.URI_FILE, OutputMode.RW_MOUNT),
        "model": StepOutput(
            DatastorePath(store, "azureml/first/model"), PortType.MLFLOW_MODEL, registers=AssetId("heart", "7")
        ),
    }
    assert (made.tags, made.phases.keys()) == ({"team": "x"}, {"queued"})


def test_a_version_that_no_model_can_have_is_refused(stocked: Bench) -> None:
    outputs = {"model": {"jobOutputType": "MLFlowModel", "assetName": "heart", "assetVersion": "../7"}}
    told = refused(stocked, invoke(stocked, GIVEN, OutputData=outputs))
    assert [target.rpartition(".")[2] for target in told] == ["assetVersion"]


def test_the_same_request_gives_the_same_job(stocked: Bench) -> None:
    first, again = (invoke(stocked, GIVEN, request_id="r1").json()["name"] for _ in range(2))
    assert first == again
    taken = invoke(stocked, GIVEN, name=first)
    assert taken.status_code == 409


def test_literals_of_text_are_read_and_may_stand_alone(stocked: Bench) -> None:
    spec = job(stocked, invoke(stocked, {"data": DATA, "mode": "exact", "rate": "0.25"})).spec
    assert isinstance(spec, PipelineSpec)
    assert (spec.inputs["mode"], spec.inputs["rate"]) == ("exact", 0.25)


def test_no_input_is_needed_where_none_is_required(stocked: Bench) -> None:
    for body in ({}, None):
        spec = job(stocked, invoke(stocked, body, deployment="none")).spec
        assert isinstance(spec, PipelineSpec)
        assert spec.inputs == {"rate": 0.5}


def test_data_without_a_name_is_the_only_input_that_holds_data(stocked: Bench) -> None:
    spec = job(stocked, invoke(stocked, {"UriFolder": DATA}, deployment="one")).spec
    assert isinstance(spec, PipelineSpec)
    assert list(spec.inputs) == ["data"]


def test_data_without_a_name_is_refused_where_several_inputs_could_be_meant(stocked: Bench) -> None:
    mistakes = refused(stocked, invoke(stocked, {"UriFolder": DATA}))
    assert mistakes.keys() == {"inputs", "inputs.data", "inputs.mode"}
    assert "table (uri_file)" in mistakes["inputs"]


def test_registered_data_is_followed_to_where_it_lies_and_a_model_to_its_sealed_bytes(stocked: Bench) -> None:
    stocked.data("images", "in")
    net = {"jobInputType": "CustomModel", "uri": "azureml:net:1"}
    inputs = {**GIVEN, "data": {"jobInputType": "UriFolder", "uri": "azureml:images@latest"}, "net": net}
    spec = job(stocked, invoke(stocked, inputs)).spec
    assert isinstance(spec, PipelineSpec)
    assert spec.inputs["data"] == StepData(
        InputSource(InputKind.FOLDER, INPUT, AssetId("images", "1")), PortType.URI_FOLDER
    )
    place, sealed = f"{PLACES}/models/net/1/net.bin", stocked.sealed_model("net")
    assert spec.inputs["net"] == StepData(
        InputSource(InputKind.FOLDER, place, AssetId("net", "1"), sealed), PortType.CUSTOM_MODEL
    )


def test_a_registered_model_is_given_although_what_it_came_from_is_gone(stocked: Bench) -> None:
    (stocked.home / "datastores/workspaceblobstore/models/net/1/net.bin").unlink()
    net = {"jobInputType": "CustomModel", "uri": "azureml:net:1"}
    spec = job(stocked, invoke(stocked, {**GIVEN, "net": net})).spec
    assert isinstance(spec, PipelineSpec)
    given = spec.inputs["net"]
    assert isinstance(given, StepData)
    assert given.source.sealed == stocked.sealed_model("net")


def test_every_mistake_in_what_is_given_is_told_at_once(stocked: Bench) -> None:
    stocked.data("images", "in")
    inputs = {
        "dta": DATA,
        "rate": {"jobInputType": "Literal", "value": 3},
        "mode": {"jobInputType": "Literal", "value": "slow"},
        "table": {"uri": "azureml:images:1"},
        "net": {"jobInputType": "UriFolder", "uri": INPUT},
    }
    outputs = {
        "score": {},
        "scores": {"jobOutputType": "UriFile"},
        "report": {"uri": f"{PLACES}/../x"},
        "model": {"uri": f"{PLACES}/azureml/mine/scores/inside"},
    }
    mistakes = refused(stocked, invoke(stocked, inputs, outputData=outputs, name="mine"))
    assert mistakes.keys() == {
        "inputs.dta",
        "inputs.data",
        "inputs.rate",
        "inputs.mode",
        "inputs.table",
        "inputs.net.type",
        "outputs.score",
        "outputs.scores",
        "outputs.scores.type",
        "outputs.report",
    }
    assert "Did you mean 'data'" in mistakes["inputs.dta"]
    assert "0 to 1" in mistakes["inputs.rate"]
    assert "'fast', 'exact'" in mistakes["inputs.mode"]
    assert "Did you mean 'scores'?" in mistakes["outputs.score"]


def test_values_where_data_is_wanted_and_the_reverse_are_told(stocked: Bench) -> None:
    inputs = {"data": "here", "mode": DATA, "table": {"jobInputType": "UriFile", "uri": INPUT}}
    assert refused(stocked, invoke(stocked, inputs)).keys() == {"inputs.data", "inputs.mode", "inputs.table"}


def test_settings_of_models_are_refused_by_name(stocked: Bench) -> None:
    properties = {
        "miniBatchSize": 3,
        "retrySettings": {"maxRetries": 1},
        "outputDataset": {"path": "x"},
        "outputData": {"report": {"jobOutputType": "MLTable", "uri": "https://x/y"}},
    }
    inputs = {"data": {"jobInputType": "MLTable", "uri": INPUT}, "table": {"jobInputType": "UriFile"}, "mode": [1]}
    assert refused(stocked, invoke(stocked, inputs, **properties)).keys() == {
        "properties.miniBatchSize",
        "properties.retrySettings",
        "properties.outputDataset",
        "properties.outputData.report.jobOutputType",
        "properties.outputData.report.uri",
        "properties.inputData.data.jobInputType",
        "properties.inputData.table.uri",
        "properties.inputData.mode",
    }


def test_outputs_have_places_of_their_own_that_are_free(stocked: Bench) -> None:
    stocked.upload("taken/a.txt", "a")
    at = {"scores": {"uri": f"{PLACES}/taken"}}
    assert invoke(stocked, GIVEN, outputData=at).status_code == 409
    both = {**at, "report": {"uri": f"{PLACES}/taken/report.txt"}}
    assert refused(stocked, invoke(stocked, GIVEN, outputData=both)).keys() == {"outputs.scores"}


def test_two_outputs_do_not_become_one_version_of_a_model(stocked: Bench) -> None:
    pipeline(stocked, "twins", {}, {"first": {"type": "custom_model"}, "second": {"type": "custom_model"}})
    named = {"assetName": "heart", "assetVersion": "7"}
    outputs = {name: {"jobOutputType": "CustomModel", **named} for name in ("first", "second")}
    told = refused(stocked, invoke(stocked, {}, deployment="twins", OutputData=outputs))

    assert list(told) == ["outputs.second"]
    assert "heart:7" in told["outputs.second"]


def test_local_paths_are_for_the_owner_of_the_home_alone(
    stocked: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "a.txt").write_text("a")
    inputs = {**GIVEN, "data": {"jobInputType": "uri_folder", "uri": folder.as_uri()}}
    spec = job(stocked, invoke(stocked, inputs)).spec
    assert isinstance(spec, PipelineSpec)
    data = spec.inputs["data"]
    assert isinstance(data, StepData)
    assert data.source.uri == folder.as_uri()


def test_a_pipeline_job_is_shown_and_listed_with_what_it_was_given(stocked: Bench) -> None:
    name = job(stocked, invoke(stocked, GIVEN)).name
    shown = stocked.client.get(f"{WS}/jobs/{name}").json()["properties"]
    assert shown["jobType"] == "Pipeline"
    assert shown["inputs"]["rate"] == {"jobInputType": "literal", "value": "0.5"}
    assert shown["inputs"]["data"]["uri"] == INPUT
    assert shown["outputs"]["report"]["jobOutputType"] == "uri_file"
    assert shown["settings"] == {"default_compute": "cpu", "continue_on_step_failure": False, "force_rerun": True}
    assert shown["tags"]["azureml.jobtype"] == "azureml.pipelinejob"
    assert shown["batchyard"]["component"] == "azureml:steps:1"
    listed = stocked.client.get(f"{WS}/jobs").json()["value"]
    assert [one["name"] for one in listed] == [name]


def test_a_dry_run_of_a_pipeline_says_that_it_is_for_models(stocked: Bench) -> None:
    answer = stocked.client.post(
        f"{WS}/batchEndpoints/digits/preflights",
        json=stocked.invocation(),
        headers={"azureml-model-deployment": "steps"},
    )
    assert answer.status_code in (200, 409), answer.text
    assert "'steps:1'" in answer.text


def test_an_invocation_is_in_the_audit_with_whom_it_reached(stocked: Bench) -> None:
    name = job(stocked, invoke(stocked, GIVEN)).name
    with stocked.records.reading() as tx:
        entries = [entry for entry in tx.audit.list() if entry.target == f"jobs/{name}"]
    assert [entry.details["deployment"] for entry in entries] == ["steps"]


def test_what_an_endpoint_without_a_default_is_given_is_not_held_against_what_models_take(stocked: Bench) -> None:
    stocked.put("/batchEndpoints/bare", {"authMode": "AadToken"})
    uri = stocked.client.get(f"{WS}/batchEndpoints/bare").json()["properties"]["scoringUri"]
    data = {"jobInputType": "UriFolder", "uri": INPUT}
    value = {"jobInputType": "Literal", "value": 1}
    answer = stocked.client.post(uri, json={"properties": {"inputData": {"data": data, "more": data, "rate": value}}})

    assert answer.status_code == 400
    assert "has no default deployment" in answer.json()["error"]["message"]
