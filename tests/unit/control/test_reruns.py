"""Failed and cancelled jobs are queued again under their name and spec; what would fail at once is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import audit
from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import Conflict, InvalidInput, NotFound
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError

from .bench import INVOCATION, NOW, Bench
from .fakes import refused

OVER = JobError("ErrorThresholdExceeded", "3 items failed", ErrorClass.SCRIPT)
COUNTS = Counts(items=10, succeeded=5, failed=3)


def failed(ready: Bench, **changes: object) -> Job:
    """Give a job that has failed after it had begun."""
    job = ready.invoke()
    state = {"status": JobStatus.FAILED, "counts": COUNTS, "error": OVER, "listed_at": NOW, "ledger_sha256": "ab"}
    ready.tx.change_job(job.name, **{**state, **changes})
    ready.homes.known.add(job.name)
    return job


def test_a_resumed_job_keeps_name_and_spec_and_is_queued_for_its_next_run(ready: Bench) -> None:
    job = failed(ready)
    again = ready.resume(job.name, overrides=Overrides(error_threshold=-1), reason="fixed")
    assert (again.status, again.run, again.spec, again.error) == (JobStatus.QUEUED, 2, job.spec, None)
    assert again.phases == {"queued": NOW + 9}
    assert again.counts == COUNTS
    (rerun,) = again.reruns
    assert (rerun.before.status, rerun.before.error, rerun.before.ledger_sha256) == (JobStatus.FAILED, OVER, "ab")


def test_overrides_of_all_runs_add_up_and_the_spec_stays_what_was_audited(ready: Bench) -> None:
    job = failed(ready)
    invoked = ready.last_entry.after
    ready.resume(job.name, overrides=Overrides(error_threshold=5, timeout_s=60.0))
    ready.tx.change_job(job.name, status=JobStatus.FAILED)
    again = ready.resume(job.name, overrides=Overrides(error_threshold=-1))
    assert (again.settings.error_threshold, again.settings.retry.timeout_s) == (-1, 60.0)
    assert audit.fingerprint(again.spec) == invoked


def test_a_resume_is_audited_with_what_it_changes(ready: Bench) -> None:
    job = failed(ready)
    ready.resume(job.name, overrides=Overrides(error_threshold=9), reason="fixed", ticket="T-1")
    row = ready.last_entry
    assert (row.action, row.target, row.reason, row.ticket) == ("jobs/resume", f"jobs/{job.name}", "fixed", "T-1")
    assert row.details == {"status_before": "Failed", "run": "2", "error_threshold": "9"}


@pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.FAILED, JobStatus.CANCELED}, key=str))
def test_a_job_in_any_other_state_cannot_be_resumed(ready: Bench, status: JobStatus) -> None:
    job = failed(ready, status=status)
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name)
    assert f"is {status.value}" in refusal.text


@pytest.mark.parametrize("overrides", [Overrides(), Overrides(error_threshold=2), Overrides(timeout_s=5.0)])
def test_a_resume_that_would_fail_at_once_is_refused_and_says_how_not_to(ready: Bench, overrides: Overrides) -> None:
    job = failed(ready, spec=with_threshold(ready, 2))
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name, overrides=overrides)
    assert "3 items failed, more than error_threshold 2 tolerates" in refusal.text
    assert "--set error_threshold" in refusal.text


def test_what_was_skipped_is_no_part_of_what_a_percent_is_of(ready: Bench) -> None:
    job = failed(ready, counts=Counts(items=10, succeeded=2, failed=3, skipped=5))
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name, overrides=Overrides(error_threshold=-1, error_threshold_percent=50.0))
    assert "3 of 5 items failed" in refusal.text


def test_a_job_of_which_every_item_failed_has_nothing_to_resume(ready: Bench) -> None:
    job = failed(ready, error=JobError("NoItemSucceeded", "no", ErrorClass.SCRIPT))
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name)
    assert "nothing left to score" in refusal.text


def with_threshold(ready: Bench, threshold: int) -> object:
    spec = ready.invoke().spec
    ready.tx.change_job(spec.job, status=JobStatus.FAILED)
    return replace(spec, job="job2", settings=replace(spec.settings, error_threshold=threshold))


def test_everything_wrong_with_the_overrides_is_told_at_once(ready: Bench) -> None:
    job = failed(ready)
    wrong = Overrides(mini_batch_size=5, output_file_name="b.csv", error_threshold=-2, instance_count=3)
    with refused(ready.tx, InvalidInput) as refusal:
        ready.resume(job.name, overrides=wrong)
    assert refusal.fields == ["error_threshold", "instance_count", "mini_batch_size", "output_file_name"]


def test_an_output_that_somebody_took_meanwhile_is_a_conflict(ready: Bench) -> None:
    job = failed(ready)
    ready.datastores.taken.add(job.scoring.output.place.path)
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name)
    assert "exists already" in refusal.text
    assert "Move that away" in refusal.text


def test_an_output_that_another_job_reserves_is_a_conflict(ready: Bench) -> None:
    job = failed(ready)
    ready.tx.change_job(job.name, spec=replace(job.spec, output=ready.invoke().scoring.output))
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name)
    assert "reserved by job 'job2'" in refusal.text


def test_a_job_whose_home_was_cleaned_is_refused(ready: Bench) -> None:
    job = failed(ready)
    ready.homes.known.clear()
    with refused(ready.tx, Conflict) as refusal:
        ready.resume(job.name)
    assert "home" in refusal.text
    assert "Invoke the endpoint again" in refusal.text


def test_a_job_cancelled_before_it_began_needs_no_home(ready: Bench) -> None:
    job = failed(ready, status=JobStatus.CANCELED, listed_at=None, error=None)
    ready.homes.known.clear()
    assert ready.resume(job.name).run == 2


def test_an_input_that_is_gone_is_refused_before_its_items_fail(ready: Bench) -> None:
    job = failed(ready)
    ready.datastores.inputs.discard(INVOCATION.source.uri)
    with refused(ready.tx, InvalidInput):
        ready.resume(job.name)


def test_resuming_a_missing_job_is_not_found(ready: Bench) -> None:
    with refused(ready.tx, NotFound):
        ready.resume("none")


def completed(ready: Bench, **changes: object) -> Job:
    state = {"status": JobStatus.COMPLETED, "generation": 1, "error": None, "counts": Counts(items=9, failed=2)}
    return failed(ready, **{**state, **changes})


def test_the_failed_items_of_a_completed_job_are_retried_and_it_stays_what_it_is_meanwhile(ready: Bench) -> None:
    job = completed(ready)
    again = ready.retry_failed(job.name, reason="share mounted")
    assert (again.status, again.run, again.generation, again.spec) == (JobStatus.QUEUED, 2, 1, job.spec)
    assert again.may_be_undone
    row = ready.last_entry
    assert (row.action, row.reason, row.details["run"]) == ("jobs/retryFailed", "share mounted", "2")


def test_a_failed_job_over_its_budget_may_retry_its_failed_items(ready: Bench) -> None:
    job = failed(ready, spec=with_threshold(ready, 2))
    assert ready.retry_failed(job.name).status is JobStatus.QUEUED


def test_a_job_without_failed_items_has_nothing_to_retry(ready: Bench) -> None:
    for status, instead in ((JobStatus.COMPLETED, ""), (JobStatus.CANCELED, "job resume")):
        job = completed(ready, status=status, counts=Counts(items=9, succeeded=4))
        with refused(ready.tx, Conflict) as refusal:
            ready.retry_failed(job.name)
        assert "no failed items" in refusal.text
        assert instead in refusal.text


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.FINALIZING])
def test_a_job_that_has_not_ended_cannot_be_retried(ready: Bench, status: JobStatus) -> None:
    job = completed(ready, status=status)
    with refused(ready.tx, Conflict):
        ready.retry_failed(job.name)


def test_an_output_that_is_not_what_was_published_is_told_before_anything_is_scored(ready: Bench) -> None:
    job = completed(ready)
    ready.datastores.taken.add(job.scoring.output.place.path)
    with refused(ready.tx, Conflict) as refusal:
        ready.retry_failed(job.name)
    assert "is not generation 1" in refusal.text


def test_overrides_of_a_run_that_came_to_nothing_do_not_last(ready: Bench) -> None:
    job = completed(ready)
    again = ready.retry_failed(job.name, overrides=Overrides(timeout_s=99.0))
    assert again.settings.retry.timeout_s == 99.0
    (rerun,) = again.reruns
    ready.tx.change_job(job.name, status=JobStatus.COMPLETED, reruns=(replace(rerun, undone=rerun.before),))
    assert ready.retry_failed(job.name).settings.retry.timeout_s == 30.0
