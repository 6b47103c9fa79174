"""A second model behind the endpoint: tried by its name, made the default, rolled back; overrides at invoke."""

import json
from pathlib import Path

from azure.ai.ml import Input, MLClient, Output
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    CodeConfiguration,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")
endpoint_name, compute_name = "mnist-batch", "mnist-cluster"

Path("src").mkdir()
Path("src/score.py").write_text("""
import os
from pathlib import Path

def init():
    global NAME
    NAME = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("name.txt")).read_text()

def run(mini_batch):
    if any("broken" in path for path in mini_batch):
        raise ValueError("a broken file")
    return [f"{Path(path).name} {NAME} {len(mini_batch)}" for path in mini_batch]
""")
Path("data").mkdir()
for k in range(4):
    Path(f"data/{k}.txt").write_text(str(k))
Path("damaged").mkdir()
for name in ("0", "1", "broken-0", "broken-1"):
    Path(f"damaged/{name}.txt").write_text(name)

ml_client.compute.begin_create_or_update(AmlCompute(name=compute_name, max_instances=2)).result()
ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=endpoint_name)).result()


def deploy(name: str) -> None:
    Path(name).mkdir()
    Path(f"{name}/name.txt").write_text(name)
    deployment = ModelBatchDeployment(
        name=f"mnist-{name}",
        endpoint_name=endpoint_name,
        model=Model(name=f"mnist-{name}", path=name, type=AssetTypes.CUSTOM_MODEL),
        environment=Environment(name="mnist", image="any", conda_file={"dependencies": ["python=3.11", "pip"]}),
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        compute=compute_name,
        settings=ModelBatchDeploymentSettings(instance_count=1, mini_batch_size=2, error_threshold=-1),
    )
    ml_client.batch_deployments.begin_create_or_update(deployment).result()


def make_default(name: str) -> None:
    endpoint = ml_client.batch_endpoints.get(endpoint_name)
    endpoint.defaults.deployment_name = name
    ml_client.batch_endpoints.begin_create_or_update(endpoint).result()


def score(folder: str = "data", file: str = "predictions.csv", **arguments: object) -> list[str]:
    """Invoke, wait, download the score of the child, and give its rows."""
    job = ml_client.batch_endpoints.invoke(
        endpoint_name=endpoint_name, inputs={"data": Input(path=folder, type=AssetTypes.URI_FOLDER)}, **arguments
    )
    try:
        ml_client.jobs.stream(name=job.name)
    except JobException as error:
        return [type(error).__name__, ml_client.jobs.get(job.name).status]
    child = next(iter(ml_client.jobs.list(parent_job_name=job.name)))
    ml_client.jobs.download(name=child.name, download_path=job.name, output_name="score")
    return sorted((Path(job.name) / "named-outputs" / "score" / file).read_text().splitlines())


deploy("torch")
make_default("mnist-torch")
found: dict[str, object] = {"first": score()}

# Overrides are of one job, and leave the deployment as it is.
place = "azureml://datastores/workspaceblobstore/paths/mnist/today/mine.csv"
found["overridden"] = score(
    file="mine.csv",
    params_override=[{"mini_batch_size": "3"}, {"compute.instance_count": "2"}],
    outputs={"score": Output(type=AssetTypes.URI_FILE, path=place)},
)
found["tolerant"] = score("damaged", params_override=[{"retry_settings.max_retries": "0"}])
found["strict"] = score("damaged", params_override=[{"retry_settings.max_retries": "0"}, {"error_threshold": "1"}])
found["settings"] = ml_client.batch_deployments.get("mnist-torch", endpoint_name).mini_batch_size

# The new model is switched to, and back.
deploy("keras")
make_default("mnist-keras")
found["switched"] = score()
make_default("mnist-torch")
found["rolled back"] = score()
found["by name"] = score(deployment_name="mnist-keras")

# A default is not deleted by accident.
try:
    ml_client.batch_deployments.begin_delete("mnist-torch", endpoint_name).result()
except HttpResponseError as error:
    found["refused"] = error.status_code
ml_client.batch_deployments.begin_delete("mnist-keras", endpoint_name).result()
found["left"] = [left.name for left in ml_client.batch_deployments.list(endpoint_name)]
found["sticky"] = score()
ml_client.batch_endpoints.begin_delete(endpoint_name).result()
found["endpoints"] = endpoint_name in {left.name for left in ml_client.batch_endpoints.list()}
print(json.dumps(found))
