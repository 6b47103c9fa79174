"""A script that writes its own files, Parquet here: the deployment collects no rows, and publishes what was written."""

import json
from pathlib import Path

import pandas as pd
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

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")

Path("code").mkdir()
Path("code/batch_driver.py").write_text("""
import os
from pathlib import Path
import pandas as pd

def init():
    global factor, output_path
    model_path = os.environ["AZUREML_MODEL_DIR"]
    factor = int(os.environ["FACTOR"]) * float((Path(model_path) / "model" / "factor.txt").read_text())
    output_path = os.environ["AZUREML_BI_OUTPUT_PATH"]

def run(mini_batch):
    for file_path in mini_batch:
        data = pd.read_csv(file_path)
        data["prediction"] = data["age"] * factor
        data.to_parquet(Path(output_path) / (Path(file_path).stem + ".parquet"))
    return mini_batch
""")
# What it writes is read by the next step: a second script, with the output of the first as its input.
Path("code/read_driver.py").write_text("""
import pandas as pd

def run(mini_batch):
    tables = [pd.read_parquet(path) for path in mini_batch if path.endswith(".parquet")]
    return [prediction for table in tables for prediction in table["prediction"]]
""")
Path("model").mkdir()
Path("model/factor.txt").write_text("0.5")
Path("data").mkdir()
for k in range(3):
    pd.DataFrame({"age": [40 + k, 50 + k]}).to_csv(f"data/heart-{k}.csv", index=False)

compute_name = "outputs-cluster"
ml_client.compute.begin_create_or_update(AmlCompute(name=compute_name, max_instances=2)).result()
endpoint_name = "heart-outputs"
ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=endpoint_name)).result()
environment = Environment(
    name="batch-parquet",
    conda_file=str(Path(__file__).parent / "heart_model" / "conda.yaml"),
    image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest",
)
model = ml_client.models.create_or_update(Model(name="heart-factor", path="model", type=AssetTypes.CUSTOM_MODEL))


def deploy(name: str, script: str, output_action: str) -> None:
    deployment = ModelBatchDeployment(
        name=name,
        endpoint_name=endpoint_name,
        model=model,
        environment=environment,
        code_configuration=CodeConfiguration(code="code/", scoring_script=script),
        compute=compute_name,
        settings=ModelBatchDeploymentSettings(
            instance_count=1,
            max_concurrency_per_instance=1,
            mini_batch_size=2,
            output_action=output_action,
            retry_settings=BatchRetrySettings(max_retries=3, timeout=300),
            logging_level="info",
            environment_variables={"FACTOR": "2"},
        ),
    )
    ml_client.batch_deployments.begin_create_or_update(deployment).result()
    endpoint = ml_client.batch_endpoints.get(endpoint_name)
    endpoint.defaults.deployment_name = name
    ml_client.batch_endpoints.begin_create_or_update(endpoint).result()


def score(path: str) -> str:
    job = ml_client.batch_endpoints.invoke(
        endpoint_name=endpoint_name, input=Input(type=AssetTypes.URI_FOLDER, path=path)
    )
    ml_client.jobs.stream(name=job.name)
    ml_client.jobs.download(name=job.name, download_path=job.name, output_name="score")
    return job.name


deploy("classifier-parquet", "batch_driver.py", BatchDeploymentOutputAction.SUMMARY_ONLY)
written = score("data")
deploy("reader", "read_driver.py", BatchDeploymentOutputAction.APPEND_ROW)
read = score(f"azureml://datastores/workspaceblobstore/paths/azureml/{written}/score/")

print(
    json.dumps(
        {
            "status": ml_client.jobs.get(written).status,
            "files": sorted(path.name for path in Path(written).iterdir()),
            "predictions": [float(line) for line in (Path(read) / "predictions.csv").read_text().split()],
        }
    )
)
