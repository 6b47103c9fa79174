"""Long-running operations: the headers that make a client poll, and the route it polls."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from batchyard.api.rooms import CallerIn, RoomsIn
from batchyard.api.told import told
from batchyard.control import operations
from batchyard.domain.access import Action, authorise
from batchyard.domain.errors import Conflict
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Operation, OperationStatus
from batchyard.wire.operations import operation_to_arm

router = APIRouter()

# Azure: without this the SDK waits 30 s between polls, and "0" counts as absent.
_POLL_SOON = {"Retry-After": "1"}


# What a PUT is said to have begun that was done when it was answered.
_AT_ONCE = "done-at-once"


def operation_uri(base_url: str, scope: Scope, operation: Operation | None) -> str:
    """Give where to ask how far an operation is; that of a PUT that began none has succeeded."""
    return f"{base_url}{scope.child('batchDeploymentOperations', operation.id if operation else _AT_ONCE)}"


def operation_headers(base_url: str, scope: Scope, operation: Operation | None) -> dict[str, str]:
    """Give the headers of an answer that began an operation; none when everything was done at once."""
    if operation is None:
        return {}
    uri = operation_uri(base_url, scope, operation)
    return {"Azure-AsyncOperation": uri, "Location": f"{uri}/result", **_POLL_SOON}


@router.get("/batchDeploymentOperations/{id}", **told(answer="object"))
def show_operation(id: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Tell how far an operation is."""
    if id == _AT_ONCE:
        authorise(caller, Action.DEPLOYMENT_READ)
        return JSONResponse({"name": id, "status": OperationStatus.SUCCEEDED.value})
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


@router.get("/batchDeploymentOperations/{id}/result", **told(202, 302, 409, answer="nothing"))
def show_result(id: str, request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Answer 202 while an operation runs, then lead to the deployment that it was about, or tell why it failed."""
    with rooms.records.reading() as tx:
        operation = operations.get(tx, caller, id)
    if operation.status is OperationStatus.RUNNING:
        return Response(status_code=202, headers={"Location": str(request.url), **_POLL_SOON})
    if operation.status is OperationStatus.FAILED:
        raise Conflict(operation.error_message)
    key = operation.key
    return RedirectResponse(rooms.scope.child("batchEndpoints", key.parent, "deployments", key.name), 302)
