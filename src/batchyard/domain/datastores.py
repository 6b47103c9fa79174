"""Datastores: named places of users' bytes. For now the two every workspace is born with, as local folders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatastoreInfo:
    """What is shown of a datastore. container: its name at the blob gateway."""

    name: str
    container: str
    is_default: bool
    description: str


BLOB_STORE = DatastoreInfo("workspaceblobstore", "azureml-blobstore", True, "Uploads, outputs and users' data.")
ARTIFACT_STORE = DatastoreInfo("workspaceartifactstore", "azureml", False, "Logs of jobs.")
DATASTORES: tuple[DatastoreInfo, ...] = (BLOB_STORE, ARTIFACT_STORE)


def log_folder(job: str) -> str:
    """Where a job's logs lie in the artifact store (Azure: `ExperimentRun/dcid.<job>`)."""
    return f"ExperimentRun/dcid.{job}"
