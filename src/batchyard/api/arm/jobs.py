"""Jobs: shown, listed, edited, cancelled, paused, continued, resumed, retried. An invocation makes them, or a PUT."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.arm.job_filters import FILTERS, job_filter
from batchyard.api.bodies import Body, OptionalBody
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import Reasons, ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn
from batchyard.api.told import told
from batchyard.control import jobs, pipeline_jobs
from batchyard.control.step_trees import steps_of
from batchyard.domain.access import Caller
from batchyard.domain.errors import Conflict, NotFound
from batchyard.domain.jobs import Job
from batchyard.ports.records import Transaction
from batchyard.wire.job_edits import JobBody, edit_from_job
from batchyard.wire.jobs import job_to_arm, parent_job_name
from batchyard.wire.pipelines.definitions import read_definition
from batchyard.wire.pipelines.jobs import has_definition, pipeline_job_from_arm
from batchyard.wire.reruns import RerunBody, overrides_from_rerun_body

router = APIRouter()


@router.get("/jobs", **told(query=FILTERS))
def list_jobs(request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage) -> JSONResponse:
    """List them, newest first; see `api.arm.job_filters` for what narrows the list."""
    which = job_filter(request.query_params)
    with rooms.records.reading() as tx:
        page = jobs.list_jobs(tx, caller, which, limit=wanted.limit, token=wanted.token)
    return page_answer(request, [job_to_arm(rooms.scope, job, is_in_list=True) for job in page.items], page.next_token)


@router.get("/jobs/{name}")
def show_job(name: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show one, or the one step that a batch job shows as its child."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
        steps = steps_of(tx, job, read=read_definition)
    return JSONResponse(job_to_arm(rooms.scope, job, base_url=base_url, child=is_child, steps=steps))


@router.put("/jobs/{name}", **told(200, 201, 409, body=JobBody))
def put_job(name: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Make a pipeline or command job, or change what is written on one that is there, or archive it; everything else
    of a job is as it was when it was made."""
    with rooms.records.reading() as tx:
        is_new = _is_new(tx, caller, name)
    if is_new:
        job = _create(name, body, rooms, caller, why)
        return JSONResponse(job_to_arm(rooms.scope, job), 201)
    with rooms.records.writing() as tx:
        job, is_child = find_job(tx, caller, name)
        if is_child:
            raise Conflict(f"Job {name!r} is a step of job {job.name!r} and cannot be changed; change that job.")
        if has_definition(body):
            _refuse_another(tx, job, body, rooms, caller)
        change = edit_from_job(rooms.scope, job, body)
        job = jobs.edit(tx, caller, job.name, change, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


def _refuse_another(tx: Transaction, job: Job, body: Mapping[str, object], rooms: Rooms, caller: Caller) -> None:
    draft = pipeline_job_from_arm(job.name, body, rooms.scope)
    pipeline_jobs.refuse_another(
        tx, caller, job, draft.wish, spec=draft.spec, steps=draft.steps, read=read_definition, now=rooms.clock()
    )


def _create(name: str, body: Mapping[str, object], rooms: Rooms, caller: Caller, why: Reasons) -> Job:
    # Azure: its SDK sends a second token in `x-azureml-token`, for who runs the job; it is that of the same caller.
    draft = pipeline_job_from_arm(name, body, rooms.scope)
    with rooms.records.writing() as tx:
        return pipeline_jobs.create(
            tx,
            caller,
            draft.wish,
            draft.settings,
            component=draft.component,
            spec=draft.spec,
            steps=draft.steps,
            datastores=rooms.datastores,
            read=read_definition,
            now=rooms.clock(),
            new_name=name,
            reason=why.reason,
            ticket=why.ticket,
        )


@router.post("/jobs/{name}/cancel", **told(409))
def cancel_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Ask one to end."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.cancel(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/pause", **told(409))
def pause_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Ask one to let go of its instances."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.pause(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/continue", **told(409))
def continue_job(name: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue a paused one again."""
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = jobs.continue_(tx, caller, job.name, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(job_to_arm(rooms.scope, job))


@router.post("/jobs/{name}/resume", **told(409, body=RerunBody))
def resume_job(name: str, body: OptionalBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue a failed or cancelled one again, to go on from what it has scored."""
    return _take_up_again(jobs.resume, name, body, rooms, caller, why)


@router.post("/jobs/{name}/retryFailed", **told(409, body=RerunBody))
def retry_failed_items(name: str, body: OptionalBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Queue an ended one again, to score its failed items."""
    return _take_up_again(jobs.retry_failed, name, body, rooms, caller, why)


def _take_up_again(
    verb: Callable[..., Job], name: str, body: OptionalBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    overrides = overrides_from_rerun_body(name, body)
    with rooms.records.writing() as tx:
        job, _ = find_job(tx, caller, name)
        job = verb(
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


def _is_new(tx: Transaction, caller: Caller, name: str) -> bool:
    try:
        find_job(tx, caller, name)
    except NotFound:
        return True
    return False
