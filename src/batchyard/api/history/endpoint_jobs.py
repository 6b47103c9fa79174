"""The jobs of an endpoint or of one deployment. # Azure: the SDK lists them at the management front end."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.arm.job_filters import FILTERS, job_filter
from batchyard.api.paging import Wanted, WantedPage, page_answer
from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.api.told import told
from batchyard.control import jobs
from batchyard.domain.access import Caller
from batchyard.ports.records import JobFilter
from batchyard.wire.jobs import invoke_answer

router = APIRouter()


@router.get("/batchEndpoints/{endpoint}/jobs", **told(query=FILTERS))
def list_of_endpoint(
    endpoint: str, request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage
) -> JSONResponse:
    """List the jobs that an endpoint took, newest first."""
    return _answer(request, rooms, caller, wanted, job_filter(request.query_params, endpoint=endpoint))


@router.get("/batchEndpoints/{endpoint}/deployments/{deployment}/jobs", **told(query=FILTERS))
def list_of_deployment(
    endpoint: str, deployment: str, request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage
) -> JSONResponse:
    """List the jobs that reached one deployment, newest first."""
    return _answer(
        request, rooms, caller, wanted, job_filter(request.query_params, endpoint=endpoint, deployment=deployment)
    )


def _answer(request: Request, rooms: Rooms, caller: Caller, wanted: Wanted, which: JobFilter) -> JSONResponse:
    with rooms.records.reading() as tx:
        page = jobs.list_jobs(tx, caller, which, limit=wanted.limit, token=wanted.token)
    return page_answer(request, [invoke_answer(rooms.scope, job) for job in page.items], page.next_token)
