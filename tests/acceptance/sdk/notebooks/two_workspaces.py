"""Two `MLClient`s, two workspaces, the same names in both."""

import json
from pathlib import Path

from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    CodeConfiguration,
    Data,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

SCRIPT = """
import os
from pathlib import Path

def init():
    global WEIGHT
    WEIGHT = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weight.txt")).read_text())

def run(mini_batch):
    return [f"{Path(path).name} {int(Path(path).read_text()) * WEIGHT}" for path in mini_batch]
"""

Path("src").mkdir()
Path("src/score.py").write_text(SCRIPT)
Path("conda.yml").write_text("name: plain\ndependencies:\n  - python=3.11\n  - pip\n")


def client(group: str, workspace: str) -> MLClient:
    return MLClient(DefaultAzureCredential(), "3f7a0f4e-1111-2222-3333-444455556666", group, workspace)


def deploy(ml_client: MLClient, weight: int) -> str:
    folder = Path(f"of-{weight}")
    (folder / "model").mkdir(parents=True)
    (folder / "model/weight.txt").write_text(str(weight))
    (folder / "data").mkdir()
    (folder / "data/one.txt").write_text("7")
    ml_client.compute.begin_create_or_update(AmlCompute(name="twin-cluster", min_instances=0, max_instances=1)).result()
    model = ml_client.models.create_or_update(
        Model(name="twin", version="1", path=str(folder / "model"), type=AssetTypes.CUSTOM_MODEL)
    )
    data = ml_client.data.create_or_update(
        Data(name="twin-data", version="1", path=str(folder / "data"), type=AssetTypes.URI_FOLDER)
    )
    ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="twins")).result()
    deployment = ModelBatchDeployment(
        name="blue",
        endpoint_name="twins",
        model=model,
        environment=Environment(name="twin-env", image="any", conda_file="conda.yml"),
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        compute="twin-cluster",
        settings=ModelBatchDeploymentSettings(mini_batch_size=10, output_file_name="predictions.csv"),
    )
    ml_client.batch_deployments.begin_create_or_update(deployment).result()
    endpoint = ml_client.batch_endpoints.get("twins")
    endpoint.defaults.deployment_name = "blue"
    ml_client.batch_endpoints.begin_create_or_update(endpoint).result()
    job = ml_client.batch_endpoints.invoke(
        endpoint_name="twins",
        input=Input(type=AssetTypes.URI_FOLDER, path=data.id),
        params_override=[{"job_name": "same-job"}],
    )
    ml_client.jobs.stream(job.name)
    ml_client.jobs.download(job.name, download_path=str(folder / "down"), output_name="score")
    return next((folder / "down").rglob("predictions.csv")).read_text().strip()


dev, prod = client("research", "twin-dev"), client("research", "twin-prod")
scored = [deploy(dev, 3), deploy(prod, 5)]

refused = ""
try:
    prod.batch_endpoints.invoke(
        endpoint_name="twins", input=Input(type=AssetTypes.URI_FOLDER, path=dev.data.get("twin-data", version="1").id)
    )
except HttpResponseError as error:
    refused = str(error)

missing = ""
try:
    client("research", "twin-none").batch_endpoints.get("twins")
except ResourceNotFoundError as error:
    missing = str(error)

told = {
    "scored": scored,
    "uris": [one.batch_endpoints.get("twins").scoring_uri for one in (dev, prod)],
    "jobs": [[job.name for job in one.batch_endpoints.list_jobs(endpoint_name="twins")] for one in (dev, prod)],
    "workspaces": sorted(one.name for one in dev.workspaces.list() if one.name.startswith("twin-")),
    "shown": dev.workspaces.get("twin-prod").display_name,
    "refused": refused,
    "missing": missing,
}
prod.batch_endpoints.begin_delete("twins").result()
prod.workspaces.begin_delete("twin-prod", delete_dependent_resources=False).result()
told["left"] = [one.name for one in dev.workspaces.list(scope="subscription") if one.name.startswith("twin-")]
print(json.dumps(told))
