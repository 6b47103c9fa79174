"""Long-running operations: what a poll of the status URL answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.resource_ids import DatastorePath, Scope
from batchyard.wire.envelopes import iso
from batchyard.wire.trees import mapping_at

V = TypeVar("V")

# Azure: by this name the answer to a PUT says, among the properties that users may add to, where to poll.
_OPERATION_URI = "AzureAsyncOperationUri"


def with_operation_uri(arm: Mapping[str, object], uri: str) -> dict[str, object]:
    """Give a resource, as a PUT answers it, with the URL of the operation that the PUT began."""
    properties = mapping_at(arm, "properties")
    added = {**mapping_at(properties, "properties"), _OPERATION_URI: uri}
    return {**arm, "properties": {**properties, "properties": added}}


def own_properties(properties: Mapping[str, V]) -> dict[str, V]:
    """Give a resource's properties without that URL: clients send back what they were answered."""
    return {name: value for name, value in properties.items() if name != _OPERATION_URI}


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
