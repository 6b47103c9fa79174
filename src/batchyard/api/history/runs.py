"""Runs: a job as run history shows and edits it, its one child, its outputs, and signed URLs of its logs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from batchyard.api.arm.jobs import find_job
from batchyard.api.blob.paths import blob_url_path, signed_path
from batchyard.api.bodies import Body as JSONBody
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import jobs
from batchyard.domain.access import Caller
from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.errors import Conflict, InvalidInput, Mistake, NotFound
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.resource_ids import DatastorePath
from batchyard.domain.workspaces import blob_account
from batchyard.ports.records import Transaction
from batchyard.wire.job_edits import RunBody, edit_from_run
from batchyard.wire.runs import (
    LOGS_NAME,
    job_of_output,
    place_of_output,
    resolved_to_history,
    run_to_history,
    rundata_to_history,
)

router = APIRouter()
data_router = APIRouter()

_RUN_ID = (
    "application/json",
    {"type": "object", "required": ["runId"], "properties": {"runId": TEXT}},
)
_OUTPUT_IDS = (
    "application/json",
    {"type": "object", "required": ["values"], "properties": {"values": {"type": "array", "items": TEXT}}},
)

_LOG_URL_LIFE_S = 3600.0
# Azure: `jobs.stream` prints only this log of a run.
_STREAMED_LOG = "user_logs/std_log.txt"


@router.get("/runs/{name}", **told(answer="object"))
def show_run(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show a job, or its child, as a run."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
    return JSONResponse(run_to_history(job, is_child=is_child))


@router.patch("/runs/{name}", **told(409, body=RunBody, answer="object"))
@router.patch("/experiments/{experiment}/runs/{name}", **told(409, body=RunBody, answer="object"))
@router.patch("/experimentids/{experiment}/runs/{name}", **told(409, body=RunBody, answer="object"))
def edit_run(name: str, body: JSONBody, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Change what is written on a job, or hide it. # Azure: how the SDK updates and archives jobs; a job's name is
    unique in its workspace, so the experiment is not looked at."""
    with rooms.records.writing() as tx:
        job, is_child = find_job(tx, caller, name)
        if is_child:
            raise Conflict(f"Run {name!r} is a step of job {job.name!r} and cannot be changed; change the job.")
        change = edit_from_run(job, body)
        job = jobs.edit(tx, caller, job.name, change, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return JSONResponse(run_to_history(job, is_child=False))


@router.get("/runs/{name}/details", **told(answer="object"))
def show_details(name: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show a run with its logs; each URL works without a token for an hour."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
        jobs.read_logs(tx, caller, job.name)
    logs = _log_files(rooms, job.name, base_url)
    return JSONResponse({**run_to_history(job, is_child=is_child), "logFiles": logs, "warnings": []})


@router.get("/runs/{name}/serviceinstances/{node}", **told(answer="object"))
def list_services(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """List what a node of a job serves to users, such as a shell: nothing."""
    with rooms.records.reading() as tx:
        find_job(tx, caller, name)
    return JSONResponse({"instances": {}})


@router.get("/runs/{name}/children", **told(answer="Page"))
def list_children(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """List the steps of a pipeline job that have begun, or the one step of a batch job; a step has none."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
        steps = jobs.steps(tx, caller, job.name)
    if is_child or (job.step_of is not None and not steps):
        children = []
    elif isinstance(job.spec, PipelineSpec):
        children = [run_to_history(step, is_child=False) for step in steps]
    else:
        children = [run_to_history(job, is_child=True)]
    return JSONResponse({"value": children, "nextLink": None})


@router.post("/rundata", **told(body=_RUN_ID, answer="object"))
def show_run_data(
    rooms: RoomsIn, caller: CallerIn, name: Annotated[str, Body(alias="runId", embed=True)]
) -> JSONResponse:
    """Show a run with its outputs. # Azure: asked by the SDK before a download."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
    return JSONResponse(rundata_to_history(job, is_child=is_child))


@data_router.post("/dataversion/batchGetResolvedUris", **told(body=_OUTPUT_IDS, answer="object"))
def resolve_outputs(
    rooms: RoomsIn, caller: CallerIn, ids: Annotated[list[str], Body(alias="values", embed=True)]
) -> JSONResponse:
    """Tell where the outputs lie that runs named by these ids."""
    named = {asset_id: job_of_output(asset_id) for asset_id in ids}
    mistakes = [Mistake("values", repr(id_), "the id of a run's output") for id_, found in named.items() if not found]
    if mistakes:
        raise InvalidInput("request", mistakes)
    with rooms.records.reading() as tx:
        places = {asset_id: _place(tx, caller, *found) for asset_id, found in named.items() if found is not None}
    return JSONResponse(resolved_to_history(rooms.scope, places))


def _place(tx: Transaction, caller: Caller, job: str, output: str) -> tuple[DatastorePath, bool]:
    if output == LOGS_NAME:
        # Azure: the child's logs are its own; here they are those of the job, whose one step it is.
        return DatastorePath(ARTIFACT_STORE.name, log_folder(jobs.read_logs(tx, caller, job).name)), False
    place = place_of_output(jobs.read_output(tx, caller, job), output)
    if place is None:
        raise NotFound(f"The job {job!r} has no output {output!r}.")
    return place


def _log_files(rooms: Rooms, job: str, base_url: str) -> dict[str, str]:
    folder = log_folder(job) + "/"
    found = [entry.path for entry in rooms.datastores.get(ARTIFACT_STORE.name).list(folder)]
    urls = {path.removeprefix(folder): _signed_url(rooms, path, base_url) for path in found}
    if urls and _STREAMED_LOG not in urls:
        first = next((name for name in urls if name.startswith("user_logs/")), next(iter(urls)))
        urls[_STREAMED_LOG] = urls[first]
    return urls


def _signed_url(rooms: Rooms, path: str, base_url: str) -> str:
    account = blob_account(rooms.workspace, ARTIFACT_STORE.name)
    url_path = blob_url_path(account, ARTIFACT_STORE.container, path)
    expires_at = rooms.clock() + _LOG_URL_LIFE_S
    query = rooms.identity.sign_url(signed_path(url_path.encode()), expires_at=expires_at, permission="r")
    return f"{base_url}{url_path}?{query}"
