"""Jobs as run history shows them: what Azure's SDK reads to list children, stream logs and find outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from batchyard.domain.job_specs import ScoringSpec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import DatastorePath, Scope
from batchyard.wire.envelopes import iso
from batchyard.wire.jobs import child_job_name, shown_tags
from batchyard.wire.logged import logged_to_history
from batchyard.wire.pipelines.step_jobs import reuse_of
from batchyard.wire.trees import mapping_at, sorted_keys

OUTPUT_NAME = "score"
# Azure: under this name the SDK downloads a run's logs.
LOGS_NAME = "default"
_OUTPUT_ID = re.compile("azureml://jobs/([^/]+)/outputs/([a-zA-Z0-9_]+)")


def run_to_history(job: Job, *, is_child: bool) -> dict[str, object]:
    """Give a job, or the one step that a job that scores shows as its child, as a run.

    A step of a pipeline has a job of its own; its root is told as the pipeline right above it.
    """
    above = job.step_of.job if job.step_of else None
    is_step = is_child or above is not None
    began = job.phases.get("preparing")
    ended = job.phases.get("ended") if job.status in FINAL else None
    # Azure: only the parent carries the tag by which `jobs.download` looks for the child's output (pitfall 10).
    tags = dict(job.logged.tags) | (dict(job.tags) if is_child else _tags(job))
    return {
        "runId": child_job_name(job.name) if is_child else job.name,
        "parentRunId": job.name if is_child else above,
        "rootRunId": above or job.name,
        "displayName": "batchscoring" if is_child else job.display_name or job.name,
        "description": job.description,
        "status": job.status.value,
        "experimentName": job.spec.experiment_name or job.spec.endpoint or "Default",
        "runType": "azureml.StepRun" if is_step else "azureml.PipelineRun",
        "tags": tags,
        "properties": {**job.properties, **reuse_of(job)},
        "hidden": job.is_archived,
        "createdUtc": iso(job.created_at),
        "lastModifiedUtc": iso(max([job.created_at, *job.phases.values()])),
        "startTimeUtc": None if began is None else iso(began),
        "endTimeUtc": None if ended is None else iso(ended),
        "error": None if job.error is None else {"error": {"code": job.error.code, "message": job.error.message}},
        "outputs": _outputs(job),
        **logged_to_history(job),
    }


def _tags(job: Job) -> dict[str, str]:
    if job.step_of is not None:
        return dict(job.tags)
    kinds = ("azureml.batchrun",) if isinstance(job.spec, ScoringSpec) else ("azureml.batchrun", "azureml.jobtype")
    known = shown_tags(job)
    return {**job.tags, **{name: known[name] for name in kinds if name in known}}


def run_cli_from_history(run: Mapping[str, object]) -> dict[str, object]:
    """Give what `job list --parent-job-name` prints of a step."""
    names = {
        "name": "runId",
        "parent_job_name": "parentRunId",
        "display_name": "displayName",
        "status": "status",
        "experiment_name": "experimentName",
        "created_at": "createdUtc",
        "start_time": "startTimeUtc",
        "end_time": "endTimeUtc",
    }
    return sorted_keys({**{name: run.get(key) for name, key in names.items()}, "tags": mapping_at(run, "tags")})


def rundata_to_history(job: Job, *, is_child: bool) -> dict[str, object]:
    """Give what the SDK asks for before it downloads: the run with its output and its logs."""
    run = run_to_history(job, is_child=is_child)
    return {"runMetadata": {**run, "outputs": {**_outputs(job), LOGS_NAME: _output(job, LOGS_NAME)}}}


def job_of_output(asset_id: str) -> tuple[str, str] | None:
    """Give the job and the output that an id of a run names, or None when it is no such id."""
    match = _OUTPUT_ID.fullmatch(asset_id)
    return None if match is None else (match[1], match[2])


def place_of_output(job: Job, name: str) -> tuple[DatastorePath, bool] | None:
    """Give where an output of a job lies, and whether that is a file; None where the job has no such output."""
    if isinstance(job.spec, ScoringSpec):
        return (job.spec.output.place, False) if name == OUTPUT_NAME else None
    output = job.spec.outputs.get(name)
    return None if output is None else (output.place, output.type is PortType.URI_FILE)


def resolved_to_history(scope: Scope, places: Mapping[str, tuple[DatastorePath, bool]]) -> dict[str, object]:
    """Give where outputs lie. places: id -> place, and whether it is a file. # Azure: the long form of the URI, and
    UriFolder in capitals."""
    root = (
        f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}"
        f"/workspaces/{scope.workspace}/datastores"
    )
    return {
        "values": {
            asset_id: {
                "uri": f"{root}/{place.datastore}/paths/{place.path.rstrip('/')}{'' if is_file else '/'}",
                "type": "UriFile" if is_file else "UriFolder",
            }
            for asset_id, (place, is_file) in places.items()
        }
    }


def _outputs(job: Job) -> dict[str, object]:
    """Give the outputs of a job that has published them. # Azure: other spellings of a type are silently skipped."""
    if job.status is not JobStatus.COMPLETED:
        return {}
    if isinstance(job.spec, ScoringSpec):
        return {OUTPUT_NAME: _output(job, OUTPUT_NAME)}
    # Azure: what is a file is asked for as one; models are downloaded as folders are.
    types = {name: output.type for name, output in job.spec.outputs.items()}
    return {
        name: _output(job, name, "uri_file" if type_ is PortType.URI_FILE else "uri_folder")
        for name, type_ in types.items()
    }


def _output(job: Job, name: str, type_: str = "uri_folder") -> dict[str, object]:
    return {"assetId": f"azureml://jobs/{job.name}/outputs/{name}", "type": type_}
