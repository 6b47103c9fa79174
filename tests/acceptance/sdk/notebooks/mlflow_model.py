"""An MLflow model behind an endpoint: no scoring script and no environment are given, the model says what it needs."""

import json
import shutil
from pathlib import Path

import pandas as pd
from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes, BatchDeploymentOutputAction
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    BatchRetrySettings,
    Data,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)
from azure.identity import DefaultAzureCredential

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")

# Register the model: a folder as mlflow.sklearn.save_model left it.
shutil.copytree(Path(__file__).parent / "heart_model", "model")
model = ml_client.models.create_or_update(
    Model(name="heart-classifier-mlflow", path="model", type=AssetTypes.MLFLOW_MODEL)
)

# Create the endpoint and the compute.
endpoint_name = "heart-classifier"
ml_client.batch_endpoints.begin_create_or_update(
    BatchEndpoint(name=endpoint_name, description="A heart condition classifier for batch inference")
).result()
compute_name = "batch-cluster"
if not any(filter(lambda m: m.name == compute_name, ml_client.compute.list())):
    ml_client.begin_create_or_update(AmlCompute(name=compute_name, min_instances=0, max_instances=5)).result()

# Create the deployment: neither code nor environment.
deployment = ModelBatchDeployment(
    name="classifier-mlflow",
    description="A heart condition classifier based on logistic regression",
    endpoint_name=endpoint_name,
    model=model,
    compute=compute_name,
    settings=ModelBatchDeploymentSettings(
        instance_count=1,
        max_concurrency_per_instance=1,
        mini_batch_size=2,
        output_action=BatchDeploymentOutputAction.APPEND_ROW,
        output_file_name="predictions.csv",
        retry_settings=BatchRetrySettings(max_retries=0, timeout=300),
        logging_level="info",
    ),
)
ml_client.batch_deployments.begin_create_or_update(deployment).result()
endpoint = ml_client.batch_endpoints.get(endpoint_name)
endpoint.defaults.deployment_name = deployment.name
ml_client.batch_endpoints.begin_create_or_update(endpoint).result()

# Data: three files of two rows, one of them parquet, and one of a kind that is not read.
patients = pd.DataFrame({"age": [40, 75], "chol": [200, 300], "thalach": [150, 150]})
Path("data").mkdir()
patients.to_csv("data/heart-0.csv", index=False)
patients[::-1].to_csv("data/heart-1.csv", index=False)
patients.to_json("data/heart-2.jsonl", orient="records", lines=True)
Path("data/notes.docx").write_text("not read")
heart_dataset_unlabeled = ml_client.data.create_or_update(
    Data(path="data", type=AssetTypes.URI_FOLDER, description="An unlabeled dataset", name="heart-dataset-unlabeled")
)
heart_dataset_unlabeled = ml_client.data.get(name="heart-dataset-unlabeled", label="latest")

job = ml_client.batch_endpoints.invoke(
    endpoint_name=endpoint_name,
    inputs={"heart_dataset": Input(type=AssetTypes.URI_FOLDER, path=heart_dataset_unlabeled.id)},
)
ml_client.jobs.stream(name=job.name)
scoring_job = next(iter(ml_client.jobs.list(parent_job_name=job.name)))
ml_client.jobs.download(name=scoring_job.name, download_path=".", output_name="score")
score = pd.read_csv("named-outputs/score/predictions.csv", index_col=0, names=["row", "prediction", "file"])

shown = ml_client.batch_deployments.get(name=deployment.name, endpoint_name=endpoint_name)
print(
    json.dumps(
        {
            "job": job.name,
            "status": ml_client.jobs.get(job.name).status,
            "score": sorted(zip(score["file"], score.index.tolist(), score["prediction"].tolist(), strict=True)),
            "script": shown.code_configuration.scoring_script,
            "environment": ml_client.environments.get(
                *shown.environment.split("/environments/")[1].split("/versions/")
            ).conda_file["name"],
        }
    )
)
