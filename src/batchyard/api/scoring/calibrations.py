"""Calibrations of an endpoint: a sample of an input scored to learn what scoring all of it takes. Ours; not Azure's."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.bodies import Body
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn, header_text
from batchyard.api.told import TEXT, told
from batchyard.control import calibrations
from batchyard.ports.records import Operation
from batchyard.wire.calibrations import CalibrationBody, calibration_from_body, calibration_to_arm

router = APIRouter()

_HEADERS = (("azureml-model-deployment", "The deployment to use in place of the default.", TEXT),)
_POLL_SOON = {"Retry-After": "1"}


@router.post(
    "/batchEndpoints/{endpoint}/calibrations",
    **told(202, 409, body=CalibrationBody, headers=_HEADERS, answer="object"),
)
def begin(
    endpoint: str, request: Request, body: Body, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl
) -> JSONResponse:
    """Have a sample of an input scored; no job is made and nothing is published. The answer is to be polled."""
    deployment = header_text(request, "azureml-model-deployment") or None
    invocation, wish = calibration_from_body(endpoint, deployment, body, rooms.scope)
    with rooms.records.writing() as tx:
        operation = calibrations.begin(
            tx,
            caller,
            invocation,
            wish,
            datastores=rooms.datastores,
            tables=rooms.tables,
            now=rooms.clock(),
            new_id=rooms.new_id(),
        )
    arm = _arm(rooms, operation)
    return JSONResponse(arm, 202, headers={"Location": f"{base_url}{arm['id']}", **_POLL_SOON})


@router.get("/batchEndpoints/{endpoint}/calibrations/{name}", **told(answer="object"))
def show(endpoint: str, name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Tell how far a calibration is, and what it told; for a day after it ended."""
    with rooms.records.reading() as tx:
        operation = calibrations.get(tx, caller, endpoint, name)
    return JSONResponse(_arm(rooms, operation), headers=_POLL_SOON if operation.ended_at is None else {})


def _arm(rooms: Rooms, operation: Operation) -> dict[str, object]:
    return calibration_to_arm(
        rooms.scope,
        operation.id,
        endpoint=operation.key.parent,
        deployment=operation.key.name,
        deployment_revision=operation.revision,
        status=operation.status.value,
        started_at=operation.created_at,
        ended_at=operation.ended_at,
        error_code=operation.error_code,
        error_message=operation.error_message,
        told=operation.calibrated,
        findings=calibrations.findings(operation),
    )
