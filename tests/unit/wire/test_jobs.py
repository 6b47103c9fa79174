"""Jobs as the SDK, the REST API and the command line see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget, ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError
from batchyard.domain.resource_ids import DEFAULT_SCOPE, AssetId, DatastorePath
from batchyard.wire.jobs import (
    child_job_name,
    invoke_answer,
    invoke_cli_from_arm,
    job_cli_from_arm,
    job_to_arm,
    jobs_cli_from_arm,
    parent_job_name,
)

WS = DEFAULT_SCOPE.arm_id
SPEC = ScoringSpec(
    job="job-1",
    endpoint="digits",
    deployment="dpl",
    deployment_revision=4,
    routed_by="default",
    source=InputSource(InputKind.FOLDER, "file:///home/ada/digits/"),
    settings=ExecutionSettings(mini_batch_size=20, instance_count=2, retry=RetrySettings(0, 300.0)),
    compute="cpu-cluster",
    model=AssetId("digits", "2"),
    model_seal=Sealed("aa" * 32, 1, 10),
    code=AssetId("guid", "1"),
    code_seal=Sealed("bb" * 32, 1, 10),
    scoring_script="score.py",
    environment=AssetId("env", "1"),
    build=EnvironmentBuild("cc" * 32, "3.11.7"),
    output=OutputTarget(DatastorePath("workspaceblobstore", "azureml/job-1/score"), "predictions.csv"),
    experiment_name="exp1",
)
JOB = Job(
    spec=SPEC,
    status=JobStatus.FAILED,
    created_at=0.0,
    created_by="ada",
    counts=Counts(100, 60, 3, 1, 58, 10, 6, 1, 9),
    phases={"queued": 0.0, "preparing": 1.5, "running": 2.0, "ended": 12.25},
    error=JobError(
        "E", "too many", ErrorClass.SCRIPT, "a.png", 7, 1, "ValueError: x", "Traceback", "user/std_log_0.txt"
    ),
    run=2,
    request_id="id-1",
    ledger_sha256="dd" * 32,
    rate_items_s=12.5,
    eta_s=None,
    tags={"team": "vision"},
)


def _properties(job: Job) -> dict[str, object]:
    properties = job_to_arm(DEFAULT_SCOPE, job, base_url="https://localhost")["properties"]
    assert isinstance(properties, dict)
    return properties


def test_a_job_is_the_pipeline_job_that_the_sdk_reads() -> None:
    arm = job_to_arm(DEFAULT_SCOPE, JOB, base_url="https://localhost")
    properties = _properties(JOB)
    assert arm["id"] == f"{WS}/jobs/job-1"
    assert properties["jobType"] == "Pipeline"
    assert properties["status"] == "Failed"
    assert properties["services"] == {
        "Studio": {"jobServiceType": "Studio", "endpoint": f"https://localhost{WS}/jobs/job-1"}
    }
    assert properties["tags"] == {
        "team": "vision",
        "azureml.batchrun": "true",
        "azureml.jobtype": "azureml.batchjob",
        "azureml.endpointname": "digits",
        "azureml.deploymentname": "dpl",
    }
    assert (properties["properties"], properties["jobs"], properties["settings"]) == ({}, {}, {})
    assert properties["outputs"] == {
        "score": {
            "jobOutputType": "uri_folder",
            "uri": "azureml://datastores/workspaceblobstore/paths/azureml/job-1/score",
            "mode": "ReadWriteMount",
        }
    }


def test_the_start_of_workers_is_a_part_of_running_and_told_where_it_is_of_this_run() -> None:
    phases = {"queued": 1.0, "preparing": 2.0, "running": 3.0, "scoring": 10.0, "finalizing": 11.0, "ended": 12.0}
    ours = _properties(replace(JOB, phases=phases))["batchyard"]
    assert isinstance(ours, dict)
    durations = ours["durations"]
    assert (durations["running_s"], durations["starting_s"], durations["finalizing_s"]) == (8.0, 7.0, 1.0)
    earlier = _properties(replace(JOB, phases={**phases, "running": 10.5}))["batchyard"]
    assert isinstance(earlier, dict)
    assert "starting_s" not in earlier["durations"]


def test_ours_stand_apart_under_batchyard() -> None:
    ours = _properties(JOB)["batchyard"]
    assert isinstance(ours, dict)
    assert ours["counts"] == {
        "items": 100,
        "succeeded": 60,
        "failed": 3,
        "skipped": 1,
        "incomplete": 36,
        "rows": 58,
        "miniBatches": 10,
        "miniBatchesSucceeded": 6,
        "miniBatchesFailed": 1,
        "attempts": 9,
    }
    assert ours["durations"] == {"queued_s": 1.5, "preparing_s": 0.5, "running_s": 10.25, "total_s": 12.25}
    assert ours["error"] == {
        "code": "E",
        "message": "too many",
        "errorClass": "script",
        "item": "a.png",
        "position": 7,
        "miniBatch": 1,
        "exception": "ValueError: x",
        "stack": "Traceback",
        "log": "user/std_log_0.txt",
    }
    assert ours["output"] == {
        "datastore": "workspaceblobstore",
        "path": "azureml/job-1/score",
        "fileName": "predictions.csv",
        "uri": "azureml://datastores/workspaceblobstore/paths/azureml/job-1/score",
    }
    assert {key: ours[key] for key in ("endpoint", "deployment", "deploymentRevision", "routedBy", "run")} == {
        "endpoint": "digits",
        "deployment": "dpl",
        "deploymentRevision": 4,
        "routedBy": "default",
        "run": 2,
    }
    assert ours["model"] == {"id": "azureml:digits:2", "sha256": "aa" * 32}
    assert (ours["createdBy"], ours["requestId"], ours["ledgerSha256"]) == ("ada", "id-1", "dd" * 32)


def test_the_child_has_null_properties_and_a_name_that_leads_back() -> None:
    arm = job_to_arm(DEFAULT_SCOPE, JOB, child=True)
    assert arm["properties"] is None
    assert arm["name"] == child_job_name("job-1")
    assert parent_job_name(child_job_name("job-1")) == "job-1"
    assert parent_job_name("job-1") is None


def test_show_prints_sorted_snake_case_with_the_facts_on_top() -> None:
    printed = job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, JOB))
    assert list(printed) == sorted(printed)
    wanted = {
        "name": "job-1",
        "status": "Failed",
        "endpoint_name": "digits",
        "deployment_name": "dpl",
        "routed_by": "default",
        "progress": "64 of 100 items, 3 failed",
        "rate_items_per_s": 12.5,
        "created_by": "ada",
        "created_at": "1970-01-01T00:00:00.000000+00:00",
        "model": "azureml:digits:2",
        "experiment_name": "exp1",
    }
    assert {key: printed[key] for key in wanted} == wanted
    assert printed["hashes"] == {"code": "bb" * 32, "environment": "cc" * 32, "model": "aa" * 32}


def test_show_prints_effective_settings_and_the_first_failing_item() -> None:
    printed = job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, JOB))
    settings, error, counts = printed["settings"], printed["error"], printed["counts"]
    assert isinstance(settings, dict)
    assert isinstance(error, dict)
    assert isinstance(counts, dict)
    assert (settings["mini_batch_size"], settings["instance_count"]) == (20, 2)
    assert settings["retry_settings"] == {"max_retries": 0, "timeout": 300}
    assert (error["item"], error["error_class"], error["mini_batch"]) == ("a.png", "script", 1)
    assert (counts["mini_batches"], counts["incomplete"]) == (10, 36)


def test_a_job_that_completed_without_some_items_says_so_beside_its_status() -> None:
    done = replace(JOB, status=JobStatus.COMPLETED, counts=Counts(items=100, succeeded=97, failed=3), error=None)
    arm = job_to_arm(DEFAULT_SCOPE, done)
    ours, printed = _properties(done)["batchyard"], job_cli_from_arm(arm)
    assert isinstance(ours, dict)
    assert (_properties(done)["status"], ours["completedWithErrors"]) == ("Completed", True)
    assert (printed["completed_with_errors"], printed["outcome"]) == (True, "3 of 100 items failed")


@pytest.mark.parametrize(
    ("status", "counts"),
    [(JobStatus.COMPLETED, Counts(items=5, succeeded=5)), (JobStatus.FAILED, Counts(items=5, failed=5))],
)
def test_only_a_completed_job_is_completed_with_errors(status: JobStatus, counts: Counts) -> None:
    printed = job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, replace(JOB, status=status, counts=counts)))
    assert printed["completed_with_errors"] is False


def test_a_queued_job_says_why_it_waits() -> None:
    queued = replace(
        JOB, status=JobStatus.QUEUED, counts=Counts(), phases={"queued": 0.0}, error=None, queue_reason="Waits."
    )
    printed = job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, queued))
    assert (printed["queue_reason"], printed["progress"], printed["error"]) == ("Waits.", "", None)
    assert printed["durations"] == {}
    assert printed.keys() == job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, JOB)).keys()


def test_an_invocation_answers_with_the_four_facts() -> None:
    answer = invoke_answer(DEFAULT_SCOPE, JOB)
    assert answer == {
        "id": f"{WS}/jobs/job-1",
        "name": "job-1",
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": {"status": "Failed"},
    }
    assert invoke_cli_from_arm(answer)["status"] == "Failed"


def test_a_page_of_jobs_is_printed_row_by_row() -> None:
    page = {"value": [job_to_arm(DEFAULT_SCOPE, JOB)], "nextLink": None}
    assert [row["name"] for row in jobs_cli_from_arm(page)] == ["job-1"]
