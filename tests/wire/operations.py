"""The operations of azure-ai-ml whose requests are recorded, in the order in which they are carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azure.ai.ml import Input, Output, load_component, load_job
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    AmlCompute,
    BatchEndpoint,
    CodeConfiguration,
    CronTrigger,
    Data,
    Environment,
    JobSchedule,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
)

from .recording import Recorder

_ENDPOINT = "digits"
_COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: step
version: "1"
type: command
command: echo hello
environment: azureml:env:1
"""

_PIPELINE = """
type: pipeline
experiment_name: nightly
settings:
  default_compute: azureml:cpu
jobs:
  one:
    type: command
    component: azureml:step:1
"""


def workspaces_get(ml: Any, _: Recorder) -> None:  # Any, here and below: the SDK tells no narrower type
    ml.workspaces.get(ml.workspace_name)


def datastores(ml: Any, _: Recorder) -> None:
    ml.datastores.get("workspaceblobstore")
    list(ml.datastores.list())
    ml.datastores.get_default()


def computes(ml: Any, _: Recorder) -> None:
    for name in ("cpu", "spare"):
        ml.compute.begin_create_or_update(AmlCompute(name=name, min_instances=0, max_instances=2)).result()
    ml.compute.get("cpu")
    list(ml.compute.list())
    ml.compute.begin_delete("spare").result()


def models(ml: Any, _: Recorder) -> None:
    _write("model/weight.txt", "3")
    ml.models.create_or_update(Model(name="net", path="model", type=AssetTypes.CUSTOM_MODEL))
    ml.models.get("net", version="1")
    ml.models.get("net", label="latest")
    list(ml.models.list())
    list(ml.models.list(name="net"))
    ml.models.archive("net", version="1")
    ml.models.restore("net", version="1")
    ml.models.archive("net")
    ml.models.restore("net")
    ml.models.download("net", "1", download_path="down")


def environments(ml: Any, _: Recorder) -> None:
    _write("conda.yml", "dependencies: [pip]\n")
    ml.environments.create_or_update(Environment(name="env", image="any", conda_file="conda.yml"))
    ml.environments.get("env", version="1")
    ml.environments.get("env", label="latest")
    list(ml.environments.list())


def data(ml: Any, _: Recorder) -> None:
    _write("data/a.txt", "a")
    ml.data.create_or_update(Data(name="images", version="1", path="data", type=AssetTypes.URI_FOLDER))
    ml.data.get("images", version="1")
    ml.data.get("images", label="latest")
    list(ml.data.list(name="images"))
    ml.data.archive("images", version="1")
    ml.data.restore("images", version="1")


def components(ml: Any, _: Recorder) -> None:
    _write("component.yml", _COMPONENT)
    ml.components.create_or_update(load_component("component.yml"))
    ml.components.get("step", version="1")
    ml.components.get("step")
    list(ml.components.list())


def batch_endpoints(ml: Any, _: Recorder) -> None:
    ml.batch_endpoints.begin_create_or_update(BatchEndpoint(name=_ENDPOINT, description="digits")).result()
    ml.batch_endpoints.get(_ENDPOINT)
    list(ml.batch_endpoints.list())


def batch_deployments_create(ml: Any, _: Recorder) -> None:
    _write("src/score.py", "def run(mini_batch):\n    return mini_batch\n")
    wanted = ModelBatchDeployment(
        name="blue",
        endpoint_name=_ENDPOINT,
        model="azureml:net:1",
        environment="azureml:env:1",
        code_configuration=CodeConfiguration(code="src", scoring_script="score.py"),
        compute="cpu",
        settings=ModelBatchDeploymentSettings(mini_batch_size=10, instance_count=1, max_concurrency_per_instance=2),
    )
    ml.batch_deployments.begin_create_or_update(wanted).result()


def batch_deployments_show(ml: Any, _: Recorder) -> None:
    ml.batch_deployments.get("blue", _ENDPOINT)
    list(ml.batch_deployments.list(_ENDPOINT))


def batch_endpoints_set_default(ml: Any, _: Recorder) -> None:
    endpoint = ml.batch_endpoints.get(_ENDPOINT)
    endpoint.defaults.deployment_name = "blue"
    ml.batch_endpoints.begin_create_or_update(endpoint).result()


def batch_endpoints_invoke(ml: Any, recorder: Recorder) -> None:
    local = Input(type=AssetTypes.URI_FOLDER, path="data")
    asset = Input(type=AssetTypes.URI_FOLDER, path="azureml:images@latest")
    there = Input(type=AssetTypes.URI_FILE, path="azureml://datastores/workspaceblobstore/paths/LocalUpload/one/a.txt")
    first = ml.batch_endpoints.invoke(endpoint_name=_ENDPOINT, input=local)
    recorder.behind("score", first.name)
    _write("one/a.txt", "a")
    ml.batch_endpoints.invoke(
        endpoint_name=_ENDPOINT,
        input=asset,
        outputs={
            "score": Output(
                type=AssetTypes.URI_FILE, path="azureml://datastores/workspaceblobstore/paths/results/mine.csv"
            )
        },
        params_override=[
            {"mini_batch_size": "20"},
            {"compute.instance_count": "2"},
            {"retry_settings.max_retries": "2"},
            {"error_threshold": "3"},
            {"job_name": "named"},
        ],
    )
    recorder.behind("score", "named")
    _refused(lambda: ml.batch_endpoints.invoke(endpoint_name=_ENDPOINT, input=there))
    ml.batch_endpoints.invoke(endpoint_name=_ENDPOINT, deployment_name="blue", inputs={"data": local})


def batch_endpoints_list_jobs(ml: Any, _: Recorder) -> None:
    list(ml.batch_endpoints.list_jobs(_ENDPOINT))
    list(ml.batch_deployments.list_jobs(_ENDPOINT, name="blue"))


def jobs_show(ml: Any, _: Recorder) -> None:
    ml.jobs.get("named")
    list(ml.jobs.list())
    child = next(iter(ml.jobs.list(parent_job_name="named")))
    ml.jobs.get(child.name)


def jobs_stream(ml: Any, _: Recorder) -> None:
    ml.jobs.stream("named")


def jobs_download(ml: Any, _: Recorder) -> None:
    ml.jobs.download("named", output_name="score", download_path="scores")
    child = next(iter(ml.jobs.list(parent_job_name="named")))
    ml.jobs.download(child.name, output_name="score", download_path="scores-of-child")
    ml.jobs.download("named", all=True, download_path="everything")


def jobs_archive(ml: Any, _: Recorder) -> None:
    ml.jobs.archive("named")
    ml.jobs.restore("named")


def jobs_cancel(ml: Any, _: Recorder) -> None:
    waiting = next(job for job in ml.jobs.list() if job.status == "Queued")
    ml.jobs.begin_cancel(waiting.name).result()


def schedules(ml: Any, _: Recorder) -> None:
    _write("pipeline.yml", _PIPELINE)
    job = load_job("pipeline.yml")
    wanted = JobSchedule(name="nightly", trigger=CronTrigger(expression="0 3 * * *", time_zone="UTC"), create_job=job)
    ml.schedules.begin_create_or_update(wanted).result()
    ml.schedules.get("nightly")
    list(ml.schedules.list())
    ml.schedules.begin_disable("nightly").result()
    ml.schedules.begin_enable("nightly").result()
    ml.schedules.begin_disable("nightly").result()
    ml.schedules.begin_delete("nightly").result()


def refusals(ml: Any, _: Recorder) -> None:
    for wrong in (
        lambda: ml.models.get("nothing", version="1"),
        lambda: ml.batch_endpoints.get("nothing"),
        lambda: ml.batch_endpoints.invoke(endpoint_name=_ENDPOINT, deployment_name="nothing"),
        lambda: ml.compute.begin_create_or_update(AmlCompute(name="x", max_instances=2)).result(),
    ):
        _refused(wrong)


def deletes(ml: Any, _: Recorder) -> None:
    _refused(lambda: ml.batch_deployments.begin_delete("blue", _ENDPOINT).result())
    ml.batch_endpoints.begin_delete(_ENDPOINT).result()


OPERATIONS = (
    *(workspaces_get, datastores, computes, models, environments, data, components, batch_endpoints),
    *(batch_deployments_create, batch_deployments_show, batch_endpoints_set_default, batch_endpoints_invoke),
    *(batch_endpoints_list_jobs, jobs_show, jobs_stream, jobs_download, jobs_archive, jobs_cancel, schedules),
    *(refusals, deletes),
)


def _write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _refused(call: Any) -> None:
    from azure.core.exceptions import AzureError

    try:
        call()
    except (AzureError, ValueError):
        return
    raise AssertionError("not refused")
