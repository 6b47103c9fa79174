"""Runs: a job as run history shows it, with signed URLs of its logs."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from batchyard.api.arm.jobs import find_job
from batchyard.api.blob.paths import blob_url_path, signed_path
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn
from batchyard.control import jobs
from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.job_states import FINAL
from batchyard.domain.jobs import Job
from batchyard.wire.envelopes import iso
from batchyard.wire.jobs import child_job_name

router = APIRouter()

_LOG_URL_LIFE_S = 3600.0
# Azure: `jobs.stream` prints only this log of a run.
_STREAMED_LOG = "user_logs/std_log.txt"


@router.get("/runs/{name}")
def show_run(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show a job, or its child, as a run."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
    return JSONResponse(_run(job, is_child=is_child))


@router.get("/runs/{name}/details")
def show_details(name: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show a run with its logs; each URL works without a token for an hour."""
    with rooms.records.reading() as tx:
        job, is_child = find_job(tx, caller, name)
        jobs.read_logs(tx, caller, job.name)
    logs = _log_files(rooms, job.name, base_url)
    return JSONResponse({**_run(job, is_child=is_child), "logFiles": logs, "warnings": []})


def _run(job: Job, *, is_child: bool) -> dict[str, object]:
    began = job.phases.get("preparing")
    ended = job.phases.get("ended") if job.status in FINAL else None
    # Azure: only the parent carries the tag by which `jobs.download` looks for the child's output.
    tags = {name: value for name, value in job.tags.items() if not (is_child and name == "azureml.batchrun")}
    return {
        "runId": child_job_name(job.name) if is_child else job.name,
        "parentRunId": job.name if is_child else None,
        "displayName": "batchscoring" if is_child else job.display_name or job.name,
        "status": job.status.value,
        "experimentName": job.spec.experiment_name or job.spec.endpoint,
        "runType": "azureml.StepRun" if is_child else "azureml.PipelineRun",
        "tags": tags,
        "properties": dict(job.properties),
        "createdUtc": iso(job.created_at),
        "lastModifiedUtc": iso(max([job.created_at, *job.phases.values()])),
        "startTimeUtc": None if began is None else iso(began),
        "endTimeUtc": None if ended is None else iso(ended),
        "error": None if job.error is None else {"error": {"code": job.error.code, "message": job.error.message}},
        "outputs": {},
    }


def _log_files(rooms: Rooms, job: str, base_url: str) -> dict[str, str]:
    folder = log_folder(job) + "/"
    found = [entry.path for entry in rooms.datastores.get(ARTIFACT_STORE.name).list(folder)]
    urls = {path.removeprefix(folder): _signed_url(rooms, path, base_url) for path in found}
    if urls and _STREAMED_LOG not in urls:
        first = next((name for name in urls if name.startswith("user_logs/")), next(iter(urls)))
        urls[_STREAMED_LOG] = urls[first]
    return urls


def _signed_url(rooms: Rooms, path: str, base_url: str) -> str:
    url_path = blob_url_path(ARTIFACT_STORE.name, ARTIFACT_STORE.container, path)
    expires_at = rooms.clock() + _LOG_URL_LIFE_S
    query = rooms.identity.sign_url(signed_path(url_path.encode()), expires_at=expires_at, permission="r")
    return f"{base_url}{url_path}?{query}"
