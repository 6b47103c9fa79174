"""A model with a scoring script behind an endpoint, with nothing of ours: all of it is azure-ai-ml."""

import json
from pathlib import Path

from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes, BatchDeploymentOutputAction
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
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

for name, text in {"src/score.py": SCRIPT, "model/weight.txt": "3"}.items():
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
Path("data").mkdir()
for k in range(25):
    Path(f"data/{k:02}.txt").write_text(str(k))

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")

compute_name = "sdk-cluster"
if not any(found.name == compute_name for found in ml_client.compute.list()):
    ml_client.compute.begin_create_or_update(AmlCompute(name=compute_name, min_instances=0, max_instances=2)).result()

model = ml_client.models.create_or_update(Model(name="sdk-weights", path="model", type=AssetTypes.CUSTOM_MODEL))
endpoint_name = "sdk-scripts"
ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=endpoint_name, description="triples")).result()


def deployment(name: str, mini_batch_size: int) -> ModelBatchDeployment:
    return ModelBatchDeployment(
        name=name,
        endpoint_name=endpoint_name,
        model=model,
        environment=Environment(
            name="sdk-plain", image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", conda_file="conda.yml"
        ),
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        compute=compute_name,
        settings=ModelBatchDeploymentSettings(
            max_concurrency_per_instance=2,
            mini_batch_size=mini_batch_size,
            instance_count=1,
            output_action=BatchDeploymentOutputAction.APPEND_ROW,
            output_file_name="predictions.csv",
            retry_settings=BatchRetrySettings(max_retries=3, timeout=30),
            logging_level="info",
        ),
    )


Path("conda.yml").write_text("name: plain\ndependencies:\n  - python=3.11\n  - pip\n")
for name, size in {"ten": 10, "five": 5}.items():
    ml_client.batch_deployments.begin_create_or_update(deployment(name, size)).result()

endpoint = ml_client.batch_endpoints.get(endpoint_name)
endpoint.defaults.deployment_name = "ten"
ml_client.batch_endpoints.begin_create_or_update(endpoint).result()

job = ml_client.batch_endpoints.invoke(
    endpoint_name=endpoint_name, inputs={"heart": Input(path="data", type=AssetTypes.URI_FOLDER)}
)
ml_client.jobs.stream(name=job.name)
scoring_job = next(iter(ml_client.jobs.list(parent_job_name=job.name)))
ml_client.jobs.download(name=scoring_job.name, download_path="child", output_name="score")
ml_client.jobs.download(name=job.name, download_path="parent", output_name="score")

endpoint = ml_client.batch_endpoints.get(endpoint_name)
endpoint.defaults.deployment_name = "five"
ml_client.batch_endpoints.begin_create_or_update(endpoint).result()
switched = ml_client.batch_endpoints.invoke(
    endpoint_name=endpoint_name,
    input=Input(path="data", type=AssetTypes.URI_FOLDER),
    params_override=[{"mini_batch_size": "7"}, {"retry_settings.max_retries": "1"}, {"compute.instance_count": "1"}],
)
ml_client.jobs.stream(name=switched.name)

found = {
    "status": ml_client.jobs.get(job.name).status,
    "child_took_s": (scoring_job.creation_context.last_modified_at - scoring_job.creation_context.created_at).seconds,
    "child": sorted(Path("child/named-outputs/score/predictions.csv").read_text().split("\n")),
    "parent": sorted(Path("parent/predictions.csv").read_text().split("\n")),
    "default": ml_client.batch_endpoints.get(endpoint_name).defaults.deployment_name,
    "switched": switched.name,
    "jobs": sorted(listed.name for listed in ml_client.batch_endpoints.list_jobs(endpoint_name)),
    "first": job.name,
}
print(json.dumps(found))
