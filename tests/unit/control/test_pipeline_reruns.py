"""Pipeline jobs that are cancelled, resumed, and looked at by what might take away what they need."""

from __future__ import annotations

import pytest

from batchyard.control import computes, endpoints, jobs
from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import Conflict, InvalidInput
from batchyard.domain.job_states import JobStatus

from .bench import NOW, OWNER
from .fakes import refused
from .pipeline_bench import Pipelines, step


def test_a_resumed_pipeline_runs_what_has_not_finished_and_nothing_else(pipelines: Pipelines) -> None:
    pipelines.pipeline(one=step(), two=step(), after_one=step(data="one"))
    pipelines.begin()
    pipelines.tick()
    pipelines.end("one")
    pipelines.end("two", status=JobStatus.FAILED)
    pipelines.tick()
    assert pipelines.job().status is JobStatus.FAILED

    again = pipelines.bench.resume("p", reason="fixed")
    pipelines.tick()

    assert (again.status, again.run, again.error) == (JobStatus.RUNNING, 2, None)
    assert pipelines.states() == {"one": "Completed", "two": "Queued", "after_one": "Queued"}
    assert (pipelines.child("one").run, pipelines.child("two").run) == (1, 2)
    rows = [(row.target, row.reason) for row in pipelines.tx.entries if row.action == "jobs/resume"]
    assert rows == [(f"jobs/{pipelines.child('two').name}", "fixed"), ("jobs/p", "fixed")]


def test_a_resume_reaches_the_steps_of_inner_pipelines(pipelines: Pipelines) -> None:
    pipelines.pipeline("inside", one=step())
    pipelines.pipeline(outer=step("inside"))
    pipelines.begin()
    pipelines.tick()
    pipelines.tick()
    pipelines.end("outer", "one", status=JobStatus.FAILED)
    pipelines.tick()
    assert pipelines.tick().status is JobStatus.FAILED

    pipelines.bench.resume("p")

    assert pipelines.child("outer").status is JobStatus.RUNNING
    assert pipelines.child("outer", "one").status is JobStatus.QUEUED
    pipelines.end("outer", "one")
    pipelines.tick()
    assert pipelines.tick().status is JobStatus.COMPLETED


def test_a_resumed_pipeline_is_cancelled_with_its_steps(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first", status=JobStatus.FAILED)
    chain.tick()
    chain.bench.resume("p")
    jobs.cancel(chain.tx, OWNER, "p", now=NOW + 10)

    chain.tick()

    assert chain.states() == {"first": "Canceled"}
    assert chain.tick().status is JobStatus.CANCELED


def test_a_step_goes_on_with_its_pipeline_and_not_by_itself(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first", status=JobStatus.FAILED)
    chain.tick()

    with refused(chain.tx, Conflict) as refusal:
        chain.bench.resume(chain.child("first").name)
    assert "`batchyard job resume -n p`" in refusal.text


def test_the_steps_of_a_pipeline_take_no_other_settings_when_they_are_resumed(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first", status=JobStatus.FAILED)
    chain.tick()

    with refused(chain.tx, InvalidInput) as refusal:
        chain.bench.resume("p", overrides=Overrides(timeout_s=5.0, mini_batch_size=2))
    assert refusal.fields == ["mini_batch_size", "timeout_s"]


@pytest.mark.parametrize("name", ["p", "child1"])
def test_neither_a_pipeline_nor_a_command_is_paused(chain: Pipelines, name: str) -> None:
    chain.tick()
    with refused(chain.tx, Conflict) as refusal:
        jobs.pause(chain.tx, OWNER, name, now=NOW)
    assert "cannot be paused" in refusal.text


@pytest.mark.parametrize("name", ["p", "child1"])
def test_neither_a_pipeline_nor_a_command_has_items_to_retry(chain: Pipelines, name: str) -> None:
    chain.tick()
    chain.end("first", status=JobStatus.FAILED)
    chain.tick()
    with refused(chain.tx, Conflict) as refusal:
        chain.bench.retry_failed(name)
    assert "scores no items" in refusal.text


def test_a_pipeline_goes_on_when_its_endpoint_is_deleted(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first")
    endpoints.delete(chain.tx, OWNER, "digits", now=NOW)

    chain.tick()

    assert chain.states() == {"first": "Completed", "second": "Queued"}


def test_a_compute_that_a_step_still_needs_is_not_deleted(pipelines: Pipelines) -> None:
    for name in ("big", "bigger", "free"):
        pipelines.bench.compute(name)
    pipelines.pipeline("inside", one=step(compute="bigger"))
    pipelines.pipeline(first=step(), second=step("inside", data="first"), third=step(data="first", compute="big"))
    pipelines.begin()
    pipelines.tick()

    for name in ("cpu", "big", "bigger"):
        with refused(pipelines.tx, Conflict) as refusal:
            computes.delete(pipelines.tx, OWNER, name, read=pipelines.read, now=NOW)
        assert "job p" in refusal.text
    assert computes.delete(pipelines.tx, OWNER, "free", read=pipelines.read, now=NOW)


def test_a_preflight_counts_the_steps_that_wait_and_not_their_pipeline(pipelines: Pipelines) -> None:
    pipelines.pipeline(one=step(instance_count=2))
    pipelines.bench.deploy()
    pipelines.bench.set_default("blue")
    pipelines.begin()
    pipelines.tick()

    findings, _ = pipelines.bench.preflight()

    told = [finding.found for finding in findings if finding.check == "compute"]
    assert "later, behind 'child1'" in told[0]
