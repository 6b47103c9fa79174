"""Invocations in every form, and the jobs that they make."""

import time
from pathlib import Path
from typing import Any

from azure.ai.ml import Input, Output
from azure.ai.ml.constants import AssetTypes
from on_assets import is_missing
from on_endpoints import ENDPOINT, deployment
from table import GROUP, SUBSCRIPTION, WORKSPACE, ml, operation

ALL = ["0.txt 0", "1.txt 3", "2.txt 6"]
WS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
)
_FINAL = ("Completed", "Failed", "Canceled")
jobs: dict[str, str] = {}


def folder(path: str) -> Input:
    return Input(type=AssetTypes.URI_FOLDER, path=path)


def finish(name: str) -> Any:
    deadline = time.monotonic() + 60
    while (status := ml.jobs.get(name).status) not in _FINAL:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


def rows(name: str, file: str = "predictions.csv") -> list[str]:
    """Give the rows of a job's output when it is done, sorted."""
    assert finish(name) == "Completed"
    ml.jobs.download(name, download_path=f"out/{name}", output_name="score")
    return sorted(Path(f"out/{name}/{file}").read_text().splitlines())


def invoke(form: str, **arguments: Any) -> str:
    """Invoke the default deployment and remember the job under the name of the form."""
    jobs[form] = ml.batch_endpoints.invoke(endpoint_name=ENDPOINT, **arguments).name
    return jobs[form]


@operation("batch_endpoints.invoke, input: local folder")
def invoke_folder() -> None:
    assert rows(invoke("folder", input=folder("data"))) == ALL


@operation("batch_endpoints.invoke, input: local file")
def invoke_file() -> None:
    assert rows(invoke("file", input=Input(type=AssetTypes.URI_FILE, path="data/2.txt"))) == ALL[2:]


@operation("batch_endpoints.invoke, inputs by name")
def invoke_inputs() -> None:
    assert rows(invoke("inputs", inputs={"heart": folder("data")})) == ALL


@operation("batch_endpoints.invoke, input: azureml:name@latest")
def invoke_latest() -> None:
    assert rows(invoke("latest", input=folder("azureml:ops-folder@latest"))) == ALL


@operation("batch_endpoints.invoke, input: azureml:name:version of a file")
def invoke_version() -> None:
    assert rows(invoke("version", input=Input(type=AssetTypes.URI_FILE, path="azureml:ops-file:1"))) == ALL[2:]


@operation("batch_endpoints.invoke, input: ARM id of a data asset")
def invoke_arm_id() -> None:
    assert rows(invoke("arm", input=folder(ml.data.get("ops-folder", version="1").id))) == ALL


@operation("batch_endpoints.invoke, input: datastore path")
def invoke_datastore() -> None:
    assert rows(invoke("datastore", input=folder(ml.data.get("ops-folder", version="1").path))) == ALL


@operation("batch_endpoints.invoke, outputs by name")
def invoke_outputs() -> None:
    place = "azureml://datastores/workspaceblobstore/paths/ops/out/mine.csv"
    outputs = {"score": Output(type=AssetTypes.URI_FILE, path=place)}
    assert rows(invoke("outputs", inputs={"data": folder("data")}, outputs=outputs), "mine.csv") == ALL


@operation("batch_endpoints.invoke, params_override: settings")
def invoke_overrides() -> None:
    wanted = [
        {"mini_batch_size": "1"},
        {"compute.instance_count": "2"},
        {"retry_settings.max_retries": "2"},
        {"error_threshold": "3"},
        {"output_file_name": "o.csv"},
    ]
    assert rows(invoke("overrides", input=folder("data"), params_override=wanted), "o.csv") == ALL


@operation("batch_endpoints.invoke, params_override: output dataset by ARM id")
def invoke_output_dataset() -> None:
    wanted = [
        {"output_dataset.datastore_id": f"azureml:{WS}/datastores/workspaceblobstore"},
        {"output_dataset.path": "/ops/dataset"},
        {"output_file_name": "f.csv"},
    ]
    assert rows(invoke("dataset", input=folder("data"), params_override=wanted), "f.csv") == ALL


@operation("batch_endpoints.invoke, params_override: output dataset by short name")
def invoke_short_output_dataset() -> None:
    wanted = [
        {"output_dataset.datastore_id": "azureml:workspaceblobstore"},
        {"output_dataset.path": "/ops/short"},
        {"output_file_name": "s.csv"},
    ]
    assert rows(invoke("short", input=folder("data"), params_override=wanted), "s.csv") == ALL


@operation("batch_endpoints.invoke, job_name, experiment_name")
def invoke_named() -> None:
    invoke("named", input=folder("data"), job_name="ops-named", experiment_name="ops-experiment")
    assert rows("ops-named") == ALL
    assert ml.jobs.get("ops-named").experiment_name == "ops-experiment"


@operation("batch_endpoints.list_jobs")
def list_endpoint_jobs() -> None:
    assert {found.name for found in ml.batch_endpoints.list_jobs(ENDPOINT)} == set(jobs.values())


@operation("batch_deployments.list_jobs")
def list_deployment_jobs() -> None:
    assert {found.name for found in ml.batch_deployments.list_jobs(ENDPOINT, name="blue")} == set(jobs.values())
    assert list(ml.batch_deployments.list_jobs(ENDPOINT, name="classic")) == []


@operation("jobs.get")
def get_job() -> None:
    found = ml.jobs.get(jobs["folder"])
    assert (found.type, found.status) == ("pipeline", "Completed")
    assert "Studio" in found.services
    assert is_missing(lambda: ml.jobs.get("ops-nothing"))


@operation("jobs.list")
def list_jobs() -> None:
    assert set(jobs.values()) <= {found.name for found in ml.jobs.list()}


@operation("jobs.list, children")
def list_children() -> None:
    (child,) = ml.jobs.list(parent_job_name=jobs["folder"])
    created, modified = child.creation_context.created_at, child.creation_context.last_modified_at
    assert (child.status, modified >= created) == ("Completed", True)


@operation("jobs.get, child")
def get_child() -> None:
    (child,) = ml.jobs.list(parent_job_name=jobs["folder"])
    assert ml.jobs.get(child.name).status == "Completed"


@operation("jobs.download, score of the child")
def download_child() -> None:
    (child,) = ml.jobs.list(parent_job_name=jobs["folder"])
    ml.jobs.download(child.name, download_path="child", output_name="score")
    assert sorted(Path("child/named-outputs/score/predictions.csv").read_text().splitlines()) == ALL


@operation("jobs.download, logs")
def download_logs() -> None:
    # Of the child: for a batch job itself the SDK never asks for anything but its score.
    (child,) = ml.jobs.list(parent_job_name=jobs["folder"])
    ml.jobs.download(child.name, download_path="logs")
    assert "job_progress_overview.txt" in {path.name for path in Path("logs/artifacts").rglob("*")}


@operation("jobs.download, all")
def download_all() -> None:
    (child,) = ml.jobs.list(parent_job_name=jobs["folder"])
    ml.jobs.download(child.name, download_path="everything", all=True)
    assert {"predictions.csv", "job_progress_overview.txt"} <= {path.name for path in Path("everything").rglob("*")}


@operation("jobs.stream")
def stream_job() -> None:
    ml.jobs.stream(invoke("streamed", input=folder("data")))
    assert ml.jobs.get(jobs["streamed"]).status == "Completed"


@operation("jobs.update")
def update_job() -> None:
    ml.jobs.update(jobs["folder"], display_name="first", tags={"team": "a"})
    changed = ml.jobs.update(jobs["folder"], tags={"stage": "b"})
    assert (changed.display_name, changed.tags["team"], changed.tags["stage"]) == ("first", "a", "b")


@operation("jobs.archive")
def archive_job() -> None:
    ml.jobs.archive(jobs["file"])
    assert jobs["file"] not in {found.name for found in ml.jobs.list()}
    assert jobs["file"] in {found.name for found in ml.jobs.list(list_view_type="All")}


@operation("jobs.restore")
def restore_job() -> None:
    ml.jobs.restore(jobs["file"])
    assert jobs["file"] in {found.name for found in ml.jobs.list()}


@operation("jobs.create_or_update, of a fetched job")
def change_fetched_job() -> None:
    fetched = ml.jobs.get(jobs["folder"])
    fetched.tags["more"] = "c"
    ml.jobs.create_or_update(fetched)
    assert ml.jobs.get(jobs["folder"]).tags["more"] == "c"


@operation("jobs.show_services")
def show_services() -> None:
    assert ml.jobs.show_services(jobs["folder"]) is None


@operation("batch_endpoints.invoke, deployment_name")
def invoke_by_name() -> None:
    # Last of all invocations: from here on the SDK names this deployment in each of them (sdk-wire 7.1).
    ml.batch_deployments.begin_create_or_update(deployment("slow", SLOW="1")).result()
    invoke("slow", input=folder("data"), deployment_name="slow")
    assert [found.name for found in ml.batch_deployments.list_jobs(ENDPOINT, name="slow")] == [jobs["slow"]]


@operation("jobs.begin_cancel")
def cancel_job() -> None:
    ml.jobs.begin_cancel(jobs["slow"]).result()
    assert finish(jobs["slow"]) == "Canceled"
