"""Batch endpoints and their deployments."""

from pathlib import Path

from azure.ai.ml import load_batch_deployment, load_batch_endpoint, load_component
from azure.ai.ml.constants import BatchDeploymentOutputAction
from azure.ai.ml.entities import (
    BatchDeployment,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
)
from on_assets import is_missing
from table import ml, operation

ENDPOINT = "ops-endpoint"
SCRIPT = """
import os
from pathlib import Path

def init():
    global WEIGHT
    WEIGHT = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weight.txt")).read_text())

def run(mini_batch):
    if os.environ.get("SLOW"):
        import time
        time.sleep(60)
    return [f"{Path(path).name} {int(Path(path).read_text()) * WEIGHT}" for path in mini_batch]
"""
CLASSIC = f"""
name: classic
endpoint_name: {ENDPOINT}
model: azureml:ops-net@latest
code_configuration: {{code: src, scoring_script: score.py}}
environment: azureml:ops-env@latest
compute: azureml:ops-cpu
mini_batch_size: 2
output_action: append_row
error_threshold: 5
retry_settings: {{max_retries: 1, timeout: 30}}
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
name: ops_pipeline
type: pipeline
inputs: {data: {type: uri_folder}, top: {type: integer, default: 3, max: 9}}
outputs: {best: {type: uri_folder}}
jobs:
  pick:
    type: command
    command: head -n ${{inputs.top}} ${{inputs.data}}/* > ${{outputs.best}}/best.txt
    environment: azureml:ops-env:1
    inputs: {data: "${{parent.inputs.data}}", top: "${{parent.inputs.top}}"}
    outputs: {best: "${{parent.outputs.best}}"}
"""

Path("src").mkdir()
Path("deployed-pipeline.yml").write_text(PIPELINE)
Path("src/score.py").write_text(SCRIPT)
Path("endpoint.yml").write_text(f"name: {ENDPOINT}\ndescription: from a file\nauth_mode: aad_token\n")
Path("classic.yml").write_text(CLASSIC)


def deployment(name: str, **variables: str) -> ModelBatchDeployment:
    return ModelBatchDeployment(
        name=name,
        endpoint_name=ENDPOINT,
        model="azureml:ops-net:1",
        environment="azureml:ops-env:1",
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        compute="ops-cpu",
        settings=ModelBatchDeploymentSettings(
            instance_count=1,
            max_concurrency_per_instance=2,
            mini_batch_size=2,
            output_action=BatchDeploymentOutputAction.APPEND_ROW,
            output_file_name="predictions.csv",
            retry_settings=BatchRetrySettings(max_retries=0, timeout=300),
            logging_level="info",
            environment_variables=variables,
        ),
    )


@operation("batch_endpoints.begin_create_or_update")
def create_endpoint() -> None:
    made = ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=ENDPOINT, tags={"a": "b"})).result()
    assert (made.name, made.tags, made.provisioning_state) == (ENDPOINT, {"a": "b"}, "Succeeded")
    assert made.scoring_uri.startswith("https://")


@operation("batch_endpoints.begin_create_or_update, YAML")
def update_endpoint() -> None:
    ml.batch_endpoints.begin_create_or_update(load_batch_endpoint("endpoint.yml")).result()
    assert ml.batch_endpoints.get(ENDPOINT).description == "from a file"


@operation("batch_endpoints.get")
def get_endpoint() -> None:
    found = ml.batch_endpoints.get(ENDPOINT)
    assert (found.auth_mode.lower(), found.defaults.deployment_name) == ("aad_token", None)
    assert is_missing(lambda: ml.batch_endpoints.get("ops-nothing"))


@operation("batch_endpoints.list")
def list_endpoints() -> None:
    assert ENDPOINT in {found.name for found in ml.batch_endpoints.list()}


@operation("batch_deployments.begin_create_or_update, model")
def create_deployment() -> None:
    ml.batch_deployments.begin_create_or_update(deployment("blue")).result()
    assert ml.batch_deployments.get("blue", ENDPOINT).provisioning_state == "Succeeded"


@operation("batch_deployments.begin_create_or_update, classic YAML, labels")
def create_classic_deployment() -> None:
    written = load_batch_deployment("classic.yml")
    assert isinstance(written, BatchDeployment)
    ml.batch_deployments.begin_create_or_update(written).result()
    found = ml.batch_deployments.get("classic", ENDPOINT)
    assert (found.mini_batch_size, found.error_threshold, found.retry_settings.timeout) == (2, 5, 30)


@operation("batch_deployments.begin_create_or_update, change of a fetched one")
def change_deployment() -> None:
    fetched = ml.batch_deployments.get("classic", ENDPOINT)
    fetched.mini_batch_size, fetched.description = 3, "changed"
    ml.batch_deployments.begin_create_or_update(fetched).result()
    found = ml.batch_deployments.get("classic", ENDPOINT)
    assert (found.mini_batch_size, found.description) == (3, "changed")
    assert found.code_configuration.scoring_script == "score.py"


@operation("codes, the same folder is uploaded once")
def same_code() -> None:
    ids = {ml.batch_deployments.get(name, ENDPOINT).code_configuration.code for name in ("blue", "classic")}
    assert len(ids) == 1, ids


@operation("batch_deployments.begin_create_or_update (pipeline component)")
def create_pipeline_deployment() -> None:
    component = ml.components.create_or_update(load_component("deployed-pipeline.yml"))
    settings = {"default_compute": "ops-cpu", "continue_on_step_failure": False}
    wanted = PipelineComponentBatchDeployment(
        name="steps", endpoint_name=ENDPOINT, component=component, settings=settings
    )
    ml.batch_deployments.begin_create_or_update(wanted).result()
    found = ml.batch_deployments.get("steps", ENDPOINT)
    assert (found.provisioning_state, found.properties["default_compute"]) == ("Succeeded", "ops-cpu")
    ml.batch_deployments.begin_delete("steps", ENDPOINT).result()


@operation("batch_deployments.get")
def get_deployment() -> None:
    found = ml.batch_deployments.get("blue", ENDPOINT)
    assert (found.model.endswith("ops-net/versions/1"), found.output_file_name) == (True, "predictions.csv")
    assert is_missing(lambda: ml.batch_deployments.get("green", ENDPOINT))


@operation("batch_deployments.list")
def list_deployments() -> None:
    assert [found.name for found in ml.batch_deployments.list(ENDPOINT)] == ["blue", "classic"]


@operation("batch_endpoints.begin_create_or_update, default")
def set_default() -> None:
    fetched = ml.batch_endpoints.get(ENDPOINT)
    fetched.defaults.deployment_name = "blue"
    ml.batch_endpoints.begin_create_or_update(fetched).result()
    assert ml.batch_endpoints.get(ENDPOINT).defaults.deployment_name == "blue"
