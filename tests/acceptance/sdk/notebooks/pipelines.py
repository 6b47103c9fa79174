"""A pipeline of components: run as a job, deployed from the job and by itself, invoked with values by name."""

import json
import time
from pathlib import Path

from azure.ai.ml import Input, MLClient, Output, load_component, load_job
from azure.ai.ml.entities import AmlCompute, BatchEndpoint, PipelineComponentBatchDeployment
from azure.identity import DefaultAzureCredential

ml_client = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000000", "local", "default")
Path("data").mkdir()
for k in range(3):
    Path(f"data/{k}.txt").write_text(str(k))
Path("count.yml").write_text("""
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: count_files
version: "1"
type: command
inputs:
  data: {type: uri_folder}
  limit: {type: number, default: 5}
  title: {type: string}
outputs:
  counts: {type: uri_folder}
command: echo "$(ls ${{inputs.data}} | wc -l) of" ${{inputs.limit}} ${{inputs.title}} > ${{outputs.counts}}/count.txt
environment:
  image: any
  conda_file: {dependencies: [python]}
""")
STEP = """
    inputs: {data: "${{parent.inputs.data}}", limit: "${{parent.inputs.limit}}", title: "${{parent.inputs.title}}"}
    outputs: {counts: "${{parent.outputs.counts}}"}
"""
Path("job.yml").write_text(f"""
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
experiment_name: counting
inputs:
  data: {{type: uri_folder, path: ./data}}
  limit: 7
  title: of a job
outputs:
  counts: {{type: uri_folder}}
settings: {{default_compute: azureml:count-cluster}}
jobs:
  count:
    type: command
    component: ./count.yml{STEP}""")
Path("pipeline.yml").write_text(f"""
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
name: count_once
version: "1"
type: pipeline
inputs:
  data: {{type: uri_folder}}
  limit: {{type: number, default: 5}}
  title: {{type: string}}
outputs:
  counts: {{type: uri_folder}}
jobs:
  count:
    type: command
    component: ./count.yml{STEP}""")


def finished(name: str) -> str:
    deadline = time.monotonic() + 120
    while (status := ml_client.jobs.get(name).status) not in ("Completed", "Failed", "Canceled"):
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    return status


ml_client.compute.begin_create_or_update(AmlCompute(name="count-cluster", max_instances=2)).result()
ml_client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="counting-sdk")).result()
job = ml_client.jobs.create_or_update(load_job("job.yml"))
found = {"job": job.name, "job_status": finished(job.name)}

component = ml_client.components.create_or_update(load_component("pipeline.yml"))
for name, what in (("of-component", {"component": component.id}), ("of-job", {"job_definition": job.name})):
    deployment = PipelineComponentBatchDeployment(
        name=name, endpoint_name="counting-sdk", settings={"default_compute": "count-cluster"}, **what
    )
    ml_client.batch_deployments.begin_create_or_update(deployment).result()

data = Input(type="uri_folder", path="data")
title = Input(type="string", default="by the SDK")
output = "azureml://datastores/workspaceblobstore/paths/counted-by-the-sdk"
invoked = ml_client.batch_endpoints.invoke(
    endpoint_name="counting-sdk",
    deployment_name="of-component",
    inputs={"data": data, "title": title, "limit": Input(type="number", default=2.5)},
    outputs={"counts": Output(type="uri_folder", path=output)},
)
again = ml_client.batch_endpoints.invoke(
    endpoint_name="counting-sdk",
    deployment_name="of-job",
    inputs={"data": data, "title": title, "limit": Input(type="integer", default=1)},
)
found |= {"invoked": invoked.name, "invoked_status": finished(invoked.name), "again": again.name}
found["again_status"] = finished(again.name)

steps = list(ml_client.jobs.list(parent_job_name=invoked.name))
found["steps"] = [[step.display_name, step.status] for step in steps]
ml_client.jobs.download(invoked.name, download_path="of-pipeline", output_name="counts")
ml_client.jobs.download(steps[0].name, download_path="of-step", output_name="counts")
ml_client.jobs.stream(invoked.name)
found["downloaded"] = {
    str(path): path.read_text().strip() for top in ("of-pipeline", "of-step") for path in Path(top).rglob("count.txt")
}
print(json.dumps(found))
