"""Jobs: ARM's pipeline-job shape with ours under `properties.batchyard`, and what `job show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from batchyard.domain.deployments import OutputFormat, given, output_format_of
from batchyard.domain.job_specs import ScoringSpec, Spec
from batchyard.domain.jobs import Counts, Job, JobError, Rerun, RunEnd
from batchyard.domain.resource_ids import Scope
from batchyard.domain.step_trees import StepNode
from batchyard.wire.counts import COUNTS, counts_to_arm
from batchyard.wire.envelopes import arm_envelope, iso
from batchyard.wire.failures import failures_cli_from_arm, failures_to_arm
from batchyard.wire.logged import logged_cli_from_arm, logged_to_arm
from batchyard.wire.phases import durations_of
from batchyard.wire.pipelines.step_jobs import ours_of, properties_of, reuse_of
from batchyard.wire.pipelines.step_trees import steps_cli_from_arm, steps_to_arm
from batchyard.wire.settings_rendering import settings_cli_from_arm, settings_to_arm
from batchyard.wire.trees import at, mapping_at, rows_at, sorted_keys, text_at

_CHILD_SUFFIX = "-batchscoring"
_ERROR = {
    "code": "code",
    "message": "message",
    "error_class": "errorClass",
    "item": "item",
    "position": "position",
    "mini_batch": "miniBatch",
    "exception": "exception",
    "stack": "stack",
    "log": "log",
}
_OURS = {
    "endpoint_name": "endpoint",
    "deployment_name": "deployment",
    "deployment_revision": "deploymentRevision",
    "routed_by": "routedBy",
    "compute": "compute",
    "completed_with_errors": "completedWithErrors",
    "outcome": "outcome",
    "rate_items_per_s": "rateItemsPerS",
    "eta_s": "etaS",
    "run": "run",
    "run_items": "runItems",
    "pause_requested": "pauseRequested",
    "generation": "generation",
    "queue_reason": "queueReason",
    "ledger_sha256": "ledgerSha256",
    "created_by": "createdBy",
    "request_id": "requestId",
}


def child_job_name(job: str) -> str:
    """Give the name of the one step that a batch job shows as its child (C.1)."""
    return job + _CHILD_SUFFIX


def parent_job_name(name: str) -> str | None:
    """Give the job that a child's name belongs to, or None when it is no child's name."""
    return name.removesuffix(_CHILD_SUFFIX) if name.endswith(_CHILD_SUFFIX) and name != _CHILD_SUFFIX else None


def job_to_arm(
    scope: Scope,
    job: Job,
    *,
    base_url: str = "",
    child: bool = False,
    is_in_list: bool = False,
    steps: tuple[StepNode, ...] = (),
) -> dict[str, object]:
    """Give a job as GET answers it; child: its one step instead, which the SDK wants with null properties.

    steps: of a pipeline.
    is_in_list: without the groups of failures and the histories of metrics, which could make a page of jobs very long.
    base_url: of the server, for the link that Azure's clients print; "" leaves it out.
    """
    if child:
        return arm_envelope(scope, "jobs", child_job_name(job.name), properties=None)
    # Azure: a page of its studio. There are none here yet, so it is the job itself.
    link = f"{base_url}{scope.child('jobs', job.name)}" if base_url else None
    properties = {
        "status": job.status.value,
        "displayName": job.display_name or job.name,
        "description": job.description,
        "experimentName": job.spec.experiment_name,
        "isArchived": job.is_archived,
        "services": {"Studio": {"jobServiceType": "Studio", "endpoint": link}},
        "tags": shown_tags(job),
        "properties": {**job.properties, **reuse_of(job)},
        **_what(scope, job.spec),
        "batchyard": {
            **_ours(job),
            **({} if is_in_list else failures_to_arm(job.failures)),
            **logged_to_arm(job.logged, has_history=not is_in_list),
            **steps_to_arm(steps),
        },
    }
    answer = arm_envelope(scope, "jobs", job.name, properties=properties)
    answer["systemData"] = {"createdAt": iso(job.created_at), "createdBy": job.created_by, "createdByType": "User"}
    return answer


def _what(scope: Scope, spec: Spec) -> dict[str, object]:
    """Give what a job is to do, as ARM has it."""
    if not isinstance(spec, ScoringSpec):
        return properties_of(scope, spec)
    return {
        "jobType": "Pipeline",
        "computeId": scope.child("computes", spec.compute),
        "inputs": {"data": {"jobInputType": spec.source.kind.value, "uri": spec.source.uri, "mode": "ReadOnlyMount"}},
        # Azure: an output called `default` of type uri_folder would make the SDK ignore the log files (pitfall 9).
        "outputs": {"score": {"jobOutputType": "uri_folder", "uri": str(spec.output.place), "mode": "ReadWriteMount"}},
        "jobs": {},
        "settings": {},
    }


def job_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `job show` prints: snake_case, sorted, the same keys always."""
    properties = mapping_at(arm, "properties")
    ours = mapping_at(properties, "batchyard")
    counts = mapping_at(ours, "counts")
    error = mapping_at(ours, "error")
    settings = mapping_at(ours, "settings")
    shown_settings = {**settings_cli_from_arm(settings), "instance_count": at(settings, "resources", "instanceCount")}
    return sorted_keys(
        {
            **{name: ours.get(key) for name, key in _OURS.items()},
            "id": at(arm, "id"),
            "name": at(arm, "name"),
            "type": text_at(properties, "jobType").lower(),
            "status": at(properties, "status"),
            "display_name": at(properties, "displayName"),
            "description": at(properties, "description"),
            "experiment_name": at(properties, "experimentName"),
            "is_archived": at(properties, "isArchived") is True,
            "services": mapping_at(properties, "services"),
            "tags": mapping_at(properties, "tags"),
            "properties": mapping_at(properties, "properties"),
            "created_at": at(arm, "systemData", "createdAt"),
            "progress": _progress(counts),
            "counts": {name: counts.get(key) for name, key in COUNTS.items()},
            "error": {name: error.get(key) for name, key in _ERROR.items()} if error else None,
            **failures_cli_from_arm(ours),
            **logged_cli_from_arm(ours),
            "settings": shown_settings if settings else {},
            "input": {_snake(key): value for key, value in mapping_at(ours, "input").items()},
            "output": {_snake(key): value for key, value in mapping_at(ours, "output").items()},
            "component": ours.get("component"),
            "reused_from": ours.get("reusedFrom"),
            "inputs": mapping_at(ours, "inputs"),
            "outputs": mapping_at(ours, "outputs"),
            "model": at(ours, "model", "id"),
            "code": at(ours, "code", "id"),
            "environment": at(ours, "environment", "id"),
            "hashes": {name: at(ours, name, "sha256") for name in ("model", "code", "environment")},
            "steps": steps_cli_from_arm(ours),
            "phases": mapping_at(ours, "phases"),
            "durations": mapping_at(ours, "durations"),
            "step_durations": mapping_at(ours, "stepDurations"),
            "reruns": [_rerun_cli(rerun) for rerun in rows_at(ours, "reruns")],
        }
    )


def shown_tags(job: Job) -> dict[str, str]:
    """Give the job's tags with those by which the SDK knows the job of an endpoint and of what kind it is.

    Where nothing else is said it looks for the child's `score` output (pitfall 10), which pipelines have not.
    """
    if not job.spec.endpoint or job.step_of is not None:
        return dict(job.tags)
    is_scoring = isinstance(job.spec, ScoringSpec)
    return {
        **job.tags,
        "azureml.batchrun": "true",
        "azureml.jobtype": "azureml.batchjob" if is_scoring else "azureml.pipelinejob",
        "azureml.endpointname": job.spec.endpoint,
        "azureml.deploymentname": job.spec.deployment,
    }


def partial_answer(
    job: Job, *, snapshot: str, counts: Counts, rows_bytes: int | None, own_files_of: int
) -> dict[str, object]:
    """Give what a job has scored so far, and that it is not all; names as in manifests."""
    return {
        "partial": True,
        "job": job.name,
        "status": job.status.value,
        "run": job.run,
        "snapshot": snapshot,
        "counts": {**asdict(counts), "incomplete": counts.incomplete},
        "file_name": _partial_name(job),
        "rows_bytes": rows_bytes,
        "left_out": {"script_files_of_mini_batches": own_files_of},
    }


def _partial_name(job: Job) -> str:
    """Give the name of what there is; a Parquet file is made when all is, until then its rows are lines of JSON."""
    is_json = output_format_of(job.settings) is OutputFormat.PARQUET
    return f"{job.scoring.output.file_name}.jsonl" if is_json else job.scoring.output.file_name


def invoke_answer(scope: Scope, job: Job) -> dict[str, object]:
    """Give what an invocation, and each row of a list of an endpoint's jobs, answers: id, name, type, status."""
    return arm_envelope(scope, "jobs", job.name, properties={"status": job.status.value})


def invoke_cli_from_arm(answer: Mapping[str, object]) -> dict[str, object]:
    """Give what `batch-endpoint invoke` prints (Azure: id, name, type and status alone)."""
    plain = {key: answer.get(key) for key in ("id", "name", "type")}
    return sorted_keys({**plain, "status": at(answer, "properties", "status")})


def jobs_cli_from_arm(page: Mapping[str, object]) -> list[dict[str, object]]:
    """Give the rows of one page of jobs as `job list` prints them."""
    return [job_cli_from_arm(row) for row in rows_at(page, "value")]


def _ours(job: Job) -> dict[str, object]:
    spec = job.spec
    return {
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deploymentRevision": spec.deployment_revision,
        "routedBy": spec.routed_by,
        "counts": counts_to_arm(job.counts),
        # Azure: such a job is Completed, and nothing but its logs would tell.
        "completedWithErrors": job.is_completed_with_errors,
        "outcome": job.counts.outcome,
        **(_scoring(job, spec) if isinstance(spec, ScoringSpec) else ours_of(spec)),
        "compute": spec.compute,
        "phases": {name: iso(time) for name, time in job.phases.items()},
        "durations": durations_of(job.phases, began_at=job.began_at),
        "rateItemsPerS": job.rate_items_s,
        "etaS": job.eta_s,
        "error": _error(job.error),
        "run": job.run,
        "runItems": job.counts.run_items or None,
        "pauseRequested": job.pause_requested,
        "generation": job.generation,
        "reruns": [_rerun(rerun) for rerun in job.reruns],
        "queueReason": job.queue_reason,
        "ledgerSha256": job.ledger_sha256,
        **({} if job.reused_from is None else {"reusedFrom": job.reused_from}),
        "listedAt": None if job.listed_at is None else iso(job.listed_at),
        "createdBy": job.created_by,
        "requestId": job.request_id,
    }


def _scoring(job: Job, spec: ScoringSpec) -> dict[str, object]:
    return {
        "settings": settings_to_arm(job.settings),
        **_pinned(spec),
        "input": {
            "type": spec.source.kind.value,
            "uri": spec.source.uri,
            "dataAsset": None if spec.source.asset is None else f"azureml:{spec.source.asset}",
        },
        "output": {
            "datastore": spec.output.place.datastore,
            "path": spec.output.place.path,
            "fileName": spec.output.file_name,
            "uri": str(spec.output.place),
        },
    }


def _pinned(spec: ScoringSpec) -> dict[str, object]:
    return {
        "model": {"id": f"azureml:{spec.model}", "sha256": spec.model_seal.sha256} if spec.model_seal else None,
        "code": {"id": f"azureml:{spec.code}", "sha256": spec.code_seal.sha256, "scoringScript": spec.scoring_script},
        "environment": {
            "id": f"azureml:{spec.environment}",
            "sha256": spec.build.sha256 if spec.build else None,
            "pythonVersion": spec.build.python_version if spec.build else None,
        },
    }


def _error(error: JobError | None) -> dict[str, object] | None:
    if error is None:
        return None
    return {**{key: getattr(error, name) for name, key in _ERROR.items()}, "errorClass": error.error_class.value}


def _rerun(rerun: Rerun) -> dict[str, object]:
    """Give how a run after the first came about: who asked for it, what it changed, how the run before it ended."""
    return {
        "run": rerun.run,
        "kind": rerun.kind.value,
        "askedAt": iso(rerun.asked_at),
        "askedBy": rerun.asked_by,
        "overrides": given(rerun.overrides),
        "before": _run_end(rerun.before),
        "undone": None if rerun.undone is None else _run_end(rerun.undone),
    }


def _run_end(end: RunEnd) -> dict[str, object]:
    return {"status": end.status.value, "counts": counts_to_arm(end.counts), "error": _error(end.error)}


def _rerun_cli(rerun: Mapping[str, object]) -> dict[str, object]:
    return {
        "run": rerun.get("run"),
        "kind": rerun.get("kind"),
        "asked_at": rerun.get("askedAt"),
        "asked_by": rerun.get("askedBy"),
        "overrides": mapping_at(rerun, "overrides"),
        "before": _run_end_cli(mapping_at(rerun, "before")),
        "undone": _run_end_cli(mapping_at(rerun, "undone")) if rerun.get("undone") else None,
    }


def _run_end_cli(end: Mapping[str, object]) -> dict[str, object]:
    counts, error = mapping_at(end, "counts"), mapping_at(end, "error")
    return {
        "status": end.get("status"),
        "counts": {name: counts.get(key) for name, key in COUNTS.items()},
        "error": {name: error.get(key) for name, key in _ERROR.items()} if error else None,
    }


def _progress(counts: Mapping[str, object]) -> str:
    """Give one short cell for tables: `1500 of 1797 items, 3 failed`."""
    total, succeeded, failed, skipped = (counts.get(key) for key in ("items", "succeeded", "failed", "skipped"))
    if not isinstance(total, int) or not total:
        return ""
    done = sum(count for count in (succeeded, failed, skipped) if isinstance(count, int))
    return f"{done} of {total} items" + (f", {failed} failed" if failed else "")


def _snake(key: str) -> str:
    return {"fileName": "file_name", "dataAsset": "data_asset"}.get(key, key)
