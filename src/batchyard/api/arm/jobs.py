"""Jobs: shown, listed, cancelled, paused, continued, resumed, retried. They are made by invoking an endpoint."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.bodies import OptionalBody
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import CallerIn, RoomsIn
from batchyard.control import jobs
from batchyard.domain.access import Caller
from batchyard.domain.errors import InvalidInput, Mistake, NotFound
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.ports.records import JobFilter, Transaction
from batchyard.wire.jobs import job_to_arm, parent_job_name
from batchyard.wire.reruns import overrides_from_rerun_body

router = APIRouter()


@router.get("/jobs")
def list_jobs(request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage) -> JSONResponse:
    """List them, newest first; `status` may be given several times, or several with commas."""
    query = request.query_params
    which = JobFilter(
        endpoint=query.get("endpoint") or None,
        deployment=query.get("deployment") or None,
        statuses=_statuses(query.getlist("status")),
    )
    with rooms.records.reading() as tx:
        page = jobs.list_jobs(tx, caller, which, limit=wanted.limit, token=wanted.token)
    return page_answer(request, [job_to_arm(rooms.scope, job, is_in_list=True) for job in page.items], page.next_token)


@router.get("/jobs/{name}")
def show_job(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one, or the one step that a batch job shows as its child."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
    return JSONResponse(job_to_arm(rooms.scope, job, child=is_child))


@router.post("/jobs/{name}/cancel")
def cancel_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Ask one to end."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.cancel(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/pause")
def pause_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Ask one to let go of its instances."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.pause(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/continue")
def continue_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue a paused one again."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.continue_(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/resume")
def resume_job(name: str, body: OptionalBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue a failed or cancelled one again, to go on from what it has scored."""
    overrides = overrides_from_rerun_body(name, body)
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.resume(
            tx,
            caller,
            job.name,
            overrides=overrides,
            datastores=rooms.datastores,
            homes=rooms.homes,
            now=rooms.clock(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/retryFailed")
def retry_failed_items(name: str, body: OptionalBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue an ended one again, to score its failed items."""
    overrides = overrides_from_rerun_body(name, body)
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.retry_failed(
            tx,
            caller,
            job.name,
            overrides=overrides,
            datastores=rooms.datastores,
            homes=rooms.homes,
            now=rooms.clock(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return JSONResponse(job_to_arm(rooms.scope, job))


def find_job(tx: Transaction, caller: Caller, name: str) -> tuple[Job, bool]:
    """Give a job by its own name or by that of its child; the second says which. Raises: Forbidden; NotFound."""
    parent = parent_job_name(name)
    try:
        return jobs.get(tx, caller, name), False
    except NotFound:
        if parent is None:
            raise
    return jobs.get(tx, caller, parent), True


def _statuses(given: Sequence[str]) -> frozenset[JobStatus]:
    known = {status.value.lower(): status for status in JobStatus}
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    allowed = "one of " + ", ".join(status.value for status in JobStatus)
    mistakes = [Mistake("status", repr(word), allowed) for word in words if word.lower() not in known]
    if mistakes:
        raise InvalidInput("list of jobs", mistakes)
    return frozenset(known[word.lower()] for word in words)
