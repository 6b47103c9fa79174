"""Long-running operations: what a poll of the status URL answers."""

from __future__ import annotations

from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.resource_ids import DatastorePath, Scope
from batchyard.wire.envelopes import iso


def operation_to_arm(
    scope: Scope,
    id: str,
    *,
    status: str,
    started_at: float,
    ended_at: float | None = None,
    error_code: str = "",
    error_message: str = "",
) -> dict[str, object]:
    """Give the status of an operation. status: `InProgress`, `Succeeded` or `Failed`; times: epoch seconds, UTC.

    Ours: properties.log, see `operation_log`.
    """
    answer: dict[str, object] = {
        "id": scope.child("batchDeploymentOperations", id),
        "name": id,
        "status": status,
        "startTime": iso(started_at),
        "properties": {"log": operation_log(id)},
    }
    if ended_at is not None:
        answer["endTime"] = iso(ended_at)
    if error_code:
        answer["error"] = {"code": error_code, "message": error_message}
    return answer


def operation_log(id: str) -> str:
    """Give the `azureml://` URI of what an operation printed: the build, and the import of the script."""
    folder = log_folder(f"operation-{id}")
    return str(DatastorePath(ARTIFACT_STORE.name, f"{folder}/build.txt"))
