"""Invoke an endpoint: the job is there, and answered with 201, before anything is scored."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.bodies import Body
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import CallerIn, RoomsIn, header_text
from batchyard.control import jobs
from batchyard.wire.invocations import invocation_from_body
from batchyard.wire.jobs import invoke_answer

router = APIRouter()


@router.post("/batchEndpoints/{endpoint}/jobs")
def invoke(
    endpoint: str, request: Request, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    """Make a job; the same `repeatability_request-id` gives the same job again."""
    deployment = header_text(request, "azureml-model-deployment") or None
    request_id = header_text(request, "repeatability_request-id") or None
    invocation = invocation_from_body(endpoint, deployment, request_id, body, rooms.scope)
    with rooms.records.writing() as tx:
        job = jobs.invoke(
            tx,
            caller,
            invocation,
            datastores=rooms.datastores,
            now=rooms.clock(),
            new_name=rooms.new_id(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return JSONResponse(invoke_answer(rooms.scope, job), 201)
