"""Deployment YAML, in the new form and in the legacy one."""

from __future__ import annotations

import pytest

from batchyard.domain.assets import ModelType
from batchyard.domain.deployments import (
    DeploymentKind,
    ExecutionSettings,
    LoggingLevel,
    OutputAction,
    RetrySettings,
    SameName,
)
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference
from batchyard.wire.deployments import (
    DeploymentYaml,
    deployment_from_arm,
    deployment_from_yaml,
    deployment_to_arm_body,
    draft_of,
    read_deployment_yaml,
)
from batchyard.wire.documents import load_yaml
from batchyard.wire.environments import EnvironmentYaml
from batchyard.wire.models import ModelYaml

NEW = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: digits-torch
endpoint_name: digits
type: model
description: Torch
model: azureml:digits@latest
environment: azureml:digits-env:3
code_configuration:
  code: code
  scoring_script: batch_driver.py
compute: azureml:batch-cluster
resources:
  instance_count: 2
settings:
  max_concurrency_per_instance: 4
  mini_batch_size: 20
  output_action: append_row
  output_file_name: scores.csv
  retry_settings:
    max_retries: 0
    timeout: 300
  error_threshold: 7
  logging_level: DEBUG
  same_name: concatenate
  isolate_failing_items: false
  environment_variables:
    API_VERSION: 2023-03-15-preview
    LEVEL: 1.10
tags:
  team: vision
"""
SETTINGS = ExecutionSettings(
    mini_batch_size=20,
    max_concurrency_per_instance=4,
    instance_count=2,
    retry=RetrySettings(0, 300.0),
    error_threshold=7,
    output_file_name="scores.csv",
    logging_level=LoggingLevel.DEBUG,
    same_name=SameName.CONCATENATE,
    isolate_failing_items=False,
    environment_variables={"API_VERSION": "2023-03-15-preview", "LEVEL": "1.10"},
)
LEGACY = """
name: digits-torch
endpoint_name: digits
model:
  path: ./model
code_configuration: {code: ./code, scoring_script: src/driver.py}
environment:
  conda_file: ./environment/conda.yml
  image: mcr.example/base:latest
compute: batch-cluster
resources: {instance_count: 3}
mini_batch_size: 5
output_action: SummaryOnly
retry_settings: {max_retries: 1, timeout: 60}
error_threshold: 0
logging_level: info
environment_variables: {A: b}
"""
SMALL = {"name": "dpl", "endpoint_name": "digits", "model": "azureml:m:1", "compute": "cpu-cluster"}
SCRIPTED = {
    **SMALL,
    "code_configuration": {"code": "code", "scoring_script": "score.py"},
    "environment": "azureml:digits-env:3",
}


def _mistakes(document: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        deployment_from_yaml(document)
    told = {mistake.field: str(mistake) for mistake in caught.value.mistakes}
    assert len(told) == len(caught.value.mistakes)
    return told


def test_the_new_form_is_read_with_every_setting() -> None:
    assert deployment_from_yaml(load_yaml(NEW, subject="x")) == DeploymentYaml(
        name="digits-torch",
        endpoint="digits",
        kind=DeploymentKind.MODEL,
        compute="batch-cluster",
        model=Reference("models", "digits", None, "latest"),
        environment=Reference("environments", "digits-env", "3"),
        code_path="code",
        scoring_script="batch_driver.py",
        settings=SETTINGS,
        description="Torch",
        tags={"team": "vision"},
    )


def test_the_legacy_form_has_its_settings_at_the_root() -> None:
    written = deployment_from_yaml(load_yaml(LEGACY, subject="x"))
    assert written.settings == ExecutionSettings(
        mini_batch_size=5,
        instance_count=3,
        output_action=OutputAction.SUMMARY_ONLY,
        retry=RetrySettings(1, 60.0),
        error_threshold=0,
        environment_variables={"A": "b"},
    )
    assert written.model == ModelYaml("", None, ModelType.CUSTOM, "./model")
    assert written.environment == EnvironmentYaml(
        "", None, "mcr.example/base:latest", conda_file_path="./environment/conda.yml"
    )


def test_yaml_goes_to_arm_and_back_unchanged() -> None:
    written = deployment_from_yaml(load_yaml(NEW, subject="x"))
    draft = draft_of(
        written,
        model=Reference("models", "digits", None, "latest", DEFAULT_SCOPE),
        code=Reference("codes", "c", "1", None, DEFAULT_SCOPE),
        environment=Reference("environments", "digits-env", "3", None, DEFAULT_SCOPE),
    )
    assert draft.settings == SETTINGS
    assert deployment_from_arm("digits", "digits-torch", deployment_to_arm_body(DEFAULT_SCOPE, draft)) == draft


@pytest.mark.parametrize("path", ["./model", "model", "/models/x", "azureml://datastores/d/paths/p", "file:m"])
def test_a_bare_path_is_an_inline_model(path: str) -> None:
    assert deployment_from_yaml({**SCRIPTED, "model": path}).model == ModelYaml("", None, ModelType.CUSTOM, path)


def test_an_inline_model_may_have_name_version_and_type() -> None:
    model = {"name": "digits", "version": 2, "path": "m", "type": "mlflow_model"}
    assert deployment_from_yaml({**SMALL, "model": model}).model == ModelYaml("digits", "2", ModelType.MLFLOW, "m")


def test_an_environment_may_be_a_file() -> None:
    assert deployment_from_yaml({**SMALL, "environment": "./env.yml"}).environment == "./env.yml"


def test_an_inline_conda_file_is_kept_as_text() -> None:
    inline = {"name": "e", "conda_file": {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}}
    environment = deployment_from_yaml({**SMALL, "environment": inline}).environment
    assert isinstance(environment, EnvironmentYaml)
    assert environment.conda_file_text == "dependencies:\n- python=3.11\n- pip:\n  - numpy\n"


def test_registered_code_is_a_reference() -> None:
    code = {"code": "azureml:c:1", "scoring_script": "s.py"}
    written = deployment_from_yaml({**SMALL, "code_configuration": code, "environment": "azureml:e:1"})
    assert written.code_path == Reference("codes", "c", "1")


def test_the_defaults_are_those_of_azure() -> None:
    settings = deployment_from_yaml(SMALL).settings
    assert settings == ExecutionSettings()
    assert (settings.mini_batch_size, settings.retry, settings.error_threshold) == (10, RetrySettings(3, 30.0), -1)


def test_instance_count_in_settings_is_an_alias() -> None:
    assert deployment_from_yaml({**SMALL, "settings": {"instance_count": "3"}}).settings.instance_count == 3


def test_instance_count_given_twice_is_refused_in_azures_words() -> None:
    told = _mistakes({**SMALL, "resources": {"instance_count": 1}, "settings": {"instance_count": 3}})
    assert told.keys() == {"settings.instance_count"}
    assert "Can't set instance_count when resources is provided." in told["settings.instance_count"]


def test_a_pipeline_in_the_place_of_a_model_is_refused_with_one_clear_mistake() -> None:
    told = _mistakes({"type": "pipeline", "component": "azureml:c:1", "settings": {"default_compute": "x"}})
    assert told.keys() == {"type"}
    assert "behind an endpoint" in told["type"]


def test_all_mistakes_of_the_new_form_are_told_where_they_were_written() -> None:
    told = _mistakes(
        {
            "name": "x",
            "type": "model",
            "model": {"pth": "x", "type": "onnx"},
            "environment": {"image": "i", "conda_files": "c"},
            "code_configuration": {"scoring_script": "/abs.py"},
            "compute": "azureml:a:b",
            "resources": {"instance_count": 0, "instance_typ": "x"},
            "settings": {
                "mini_batch_size": 0,
                "mini_batch_sise": 1,
                "error_threshold": "many",
                "output_action": "append",
                "logging_level": "error",
                "retry_settings": {"max_retries": -1, "timeout": 0},
                "output_file_name": "a b/c",
            },
            "mini_batch_size": 5,
            "tags": "x",
        }
    )
    assert told.keys() == {
        "name",
        "endpoint_name",
        "model.pth",
        "model.type",
        "model.path",
        "environment.conda_files",
        "code_configuration.code",
        "code_configuration.scoring_script",
        "compute",
        "resources.instance_count",
        "resources.instance_typ",
        "settings.mini_batch_size",
        "settings.mini_batch_sise",
        "settings.error_threshold",
        "settings.output_action",
        "settings.logging_level",
        "settings.retry_settings.max_retries",
        "settings.retry_settings.timeout",
        "settings.output_file_name",
        "mini_batch_size",
        "tags",
    }
    assert "Did you mean 'mini_batch_size'?" in told["settings.mini_batch_sise"]
    assert "Write it under settings: settings.mini_batch_size." in told["mini_batch_size"]
    assert "warning or info or debug" in told["settings.logging_level"]


def test_mistakes_of_the_legacy_form_are_told_at_the_root() -> None:
    told = _mistakes(
        {**SMALL, "mini_batch_size": -1, "mini_batch_sze": 2, "retry_settings": {"timeout": "soon", "retries": 1}}
    )
    assert told.keys() == {"mini_batch_size", "mini_batch_sze", "retry_settings.timeout", "retry_settings.retries"}
    assert "'mini_batch_size'" in told["mini_batch_sze"]


def test_what_must_be_given_is_told_with_what_to_give() -> None:
    told = _mistakes({})
    assert told.keys() == {"name", "endpoint_name", "model", "compute"}


def test_a_script_needs_its_folder_and_an_environment() -> None:
    told = _mistakes({**SMALL, "code_configuration": {"scoring_script": "s.py"}})
    assert told.keys() == {"code_configuration.code", "environment"}
    told = _mistakes({**SMALL, "code_configuration": {"code": "."}, "environment": "azureml:e:1"})
    assert told.keys() == {"code_configuration.scoring_script"}


@pytest.mark.parametrize("value", [5, ["a"], "", "azureml:m", "azureml://registries/r/models/m/versions/1"])
def test_a_model_that_cannot_be_followed_is_one_mistake(value: object) -> None:
    assert _mistakes({**SMALL, "model": value}).keys() == {"model"}


@pytest.mark.parametrize("value", [5, ["a"], "", "azureml:e", "azureml://registries/r/environments/e/versions/1"])
def test_an_environment_that_cannot_be_followed_is_one_mistake(value: object) -> None:
    code = {"code": "c", "scoring_script": "s.py"}
    assert _mistakes({**SMALL, "code_configuration": code, "environment": value}).keys() == {"environment"}


def test_an_inline_model_needs_a_script_and_an_environment_before_it_is_uploaded() -> None:
    assert _mistakes({**SMALL, "model": "./m"}).keys() == {"code_configuration", "environment"}
    assert _mistakes({**SCRIPTED, "model": "./m", "environment": None}).keys() == {"environment"}


def test_what_a_registered_or_mlflow_model_needs_is_left_to_the_server() -> None:
    for model in ("azureml:m:1", {"path": "m", "type": "mlflow_model"}):
        assert deployment_from_yaml({**SMALL, "model": model}).environment is None


def test_keys_without_effect_are_accepted_and_noted() -> None:
    written = deployment_from_yaml(
        {
            **SCRIPTED,
            "id": "x",
            "resources": {"instance_type": "gpu", "shm_size": "2g"},
            "model": {"path": "m", "stage": "Production"},
            "environment": {"image": "i", "inference_config": {}},
        }
    )
    assert written.notes == (
        "Read-only keys are left out: id.",
        "`resources.instance_type` is accepted but has no effect here.",
        "`resources.shm_size` is accepted but has no effect here.",
        "`model.stage` is accepted but has no effect here.",
        "`environment.inference_config` is accepted but has no effect here.",
    )


def test_reading_gives_what_it_can_beside_the_mistakes() -> None:
    written, mistakes = read_deployment_yaml({**SMALL, "compute": "a:b", "code_configuration": {"code": "c"}})
    assert {mistake.field for mistake in mistakes} == {
        "compute",
        "code_configuration.scoring_script",
        "environment",
    }
    assert (written.name, written.code_path, written.model) == ("dpl", "c", Reference("models", "m", "1"))
