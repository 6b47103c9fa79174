"""The scoring URI: a POST invokes the endpoint, and the jobs it made are polled below it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.bodies import Body
from batchyard.api.reasons import Reasons, ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn, header_text
from batchyard.api.told import TEXT, told
from batchyard.control import jobs, pipeline_invocations
from batchyard.domain.access import Caller
from batchyard.domain.errors import NotFound, PlaceRefused
from batchyard.domain.jobs import Job
from batchyard.domain.routing import STALE
from batchyard.wire.invocations import InvocationBody, invocation_from_body
from batchyard.wire.jobs import invoke_answer, job_to_arm
from batchyard.wire.pipelines.definitions import read_definition
from batchyard.wire.pipelines.invocations import pipeline_invocation_from_body

log = logging.getLogger(__name__)

router = APIRouter()

_HEADERS = (
    ("azureml-model-deployment", "The deployment to use in place of the default.", TEXT),
    ("repeatability_request-id", "The same id gives the same job again.", TEXT),
)


@router.post("/batchEndpoints/{endpoint}/jobs", **told(201, 409, body=InvocationBody, headers=_HEADERS))
def invoke(
    endpoint: str, request: Request, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    """Make a job, and answer before anything is scored; the same `repeatability_request-id` gives the same job."""
    deployment = header_text(request, "azureml-model-deployment") or None
    request_id = header_text(request, "repeatability_request-id") or None
    # Azure: its SDK looks for a deployment before it sends the name; one that is unknown here is of an earlier call.
    is_sdk = "azure-ai-ml/" in request.headers.get("user-agent", "")
    with rooms.records.reading() as tx:
        is_pipeline = pipeline_invocations.is_meant(
            tx, caller, endpoint, named=deployment, may_be_stale=is_sdk, request_id=request_id
        )
    invoked = _invoke_pipeline if is_pipeline else _invoke_model
    try:
        job = invoked(_Asked(endpoint, deployment, request_id, body, is_sdk), rooms, caller, why)
    except PlaceRefused as exc:
        _record(exc, endpoint, rooms, caller, why)
        raise
    if job.spec.routed_by == STALE:
        fields = {"endpoint": endpoint, "named": deployment, "deployment": job.spec.deployment, "job": job.name}
        log.warning("deployment named by a stale header; routed to the default", extra=fields)
    return JSONResponse(invoke_answer(rooms.scope, job), 201)


def _record(exc: PlaceRefused, endpoint: str, rooms: Rooms, caller: Caller, why: Reasons) -> None:
    """Have the audit log tell of an attempt at another deployment's outputs, of which nothing else was kept."""
    with rooms.records.writing() as tx:
        jobs.note_refusal(tx, caller, endpoint, exc, now=rooms.clock(), reason=why.reason, ticket=why.ticket)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An invocation as it arrived."""

    endpoint: str
    deployment: str | None
    request_id: str | None
    body: Mapping[str, object]
    is_sdk: bool


def _invoke_model(asked: _Asked, rooms: Rooms, caller: Caller, why: Reasons) -> Job:
    invocation = invocation_from_body(asked.endpoint, asked.deployment, asked.request_id, asked.body, rooms.scope)
    with rooms.records.writing() as tx:
        return jobs.invoke(
            tx,
            caller,
            replace(invocation, deployment_may_be_stale=asked.is_sdk),
            datastores=rooms.datastores,
            tables=rooms.tables,
            now=rooms.clock(),
            new_name=rooms.new_id(),
            reason=why.reason,
            ticket=why.ticket,
        )


def _invoke_pipeline(asked: _Asked, rooms: Rooms, caller: Caller, why: Reasons) -> Job:
    invocation = pipeline_invocation_from_body(
        asked.endpoint, asked.deployment, asked.request_id, asked.body, rooms.scope
    )
    with rooms.records.writing() as tx:
        return pipeline_invocations.invoke(
            tx,
            caller,
            replace(invocation, deployment_may_be_stale=asked.is_sdk),
            datastores=rooms.datastores,
            read=read_definition,
            now=rooms.clock(),
            new_name=rooms.new_id(),
            reason=why.reason,
            ticket=why.ticket,
        )


@router.get("/batchEndpoints/{endpoint}/jobs/{name}")
def show_job(endpoint: str, name: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show a job of this endpoint. # Azure: its REST samples poll `SCORING_URI/JOB` with the token for scoring."""
    with rooms.records.reading() as tx:
        job = jobs.get(tx, caller, name)
    if job.spec.endpoint != endpoint:
        raise NotFound(f"The endpoint {endpoint!r} has no job {name!r}.")
    return JSONResponse(job_to_arm(rooms.scope, job, base_url=base_url))
