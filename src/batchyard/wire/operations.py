"""Long-running operations: what a poll of the status URL answers."""

from __future__ import annotations

from batchyard.domain.resource_ids import Scope
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
    """Give the status of an operation. status: `InProgress`, `Succeeded` or `Failed`; times: epoch seconds, UTC."""
    answer: dict[str, object] = {
        "id": scope.child("batchDeploymentOperations", id),
        "name": id,
        "status": status,
        "startTime": iso(started_at),
    }
    if ended_at is not None:
        answer["endTime"] = iso(ended_at)
    if error_code:
        answer["error"] = {"code": error_code, "message": error_message}
    return answer
