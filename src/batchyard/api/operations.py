"""Long-running operations: the headers that make a client poll, and the route it polls."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from batchyard.api.rooms import CallerIn, RoomsIn
from batchyard.control import operations
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Operation, OperationStatus
from batchyard.wire.operations import operation_to_arm

router = APIRouter()

# Azure: without this the SDK waits 30 s between polls, and "0" counts as absent.
_POLL_SOON = {"Retry-After": "1"}


def operation_headers(base_url: str, scope: Scope, operation: Operation | None) -> dict[str, str]:
    """Give the headers of an answer that began an operation; none when everything was done at once."""
    if operation is None:
        return {}
    return {"Azure-AsyncOperation": f"{base_url}{scope.child('batchDeploymentOperations', operation.id)}", **_POLL_SOON}


@router.get("/batchDeploymentOperations/{id}")
def show_operation(id: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Tell how far an operation is."""
    with rooms.records.reading() as tx:
        operation = operations.get(tx, caller, id)
    arm = operation_to_arm(
        rooms.scope,
        operation.id,
        status=operation.status.value,
        started_at=operation.created_at,
        ended_at=operation.ended_at,
        error_code=operation.error_code,
        error_message=operation.error_message,
    )
    return JSONResponse(arm, headers=_POLL_SOON if operation.status is OperationStatus.RUNNING else {})
