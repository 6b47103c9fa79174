"""What a command logs through MLflow is in the record of its job when it has ended, however it ended."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.logged import Logged
from batchyard.engine.steps.logged import take_logged
from tests.support.direct import DirectHome

STORE = Path(__file__).parents[1] / "unit/engine/mlflow_stores/skinny-3.17"
# What MLflow would write at the place that it is told.
LOG = f'cp -r {STORE} "${{MLFLOW_TRACKING_URI#file://}}"'


def run(direct: DirectHome, command: str, **given: object) -> Job:
    direct.submit_command("job", command, **given)
    return direct.run_next()


@pytest.mark.parametrize(("end", "status"), [("", JobStatus.COMPLETED), ("; exit 3", JobStatus.FAILED)])
def test_params_metrics_and_artifacts_are_kept_also_of_a_command_that_failed(
    direct: DirectHome, end: str, status: JobStatus
) -> None:
    job = run(direct, LOG + end)
    assert job.status is status, job.error
    assert job.logged.params["rate"] == "0.5"
    assert job.logged.metrics["loss"].last == 0.25
    assert (direct.logs_of("job") / "artifacts/notes/deep/note.txt").read_text() == "hello\n"
    assert not (direct.logs_of("job") / "logs/mlflow.txt").exists()
    assert not list((direct.home / "jobs/job").glob("scratch-*"))


def test_what_was_logged_before_a_time_limit_is_kept(direct: DirectHome) -> None:
    job = run(direct, LOG + "; sleep 600", timeout_s=2.0)
    assert job.status is JobStatus.FAILED
    assert job.logged.params["rate"] == "0.5"


def test_a_command_that_logs_nothing_has_logged_nothing(direct: DirectHome) -> None:
    assert run(direct, "true").logged == Logged()
    assert not (direct.logs_of("job") / "artifacts").exists()


def test_a_damaged_store_is_told_and_fails_no_job(direct: DirectHome) -> None:
    job = run(direct, LOG + '; find "${MLFLOW_TRACKING_URI#file://}" -name loss -exec sh -c "echo x > {}" ";"')
    assert job.status is JobStatus.COMPLETED, job.error
    assert job.logged.params["rate"] == "0.5"
    assert "metric 'loss' could not be read" in (direct.logs_of("job") / "logs/mlflow.txt").read_text()
    direct.submit_command("two", 'touch "${MLFLOW_TRACKING_URI#file://}"')
    assert direct.run_next().status is JobStatus.COMPLETED


def test_a_script_logs_under_the_experiment_of_its_job_unless_it_has_a_server_of_its_own(direct: DirectHome) -> None:
    seen = "env > seen; grep -q MLFLOW_EXPERIMENT_NAME=nightly seen && grep -q MLFLOW_TRACKING_URI=http://mine seen"
    job = run(direct, seen, experiment_name="nightly", environment_variables={"MLFLOW_TRACKING_URI": "http://mine"})
    assert job.status is JobStatus.COMPLETED, job.error


def test_the_owner_that_publishes_what_another_one_sealed_keeps_what_was_logged(direct: DirectHome) -> None:
    job = direct.submit_command("job", LOG)
    home = direct.rooms.homes.open("job")
    shutil.copytree(STORE, home.path("scratch-1/mlruns"))
    logged = take_logged(direct.rooms, replace(job, fence=2), home)
    assert logged is not None
    assert logged.params["rate"] == "0.5"
