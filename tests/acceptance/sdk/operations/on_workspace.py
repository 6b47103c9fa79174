"""Workspace, datastores and compute."""

from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute
from azure.identity import DefaultAzureCredential
from table import WORKSPACE, ml, operation


@operation("workspaces.get")
def get_workspace() -> None:
    found = ml.workspaces.get(WORKSPACE)
    assert (found.name, found.location, found.discovery_url is not None) == (WORKSPACE, "local", True)


@operation("workspaces.list")
def list_workspaces() -> None:
    assert WORKSPACE in {found.name for found in ml.workspaces.list()}


@operation("MLClient.from_config")
def from_config() -> None:
    assert MLClient.from_config(DefaultAzureCredential()).workspace_name == WORKSPACE


@operation("datastores.get_default")
def default_datastore() -> None:
    assert ml.datastores.get_default().name == "workspaceblobstore"


@operation("datastores.get")
def get_datastore() -> None:
    assert ml.datastores.get("workspaceartifactstore").container_name


@operation("datastores.get, with secrets")
def get_datastore_with_secrets() -> None:
    assert ml.datastores.get("workspaceblobstore", include_secrets=True).name == "workspaceblobstore"


@operation("datastores.list")
def list_datastores() -> None:
    assert {"workspaceblobstore", "workspaceartifactstore"} <= {found.name for found in ml.datastores.list()}


@operation("compute.begin_create_or_update")
def create_compute() -> None:
    made = ml.compute.begin_create_or_update(AmlCompute(name="ops-cpu", min_instances=0, max_instances=2)).result()
    assert (made.name, made.type, made.max_instances) == ("ops-cpu", "amlcompute", 2)


@operation("begin_create_or_update, compute")
def create_compute_by_the_short_way() -> None:
    assert ml.begin_create_or_update(AmlCompute(name="ops-spare", max_instances=1)).result().name == "ops-spare"


@operation("compute.get")
def get_compute() -> None:
    assert ml.compute.get("ops-cpu").provisioning_state == "Succeeded"


@operation("compute.list")
def list_computes() -> None:
    assert {"ops-cpu", "ops-spare"} <= {found.name for found in ml.compute.list()}


@operation("compute.begin_update")
def update_compute() -> None:
    changed = ml.compute.get("ops-spare")
    changed.max_instances = 3
    ml.compute.begin_update(changed).result()
    assert ml.compute.get("ops-spare").max_instances == 3


@operation("compute.begin_delete")
def delete_compute() -> None:
    ml.compute.begin_delete("ops-spare").result()
    assert "ops-spare" not in {found.name for found in ml.compute.list()}
