"""Jobs: routed and frozen at invoke, found again by request id, listed and cancelled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import audit, deployments, endpoints, jobs
from batchyard.domain.access import Caller
from batchyard.domain.errors import CallerError, Conflict, NotFound, PlatformError
from batchyard.domain.job_specs import OutputTarget, ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference
from batchyard.ports.records import JobFilter

from .bench import BUILD, INVOCATION, NOW, OWNER, Bench, settings, with_code
from .fakes import refused

SOMEBODY = Caller("sue", frozenset({"Owner"}))


def test_a_job_is_queued_with_everything_frozen(ready: Bench) -> None:
    job = ready.invoke(caller=SOMEBODY, new_name="job-1")
    model, code = ready.model().document, ready.code().document
    spec = ScoringSpec(
        job="job-1",
        endpoint="digits",
        deployment="blue",
        deployment_revision=2,
        routed_by="default",
        source=INVOCATION.source,
        settings=settings(),
        compute="cpu",
        model=AssetId("net", "1"),
        model_seal=model.sealed,
        code=AssetId("src", "1"),
        code_seal=code.sealed,
        scoring_script="score.py",
        environment=AssetId("env", "1"),
        build=BUILD,
        output=OutputTarget(DatastorePath("workspaceblobstore", "azureml/job-1/score"), "predictions.csv"),
        experiment_name="digits",
    )
    assert job == Job(spec, JobStatus.QUEUED, NOW, "sue", phases={"queued": NOW}, display_name="job-1")
    assert jobs.get(ready.tx, OWNER, "job-1") == job


def test_an_invocation_is_audited_with_its_route(ready: Bench) -> None:
    job = ready.invoke(caller=SOMEBODY)
    row = ready.last_entry
    assert (row.actor, row.action, row.target) == ("sue", "batchEndpoints/jobs/write", "jobs/job1")
    assert row.after == audit.fingerprint(job.spec)
    assert row.details == {"endpoint": "digits", "deployment": "blue", "revision": "2"}


def test_a_named_deployment_is_reached_and_the_default_stays(ready: Bench) -> None:
    job = ready.invoke(replace(INVOCATION, deployment="green"))
    assert (job.spec.deployment, job.spec.routed_by) == ("green", "named")
    assert endpoints.get(ready.tx, OWNER, "digits").document.default_deployment == "blue"


def test_a_switch_of_the_default_reaches_new_jobs_only(ready: Bench) -> None:
    before = ready.invoke()
    ready.set_default("green")
    assert ready.invoke().spec.deployment == "green"
    assert jobs.get(ready.tx, OWNER, before.name).spec.deployment == "blue"


def test_a_named_deployment_that_does_not_exist_is_refused(ready: Bench) -> None:
    with refused(ready.tx, NotFound) as refusal:
        ready.invoke(replace(INVOCATION, deployment="gren"))
    assert "'green'" in refusal.text


def test_a_missing_endpoint_is_not_found(ready: Bench) -> None:
    with refused(ready.tx, NotFound) as refusal:
        ready.invoke(replace(INVOCATION, endpoint="digit"))
    assert "'digits'" in refusal.text


def test_without_default_and_name_there_is_no_route(ready: Bench) -> None:
    ready.set_default(None)
    with refused(ready.tx, CallerError) as refusal:
        ready.invoke()
    assert "has no default deployment" in refusal.text


def test_a_deployment_that_never_succeeded_is_refused_with_its_state(bench: Bench) -> None:
    _, operation = bench.put()
    named = replace(INVOCATION, deployment="blue")
    with refused(bench.tx, Conflict) as refusal:
        bench.invoke(named)
    assert "cannot take jobs: it is Creating." in refusal.text
    bench.fail(operation, "no module named 'nunpy'")
    with refused(bench.tx, Conflict) as refusal:
        bench.invoke(named)
    assert "it is Failed: no module named 'nunpy'" in refusal.text


def test_an_update_in_progress_or_failed_does_not_disturb_consumers(ready: Bench) -> None:
    ready.code("src", "2", files={"score.py": "run = len"})
    _, operation = ready.put(with_code("2"))
    assert ready.invoke().spec.deployment_revision == 2
    ready.fail(operation)
    assert ready.invoke().spec.deployment_revision == 2
    ready.provision(ready.put(with_code("2"))[1])
    assert ready.invoke().scoring.code == AssetId("src", "2")


@pytest.mark.parametrize("gone", ["deployment", "endpoint"])
def test_jobs_go_on_when_what_they_came_from_is_deleted(ready: Bench, gone: str) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=JobStatus.RUNNING)
    if gone == "endpoint":
        endpoints.delete(ready.tx, OWNER, "digits", now=NOW)
    else:
        deployments.delete(ready.tx, OWNER, "digits", "blue", now=NOW, force=True)
    assert jobs.get(ready.tx, OWNER, job.name).spec == job.spec
    assert jobs.get(ready.tx, OWNER, job.name).status is JobStatus.RUNNING


def test_the_same_request_id_gives_the_same_job(ready: Bench) -> None:
    asked = replace(INVOCATION, request_id="r1")
    first = ready.invoke(asked)
    before = ready.tx.snapshot()
    assert ready.invoke(asked) == first
    assert ready.tx.snapshot() == before


@pytest.mark.parametrize("change", ["default", "deleted", "output", "input"])
def test_it_does_so_whatever_changed_meanwhile(ready: Bench, change: str) -> None:
    asked = replace(INVOCATION, request_id="r1")
    first = ready.invoke(asked)
    if change == "default":
        ready.set_default("green")
    elif change == "deleted":
        endpoints.delete(ready.tx, OWNER, "digits", now=NOW)
    elif change == "output":
        ready.datastores.taken.add(first.scoring.output.place.path)
    else:
        ready.datastores.inputs.clear()
    assert ready.invoke(asked).spec == first.spec


def test_another_or_no_request_id_gives_another_job(ready: Bench) -> None:
    first = ready.invoke(replace(INVOCATION, request_id="r1"))
    second = ready.invoke(replace(INVOCATION, request_id="r2"))
    third, fourth = ready.invoke(), ready.invoke(replace(INVOCATION, request_id=""))
    assert len({job.name for job in (first, second, third, fourth)}) == 4
    assert fourth.request_id is None


def test_a_stored_revision_without_a_build_is_ours_to_answer_for(ready: Bench) -> None:
    stored = deployments.get(ready.tx, OWNER, "digits", "blue")
    ready.tx.documents.save(stored.key, replace(stored.document, build=None), actor="x", now=NOW)
    with refused(ready.tx, PlatformError):
        ready.invoke()


def test_an_archived_model_goes_on_serving(ready: Bench) -> None:
    ready.model("net", "1", is_archived=True)
    assert ready.invoke().scoring.model == AssetId("net", "1")


def test_the_job_keeps_the_bytes_it_was_invoked_with(ready: Bench) -> None:
    ready.model("net", "2", body="two")
    before = ready.invoke()
    ready.deploy("blue", model=Reference("models", "net", "2"))
    after = ready.invoke()
    assert before.scoring.model_seal != after.scoring.model_seal
    assert after.spec.deployment_revision > before.spec.deployment_revision


def test_jobs_are_listed_newest_first_and_filtered(ready: Bench) -> None:
    for deployment in ("blue", "green", "blue"):
        ready.invoke(replace(INVOCATION, deployment=deployment))
    ready.tx.change_job("job1", status=JobStatus.RUNNING)

    def listed(which: JobFilter) -> list[str]:
        return [job.name for job in jobs.list_jobs(ready.tx, OWNER, which).items]

    assert listed(JobFilter()) == ["job3", "job2", "job1"]
    assert listed(JobFilter(endpoint="digits", deployment="blue")) == ["job3", "job1"]
    assert listed(JobFilter(statuses=frozenset({JobStatus.RUNNING}))) == ["job1"]
    page = jobs.list_jobs(ready.tx, OWNER, JobFilter(), limit=2)
    rest = jobs.list_jobs(ready.tx, OWNER, JobFilter(), limit=2, token=page.next_token)
    assert [job.name for job in rest.items] == ["job1"]


def test_jobs_of_an_endpoint_that_never_was_are_not_found(ready: Bench) -> None:
    assert jobs.list_jobs(ready.tx, OWNER, JobFilter(endpoint="digits")).items == ()
    with refused(ready.tx, NotFound) as refusal:
        jobs.list_jobs(ready.tx, OWNER, JobFilter(endpoint="digit"))
    assert "'digits'" in refusal.text


def test_jobs_of_a_deleted_endpoint_are_still_listed(ready: Bench) -> None:
    job = ready.invoke()
    endpoints.delete(ready.tx, OWNER, "digits", now=NOW)
    assert jobs.list_jobs(ready.tx, OWNER, JobFilter(endpoint="digits")).items == (job,)


def test_a_missing_job_is_not_found_with_near_names(ready: Bench) -> None:
    ready.invoke(replace(INVOCATION, job_name="nightly-1"))
    for verb in (jobs.get, jobs.read_logs, jobs.read_output):
        with refused(ready.tx, NotFound) as refusal:
            verb(ready.tx, OWNER, "nightly-2")
        assert "'nightly-1'" in refusal.text


def test_a_missing_job_that_is_near_to_none_lists_none(ready: Bench) -> None:
    ready.invoke(replace(INVOCATION, job_name="5f0e7f0c-3f0e-4a52-9b55-2f6b6a3c1a10"))
    with refused(ready.tx, NotFound) as refusal:
        jobs.get(ready.tx, OWNER, "nope")
    assert refusal.text == "The job 'nope' does not exist."


def test_logs_and_output_are_those_of_the_job(ready: Bench) -> None:
    job = ready.invoke()
    assert jobs.read_logs(ready.tx, OWNER, job.name) == jobs.read_output(ready.tx, OWNER, job.name) == job


def test_a_queued_job_is_cancelled_at_once(ready: Bench) -> None:
    job = ready.invoke()
    assert jobs.cancel(ready.tx, OWNER, job.name, now=NOW, reason="typo").status is JobStatus.CANCELED
    row = ready.last_entry
    assert (row.action, row.target, row.reason) == ("jobs/cancel", "jobs/job1", "typo")
    assert row.details == {"status_before": "Queued", "status_after": "Canceled"}


def test_a_running_job_is_asked_to_end(ready: Bench) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=JobStatus.RUNNING)
    assert jobs.cancel(ready.tx, OWNER, job.name, now=NOW).status is JobStatus.CANCEL_REQUESTED


def test_cancelling_again_changes_nothing(ready: Bench) -> None:
    job = ready.invoke()
    jobs.cancel(ready.tx, OWNER, job.name, now=NOW)
    before = ready.tx.snapshot()
    assert jobs.cancel(ready.tx, OWNER, job.name, now=NOW + 1).status is JobStatus.CANCELED
    assert ready.tx.snapshot() == before


@pytest.mark.parametrize("status", [JobStatus.FINALIZING, JobStatus.COMPLETED, JobStatus.FAILED])
def test_a_job_that_is_sealed_or_ended_cannot_be_cancelled(ready: Bench, status: JobStatus) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=status)
    with refused(ready.tx, Conflict):
        jobs.cancel(ready.tx, OWNER, job.name, now=NOW)


def test_cancelling_a_missing_job_is_not_found(ready: Bench) -> None:
    with refused(ready.tx, NotFound):
        jobs.cancel(ready.tx, OWNER, "none", now=NOW)


def test_a_running_job_is_asked_to_pause_once(ready: Bench) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=JobStatus.RUNNING)
    asked = jobs.pause(ready.tx, OWNER, job.name, now=NOW, ticket="T-1")
    assert (asked.status, asked.pause_requested) == (JobStatus.RUNNING, True)
    assert (ready.last_entry.action, ready.last_entry.ticket) == ("jobs/pause", "T-1")
    before = ready.tx.snapshot()
    jobs.pause(ready.tx, OWNER, job.name, now=NOW + 1)
    assert ready.tx.snapshot() == before


@pytest.mark.parametrize(
    "status", [JobStatus.FINALIZING, JobStatus.CANCEL_REQUESTED, JobStatus.COMPLETED, JobStatus.FAILED]
)
def test_a_job_that_is_sealed_ending_or_ended_cannot_be_paused(ready: Bench, status: JobStatus) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=status)
    with refused(ready.tx, Conflict):
        jobs.pause(ready.tx, OWNER, job.name, now=NOW)


@pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.PAUSED}, key=str))
def test_only_a_paused_job_can_be_continued(ready: Bench, status: JobStatus) -> None:
    job = ready.invoke()
    ready.tx.change_job(job.name, status=status)
    with refused(ready.tx, Conflict):
        jobs.continue_(ready.tx, OWNER, job.name, now=NOW)
