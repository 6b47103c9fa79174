"""Deployments on the wire: the SDK's bodies, answers, and what `show` prints."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.deployments import (
    CodeReference,
    Deployment,
    DeploymentDraft,
    DeploymentKind,
    ExecutionSettings,
    LoggingLevel,
    OutputAction,
    OutputColumn,
    OutputFormat,
    PipelineSettings,
    RetrySettings,
    SameName,
)
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.errors import InvalidInput
from batchyard.domain.outputs.contracts import InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.domain.resource_ids import DEFAULT_SCOPE, AssetId, DatastorePath, Reference
from batchyard.wire.deployments import (
    deployment_cli_from_arm,
    deployment_from_arm,
    deployment_from_yaml,
    deployment_to_arm,
    deployment_to_arm_body,
    deployment_yaml_from_arm,
)
from batchyard.wire.documents import apply_set
from batchyard.wire.envelopes import StoredMeta
from batchyard.wire.operations import operation_log

META = StoredMeta(4, '"e4"', 0.0, "ada", 0.0, "ada")
WS = DEFAULT_SCOPE.arm_id

# Recorded from azure-ai-ml 1.35.2: batch_deployments.begin_create_or_update(model).
SDK_BODY = {
    "location": "local",
    "tags": {"stage": "dev"},
    "properties": {
        "compute": f"{WS}/computes/cpu-cluster",
        "environmentId": f"{WS}/environments/env/versions/1",
        "model": {"referenceType": "Id", "assetId": f"{WS}/models/digits/versions/2"},
        "codeConfiguration": {"codeId": f"{WS}/codes/guid/versions/1", "scoringScript": "batch_driver.py"},
        "resources": {"instanceCount": 1, "properties": {}},
        "miniBatchSize": 10,
        "maxConcurrencyPerInstance": 2,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "errorThreshold": -1,
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "loggingLevel": "info",
        "environmentVariables": {"A": "1"},
        "properties": {},
    },
}
# Recorded: PipelineComponentBatchDeployment.
SDK_PIPELINE_BODY = {
    "location": "local",
    "properties": {
        "deploymentConfiguration": {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/c/versions/1"},
            "settings": {"continue_on_step_failure": False, "default_compute": "batch-cluster"},
        },
        "errorThreshold": -1,
        "maxConcurrencyPerInstance": 1,
        "miniBatchSize": 10,
        "outputFileName": "predictions.csv",
    },
}
DRAFT = DeploymentDraft(
    name="dpl",
    endpoint="digits",
    kind=DeploymentKind.MODEL,
    compute="cpu-cluster",
    model=Reference("models", "digits", "2", None, DEFAULT_SCOPE),
    code=Reference("codes", "guid", "1", None, DEFAULT_SCOPE),
    scoring_script="batch_driver.py",
    environment=Reference("environments", "env", "1", None, DEFAULT_SCOPE),
    settings=ExecutionSettings(max_concurrency_per_instance=2, environment_variables={"A": "1"}),
    tags={"stage": "dev"},
)
UNUSUAL = ExecutionSettings(
    mini_batch_size=3,
    max_concurrency_per_instance=4,
    instance_count=2,
    retry=RetrySettings(0, 0.5),
    error_threshold=0,
    mini_batch_error_threshold=0,
    error_threshold_percent=0.5,
    allowed_failed_percent=10.0,
    output_action=OutputAction.SUMMARY_ONLY,
    output_file_name="scores.txt",
    logging_level=LoggingLevel.DEBUG,
    same_name=SameName.CONCATENATE,
    isolate_failing_items=False,
    environment_variables={"X": "", "Y": "a=b"},
    no_progress_timeout_s=90.5,
    mini_batch_max_bytes=5_000_000_000,
    output_format=OutputFormat.CSV,
    output_columns=(OutputColumn.POSITION, OutputColumn.ITEM),
    output_shard_bytes=1_000_000,
    max_duration_s=5400.0,
    output_contract=OutputContract(RowsPerItem.AT_LEAST_ONE),
    input_contract=InputContract(InputFormat.CSV, {"id": "int64"}),
    output_path=DatastorePath("workspaceblobstore", "candidates/dpl"),
)
STORED = Deployment(
    name="dpl",
    endpoint="digits",
    kind=DeploymentKind.MODEL,
    compute="cpu-cluster",
    model=AssetId("digits", "2"),
    code=CodeReference(AssetId("guid", "1"), "batch_driver.py"),
    environment=AssetId("env", "1"),
    settings=UNUSUAL,
    description="The candidate",
    tags={"stage": "dev"},
    properties={"p": "q"},
    state=ProvisioningState.SUCCEEDED,
    build=EnvironmentBuild("ab" * 32, "3.11.7"),
)


def _fields(caught: pytest.ExceptionInfo[InvalidInput]) -> set[str]:
    return {mistake.field for mistake in caught.value.mistakes}


def _bare(reference: Reference | None) -> Reference | None:
    return replace(reference, scope=None) if reference else None


def test_the_body_of_the_sdk_is_read() -> None:
    assert deployment_from_arm("digits", "dpl", SDK_BODY) == DRAFT


def test_a_draft_survives_the_wire_with_every_setting() -> None:
    default = ExecutionSettings()
    same = {
        setting.name for setting in fields(UNUSUAL) if getattr(UNUSUAL, setting.name) == getattr(default, setting.name)
    }
    assert same == {"speculative"}  # It is refused beside summary_only and has a test of its own.
    draft = replace(DRAFT, settings=UNUSUAL, description="d", properties={"p": "q"})
    assert deployment_from_arm("digits", "dpl", deployment_to_arm_body(DEFAULT_SCOPE, draft)) == draft


def test_speculation_survives_the_wire_and_is_refused_beside_summary_only() -> None:
    wanted = replace(DRAFT, settings=replace(UNUSUAL, output_action=OutputAction.APPEND_ROW, speculative=True))
    body = deployment_to_arm_body(DEFAULT_SCOPE, wanted)
    assert deployment_from_arm("digits", "dpl", body).settings == wanted.settings
    both = replace(DRAFT, settings=replace(UNUSUAL, speculative=True))
    with pytest.raises(InvalidInput) as caught:
        deployment_from_arm("digits", "dpl", deployment_to_arm_body(DEFAULT_SCOPE, both))
    assert [mistake.field for mistake in caught.value.mistakes] == ["properties.speculative"]


def test_a_label_survives_the_wire() -> None:
    draft = replace(DRAFT, model=Reference("models", "digits", None, "latest", DEFAULT_SCOPE))
    assert deployment_from_arm("digits", "dpl", deployment_to_arm_body(DEFAULT_SCOPE, draft)) == draft


def test_a_model_alone_is_enough_for_a_body() -> None:
    body = {"properties": {"compute": f"{WS}/computes/c", "model": {"referenceType": "Id", "assetId": "azureml:m:1"}}}
    draft = deployment_from_arm("digits", "dpl", body)
    assert (draft.code, draft.scoring_script, draft.environment) == (None, None, None)
    assert draft.settings == ExecutionSettings()


def test_an_answer_shows_ours_and_reads_back_as_what_was_asked() -> None:
    arm = deployment_to_arm(DEFAULT_SCOPE, STORED, META, is_default=True, serving_revision=3)
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert arm["id"] == f"{WS}/batchEndpoints/digits/deployments/dpl"
    assert arm["type"] == "Microsoft.MachineLearningServices/workspaces/batchEndpoints/deployments"
    assert properties["model"] == {"referenceType": "Id", "assetId": f"{WS}/models/digits/versions/2"}
    ours = (
        "revision",
        "servingRevision",
        "isDefault",
        "environmentHash",
        "provisioningError",
        "sameName",
        "isolateFailingItems",
    )
    assert [properties[key] for key in ours] == [4, 3, True, "ab" * 32, None, "concatenate", False]
    assert properties["properties"] == {"p": "q"}
    again = deployment_from_arm("digits", "dpl", arm)
    assert again == replace(DRAFT, settings=UNUSUAL, description="The candidate", properties={"p": "q"})


def test_a_failed_deployment_says_why() -> None:
    failed = replace(STORED, state=ProvisioningState.FAILED, state_message="no module named numpy", build=None)
    arm = deployment_to_arm(
        DEFAULT_SCOPE, failed, META, is_default=False, serving_revision=None, failed_operation="op-1"
    )
    printed = deployment_cli_from_arm(arm)
    assert printed["provisioning_log"] == operation_log("op-1")
    assert printed["provisioning_state"] == "Failed"
    assert printed["provisioning_error"] == "no module named numpy"
    assert (printed["serving_revision"], printed["environment_hash"]) == (None, None)


def test_warnings_of_the_environment_are_carried_and_shown() -> None:
    warned = replace(STORED, build=EnvironmentBuild("ab" * 32, "3.11.7", warnings=("Image not run.",)))
    arm = deployment_to_arm(DEFAULT_SCOPE, warned, META, is_default=False, serving_revision=4)
    assert deployment_cli_from_arm(arm)["environment_warnings"] == ["Image not run."]
    deployment_from_yaml(deployment_cli_from_arm(arm))


def test_show_has_the_facts_of_a_table_as_top_level_scalars() -> None:
    arm = deployment_to_arm(DEFAULT_SCOPE, STORED, META, is_default=True, serving_revision=4)
    printed = deployment_cli_from_arm(arm)
    assert list(printed) == sorted(printed)
    wanted = {
        "name": "dpl",
        "endpoint_name": "digits",
        "model": "azureml:digits:2",
        "environment": "azureml:env:1",
        "environment_hash": "ab" * 32,
        "compute": "azureml:cpu-cluster",
        "is_default": True,
        "provisioning_state": "Succeeded",
        "revision": 4,
    }
    assert {key: printed[key] for key in wanted} == wanted
    settings = printed["settings"]
    assert isinstance(settings, dict)
    assert settings["retry_settings"] == {"max_retries": 0, "timeout": 0.5}
    assert settings["output_action"] == "summary_only"


def test_what_show_prints_can_be_created_from() -> None:
    arm = deployment_to_arm(DEFAULT_SCOPE, STORED, META, is_default=True, serving_revision=4)
    written = deployment_from_yaml(deployment_cli_from_arm(arm))
    assert written.settings == UNUSUAL
    assert written.model == Reference("models", "digits", "2")
    assert written.code_path == Reference("codes", "guid", "1")
    assert all(note.startswith("Read-only keys") for note in written.notes)


def test_set_patches_a_stored_deployment_and_keeps_the_rest() -> None:
    arm = deployment_to_arm(DEFAULT_SCOPE, STORED, META, is_default=True, serving_revision=4)
    document = apply_set(
        deployment_yaml_from_arm(arm),
        ["settings.mini_batch_size=50", "resources.instance_count=1", "model=azureml:digits@latest", "tags.x=y"],
    )
    written = deployment_from_yaml(document)
    assert written.settings == replace(UNUSUAL, mini_batch_size=50, instance_count=1)
    assert written.model == Reference("models", "digits", None, "latest")
    assert written.tags == {"stage": "dev", "x": "y"}
    assert written.description == "The candidate"
    assert written.notes == ()


def test_an_unchanged_patch_asks_for_the_same_again() -> None:
    arm = deployment_to_arm(DEFAULT_SCOPE, STORED, META, is_default=True, serving_revision=4)
    written = deployment_from_yaml(deployment_yaml_from_arm(arm))
    asked = deployment_from_arm("digits", "dpl", arm)
    assert (written.model, written.code_path) == (_bare(asked.model), _bare(asked.code))
    assert written.environment == _bare(asked.environment)
    assert written.settings == asked.settings


def test_the_sdks_body_of_a_pipeline_deployment_is_read_without_the_settings_of_a_model() -> None:
    draft = deployment_from_arm("digits", "dpl", SDK_PIPELINE_BODY)

    assert (draft.kind, draft.component) == (
        DeploymentKind.PIPELINE,
        Reference("components", "c", "1", scope=DEFAULT_SCOPE),
    )
    assert draft.pipeline == PipelineSettings(default_compute="batch-cluster")
    assert deployment_to_arm_body(DEFAULT_SCOPE, draft)["properties"]["deploymentConfiguration"]["settings"] == {
        "default_compute": "batch-cluster",
        "continue_on_step_failure": False,
        "force_rerun": False,
    }


def test_all_mistakes_of_a_body_are_told_in_the_names_of_arm() -> None:
    body = {
        "properties": {
            "model": {"referenceType": "DataPath", "path": "x"},
            "environmentId": f"{WS}/models/m/versions/1",
            "codeConfiguration": {"codeId": f"{WS}/codes/c/versions/1", "scoringScript": "../x.py"},
            "resources": {"instanceCount": 0},
            "miniBatchSize": 0,
            "maxConcurrencyPerInstance": "many",
            "outputAction": "Append",
            "outputFileName": "a/b",
            "errorThreshold": -2,
            "retrySettings": {"maxRetries": -1, "timeout": "30 s"},
            "environmentVariables": {"A=B": "1"},
        }
    }
    with pytest.raises(InvalidInput) as caught:
        deployment_from_arm("digits", "-", body)
    assert _fields(caught) == {
        "name",
        "properties.compute",
        "properties.model.referenceType",
        "properties.environmentId",
        "properties.codeConfiguration.scoringScript",
        "properties.resources.instanceCount",
        "properties.miniBatchSize",
        "properties.maxConcurrencyPerInstance",
        "properties.outputAction",
        "properties.outputFileName",
        "properties.errorThreshold",
        "properties.retrySettings.maxRetries",
        "properties.retrySettings.timeout",
        "properties.environmentVariables",
    }
    assert len(caught.value.mistakes) == 14


def test_an_empty_body_misses_model_and_compute() -> None:
    with pytest.raises(InvalidInput) as caught:
        deployment_from_arm("digits", "dpl", {})
    assert _fields(caught) == {"properties.model", "properties.compute"}
