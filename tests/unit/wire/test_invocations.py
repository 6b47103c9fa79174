"""Invocations: every form that the SDK sends, `--set` in both spellings, and the invoke file."""

from __future__ import annotations

import pytest

from batchyard.domain.deployments import OutputFormat, Overrides
from batchyard.domain.errors import InvalidInput
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.jobs import Invocation
from batchyard.domain.resource_ids import DEFAULT_SCOPE, DatastorePath
from batchyard.wire.documents import load_yaml
from batchyard.wire.invocations import (
    InvokeExtras,
    InvokeFile,
    invocation_from_body,
    invocation_to_body,
    invoke_file_from_yaml,
    overrides_from_set,
)

WS = DEFAULT_SCOPE.arm_id
URI = "azureml://datastores/workspaceblobstore/paths/LocalUpload/0a1b/digits/"
INPUT = {"inputData": {"UriFolder": {"jobInputType": "UriFolder", "uri": URI}}}
SOURCE = InputSource(InputKind.FOLDER, URI)


def _read(properties: object) -> Invocation:
    return invocation_from_body("digits", None, None, {"properties": properties}, DEFAULT_SCOPE)


def _told(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {mistake.field: str(mistake) for mistake in caught.value.mistakes}


def _mistakes(properties: object) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        _read(properties)
    return _told(caught)


def test_the_body_of_the_sdk_is_read_with_its_headers() -> None:
    read = invocation_from_body("digits", "dpl", "id-1", {"properties": INPUT}, DEFAULT_SCOPE)
    assert read == Invocation("digits", SOURCE, deployment="dpl", request_id="id-1")


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("UriFile", "UriFile", InputKind.FILE),
        ("anything", "uri_file", InputKind.FILE),
        ("data", "uri_folder", InputKind.FOLDER),
        ("data", "URIFOLDER", InputKind.FOLDER),
    ],
)
def test_an_input_has_any_name_and_its_type_any_case(name: str, kind: str, expected: InputKind) -> None:
    assert _read({"inputData": {name: {"jobInputType": kind, "uri": URI}}}).source == InputSource(expected, URI)


def test_the_capitals_of_the_rest_samples_are_read() -> None:
    read = _read({"InputData": {"n": {"JobInputType": "UriFolder", "Uri": URI}}, "MiniBatchSize": "5"})
    assert (read.source, read.overrides) == (SOURCE, Overrides(mini_batch_size=5))


def test_params_override_of_the_sdk_is_read() -> None:
    read = _read(
        {
            **INPUT,
            "miniBatchSize": 20,
            "compute": {"isLocal": True, "instanceCount": 5},
            "retrySettings": {"maxRetries": 0, "timeout": "PT1M"},
            "errorThreshold": 0,
            "miniBatchErrorThreshold": 3,
            "errorThresholdPercent": 0.5,
            "allowedFailedPercent": 10,
            "noProgressTimeout": "PT10M",
            "miniBatchMaxBytes": 1000000,
            "outputFileName": "o.csv",
            "maxConcurrencyPerInstance": 2,
        }
    )
    assert read.overrides == Overrides(20, 2, 5, 0, 60.0, 0, "o.csv", 3, 0.5, 10.0, 600.0, 1_000_000)


def test_a_named_output_file_is_read() -> None:
    uri = "azureml://datastores/x/paths/p/f.csv"
    read = _read({**INPUT, "outputData": {"score": {"jobOutputType": "UriFile", "uri": uri}}})
    assert (read.output_path, read.output_is_file) == (DatastorePath("x", "p/f.csv"), True)


def test_an_output_folder_is_read_without_its_slash() -> None:
    uri = "azureml://datastores/x/paths/p/"
    read = _read({**INPUT, "outputData": {"score": {"jobOutputType": "uri_folder", "uri": uri}}})
    assert (read.output_path, read.output_is_file) == (DatastorePath("x", "p"), False)


@pytest.mark.parametrize("store", [f"{WS}/datastores/x", f"azureml:{WS}/datastores/x", "azureml:x", "x"])
def test_the_output_dataset_of_the_mnist_notebook_is_read(store: str) -> None:
    read = _read({**INPUT, "outputDataset": {"datastoreId": store, "path": "/p/"}, "outputFileName": "f.csv"})
    assert (read.output_path, read.output_is_file) == (DatastorePath("x", "p"), False)
    assert read.overrides.output_file_name == "f.csv"


def test_an_output_without_a_place_takes_the_default() -> None:
    assert _read({**INPUT, "outputData": {"score": {"jobOutputType": "UriFolder"}}}).output_path is None


def test_job_and_experiment_name_and_tags_are_read() -> None:
    read = _read({**INPUT, "name": "myjob", "properties": {"experimentName": "exp1"}, "tags": {"a": "b"}})
    assert (read.job_name, read.experiment_name, read.tags) == ("myjob", "exp1", {"a": "b"})


def test_an_invocation_survives_the_wire() -> None:
    invocation = Invocation(
        endpoint="digits",
        source=InputSource(InputKind.FILE, "file:///home/ada/one.png"),
        deployment="dpl",
        overrides=Overrides(1, 2, 3, 0, 0.5, 0, "o.csv", 7, 0.5, 0.0, 60.0),
        job_name="myjob",
        request_id="id-1",
        output_path=DatastorePath("x", "p/f.csv"),
        output_is_file=True,
        experiment_name="exp1",
        tags={"a": "b"},
    )
    body = invocation_to_body(invocation)
    assert invocation_from_body("digits", "dpl", "id-1", body, DEFAULT_SCOPE) == invocation


def test_a_plain_invocation_says_nothing_more_than_its_input() -> None:
    assert invocation_to_body(Invocation("digits", SOURCE)) == {"properties": INPUT}


@pytest.mark.parametrize("properties", [{}, None, {"inputData": {}}, {"inputData": None}])
def test_an_input_must_be_given(properties: object) -> None:
    assert "found nothing, expected exactly one data input" in _mistakes(properties)["properties.inputData"]


def test_all_mistakes_of_an_invocation_are_told() -> None:
    told = _mistakes(
        {
            "inputData": {"n": {"jobInputType": "Literal", "value": "5"}},
            "outputData": {"score": {"jobOutputType": "MLTable", "uri": "./out"}},
            "miniBatchSize": "none",
            "compute": {"instanceCount": 0},
            "retrySettings": {"maxRetries": -1, "timeout": "PT100H"},
            "errorThreshold": -2,
            "miniBatchErrorThreshold": -2,
            "errorThresholdPercent": 101,
            "allowedFailedPercent": "much",
            "noProgressTimeout": 0,
            "outputFileName": "a/b",
            "name": "no spaces please",
            "tags": [],
        }
    )
    assert told.keys() == {
        "properties.inputData.n.jobInputType",
        "properties.outputData.score.jobOutputType",
        "properties.outputData.score.uri",
        "properties.miniBatchSize",
        "properties.compute.instanceCount",
        "properties.retrySettings.maxRetries",
        "properties.retrySettings.timeout",
        "properties.errorThreshold",
        "properties.miniBatchErrorThreshold",
        "properties.errorThresholdPercent",
        "properties.allowedFailedPercent",
        "properties.noProgressTimeout",
        "properties.outputFileName",
        "properties.name",
        "properties.tags",
    }
    assert "Literals are for deployments of pipeline components" in told["properties.inputData.n.jobInputType"]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("azureml:name", "A data asset is named with its version"),
        (f"{WS}/models/name/versions/1", "A data asset is named with its version"),
        ("wasbs://container@account/x.csv", "Storage accounts are not read by this version"),
        ("./digits", "found './digits'"),
        (None, "found nothing"),
    ],
)
def test_an_input_that_cannot_be_read_says_what_to_do(uri: str | None, said: str) -> None:
    told = _mistakes({"inputData": {"n": {"jobInputType": "UriFolder", "uri": uri}}})
    assert said in told["properties.inputData.n.uri"]


@pytest.mark.parametrize("path", ["", "p/.hidden", "p/a*b"])
def test_an_output_file_needs_a_plain_name(path: str) -> None:
    uri = f"azureml://datastores/x/paths/{path}"
    told = _mistakes({**INPUT, "outputData": {"score": {"jobOutputType": "UriFile", "uri": uri}}})
    assert "a plain file name" in told["properties.outputData.score.uri"]


def test_two_inputs_are_refused_by_name() -> None:
    one = {"jobInputType": "UriFolder", "uri": URI}
    assert "found a, b" in _mistakes({"inputData": {"a": one, "b": one}})["properties.inputData"]


def test_a_datastore_of_another_workspace_is_refused() -> None:
    other = WS.replace("/default", "/other")
    told = _mistakes({**INPUT, "outputDataset": {"datastoreId": f"{other}/datastores/x"}})
    assert "a datastore of workspace 'default'" in told["properties.outputDataset.datastoreId"]


@pytest.mark.parametrize(
    "assignments",
    [
        ["instance_count=3", "max_retries=0", "timeout=60"],
        ["compute.instance_count=3", "retry_settings.max_retries=0", "retry_settings.timeout=60"],
        ["resources.instance_count='3'", "retry_settings.max_retries='0'", "timeout='60'"],
        ["instance_count=3", "compute.instance_count=3", 'retry_settings={"max_retries": 0, "timeout": 60}'],
    ],
)
def test_overrides_have_both_spellings(assignments: list[str]) -> None:
    expected = Overrides(instance_count=3, max_retries=0, timeout_s=60.0)
    assert overrides_from_set(assignments) == (expected, InvokeExtras())


def test_every_key_of_an_invocation_can_be_set() -> None:
    assert overrides_from_set(
        [
            "mini_batch_size=20",
            "max_concurrency_per_instance=2",
            "error_threshold=-1",
            "mini_batch_error_threshold=4",
            "error_threshold_percent=2.5",
            "allowed_failed_percent=0",
            "no_progress_timeout=900",
            "mini_batch_max_bytes=4096",
            "max_duration=5400",
            "output_file_name=o.csv",
            "output_format=csv",
            "output_shard_bytes=4096",
            "job_name=myjob",
            "experiment_name=exp1",
            f"output_dataset.datastore_id=azureml:{WS}/datastores/x",
            "output_dataset.path=/p/q/",
            "tags.team=vision",
        ]
    ) == (
        Overrides(20, 2, None, None, None, -1, "o.csv", 4, 2.5, 0.0, 900.0, 4096, OutputFormat.CSV, 5400.0, 4096),
        InvokeExtras("myjob", "exp1", "azureml://datastores/x/paths/p/q", {"team": "vision"}),
    )


def test_one_setting_given_two_values_is_a_mistake() -> None:
    with pytest.raises(InvalidInput, match="the same as instance_count, which is 3"):
        overrides_from_set(["compute.instance_count=4", "instance_count=3"])


def test_all_mistakes_of_set_are_told_with_the_keys_as_written() -> None:
    with pytest.raises(InvalidInput) as caught:
        overrides_from_set(
            [
                "nonsense",
                "mini_batch_sise=3",
                "mini_batch_size=ten",
                "max_retries=-1",
                "compute.instance_count=0",
                "error_threshold=-5",
                "logging_level=debug",
                "environment_variables.A=b",
                "output_file_name=.hidden",
                "job_name=a b",
            ]
        )
    told = _told(caught)
    assert told.keys() == {
        "--set",
        "mini_batch_sise",
        "mini_batch_size",
        "max_retries",
        "compute.instance_count",
        "error_threshold",
        "logging_level",
        "environment_variables",
        "output_file_name",
        "job_name",
    }
    assert "'mini_batch_size'" in told["mini_batch_sise"]
    assert "update the deployment instead" in told["logging_level"]


def test_no_assignment_overrides_nothing() -> None:
    assert overrides_from_set([]) == (Overrides(), InvokeExtras())


def test_an_invoke_file_is_read() -> None:
    text = """
inputs:
  heart_data:
    type: uri_file
    path: data/one.csv
    mode: download
outputs:
  score:
    type: uri_file
    path: azureml://datastores/x/paths/p/f.csv
mini_batch_size: 5
job_name: myjob
deployment_name: dpl
tags: {a: b}
"""
    assert invoke_file_from_yaml(load_yaml(text, subject="invoke.yml")) == InvokeFile(
        input_path="data/one.csv",
        input_kind=InputKind.FILE,
        output_path="azureml://datastores/x/paths/p/f.csv",
        output_is_file=True,
        job_name="myjob",
        deployment_name="dpl",
        overrides=Overrides(mini_batch_size=5),
        tags={"a": "b"},
        notes=("`inputs.heart_data.mode` is accepted but has no effect here.",),
    )


def test_an_invoke_file_may_leave_input_and_place_to_the_flags() -> None:
    written = invoke_file_from_yaml({"outputs": {"score": {"type": "uri_folder", "mode": "upload"}}})
    assert (written.input_path, written.output_path, written.output_is_file) == (None, None, False)


def test_all_mistakes_of_an_invoke_file_are_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        invoke_file_from_yaml(
            {
                "input": {},
                "inputs": {"n": {"type": "string", "default": "append"}},
                "outputs": {"a": {"type": "mltable"}, "b": {"pth": "x"}},
                "instance_count": 0,
            }
        )
    assert _told(caught).keys() == {"input", "inputs.n.type", "outputs", "outputs.a.type"} | {
        "outputs.b.pth",
        "instance_count",
    }


def test_null_for_a_key_that_cannot_be_overridden_is_a_mistake() -> None:
    assert overrides_from_set(["mini_batch_size=null"]) == (Overrides(), InvokeExtras())
    with pytest.raises(InvalidInput) as caught:
        overrides_from_set(["mini_bach_size=null", "retry_settings.max_retry=2"])
    assert _told(caught).keys() == {"mini_bach_size", "retry_settings.max_retry"}


def _dataset(kind: str, **rest: object) -> InputSource:
    return _read({"dataset": {"dataInputType": kind, **rest}}).source


def test_the_data_url_of_older_bodies_is_read() -> None:
    assert _dataset("DataUrl", Path=URI) == SOURCE
    assert _dataset("dataUrl", path="https://example.org/a.csv") == InputSource(
        InputKind.FILE, "https://example.org/a.csv"
    )


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ({"dataInputType": "DatasetVersion", "datasetName": "n", "datasetVersion": 2}, "azureml:n:2"),
        ({"DataInputType": "DatasetVersion", "DatasetName": "n"}, "azureml:n@latest"),
        ({"dataInputType": "DatasetId", "datasetId": f"{WS}/datasets/n/versions/2"}, f"{WS}/data/n/versions/2"),
        (
            {"dataInputType": "DatasetId", "datasetId": f"azureml:{WS}/data/n/versions/2"},
            f"azureml:{WS}/data/n/versions/2",
        ),
        ({"dataInputType": "DatasetId", "datasetId": "azureml:n:2"}, "azureml:n:2"),
    ],
)
def test_a_registered_dataset_of_older_bodies_is_a_data_asset(given: dict[str, object], uri: str) -> None:
    assert _read({"dataset": given}).source == InputSource(InputKind.FOLDER, uri)


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"dataInputType": "DataUrl"}, "path", "azureml://datastores/NAME/paths/PATH"),
        ({"dataInputType": "DatasetVersion"}, "datasetName", "the name of a data asset"),
        ({"dataInputType": "DatasetVersion", "datasetName": "a/b"}, "datasetName", "a data asset"),
        ({"dataInputType": "DatasetId", "datasetId": "0a1b"}, "datasetId", "a data asset"),
        ({"dataInputType": "Tabular"}, "dataInputType", "DataUrl, DatasetVersion or DatasetId"),
        ({}, "dataInputType", "DataUrl, DatasetVersion or DatasetId"),
    ],
)
def test_what_is_wrong_in_an_older_body_is_told_at_its_place(given: object, field: str, expected: str) -> None:
    assert expected in _mistakes({"dataset": given})[f"properties.dataset.{field}"]


def test_an_older_body_has_no_inputs_of_today_beside_it() -> None:
    told = _mistakes({**INPUT, "dataset": {"dataInputType": "DataUrl", "path": URI}})
    assert told["properties.dataset"].endswith("found inputData beside it, expected one of them.")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("azureml://locations/local/workspaces/default/data/n/versions/labels/latest", f"{WS}/data/n/labels/latest"),
        ("azureml://locations/westeurope/workspaces/Default/data/n/versions/2", f"{WS}/data/n/versions/2"),
        ("azureml://data/n/versions/2/", f"{WS}/data/n/versions/2"),
        (f"{WS}/datastores/s/paths/a/b", "azureml://datastores/s/paths/a/b"),
        (f"azureml:{WS}/datastores/s/paths/a/b", "azureml://datastores/s/paths/a/b"),
    ],
)
def test_every_documented_form_of_a_data_uri_is_read(uri: str, expected: str) -> None:
    assert _read({"inputData": {"n": {"jobInputType": "UriFolder", "uri": uri}}}).source.uri == expected


def test_data_of_another_workspace_is_a_mistake() -> None:
    uri = "azureml://locations/local/workspaces/other/data/n/versions/1"
    told = _mistakes({"inputData": {"n": {"jobInputType": "UriFolder", "uri": uri}}})
    assert "a data asset of workspace 'default'" in told["properties.inputData.n.uri"]


def test_an_output_on_the_id_of_a_datastore_is_read() -> None:
    uri = f"azureml:{WS}/datastores/x/paths/p/f.csv"
    read = _read({**INPUT, "outputData": {"score": {"jobOutputType": "UriFile", "uri": uri}}})
    assert (read.output_path, read.output_is_file) == (DatastorePath("x", "p/f.csv"), True)
