"""Pipeline jobs and their steps in both databases: rows alone tell how far one is, whoever looks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from batchyard.control import pipeline_runs, registry
from batchyard.domain.assets import AssetKind, Component, Environment
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Conflict, NotFound
from batchyard.domain.job_specs import (
    CommandSpec,
    InputKind,
    InputSource,
    PipelineSpec,
    StepData,
    StepOutput,
)
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError, Owner, RerunKind, StepOf, taken_up_again
from batchyard.domain.pipelines.components import InputPort, OutputPort, PortType, Signature
from batchyard.domain.resource_ids import AssetId, DatastorePath, Scope
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import JobFilter, Records
from batchyard.records.database import DatabaseRecords, open_records
from batchyard.wire.pipelines.definitions import read_definition

MakeJob = Callable[..., Job]
Race = Callable[[Sequence[Callable[[], str]]], list[str]]
DATA = StepData(InputSource(InputKind.FOLDER, "azureml://datastores/d/paths/in"), PortType.URI_FOLDER)
OUTPUT = StepOutput(DatastorePath("d", "out"), PortType.URI_FOLDER)
RUNNING = [JobChange(JobStatus.PREPARING, phases={"preparing": 2.0}), JobChange(JobStatus.RUNNING)]
COMMAND = {
    "type": "command",
    "command": "cp ${{inputs.data}}/* ${{outputs.out}}",
    "environment": "azureml:env:1",
    "inputs": {"data": {"type": "uri_folder"}},
    "outputs": {"out": {"type": "uri_folder"}},
}


def pipeline(name: str = "p", *, component: str = "steps") -> Job:
    spec = PipelineSpec(
        job=name,
        endpoint="digits",
        deployment="steps",
        deployment_revision=2,
        routed_by="default",
        component=AssetId(component, "1"),
        settings=PipelineSettings(default_compute="cpu", force_rerun=True),
        inputs={"data": DATA, "rate": 0.5, "deep": True, "count": 3, "word": "x"},
        outputs={"result": replace(OUTPUT, place=DatastorePath("d", f"{name}-out"), registers=AssetId("m", "4"))},
        experiment_name="trials",
    )
    return Job(spec, JobStatus.QUEUED, 1.0, "ada", phases={"queued": 1.0})


def step(name: str, *, of: str = "p", status: JobStatus = JobStatus.QUEUED) -> Job:
    spec = CommandSpec(
        job=f"{of}-{name}",
        endpoint="digits",
        deployment="steps",
        deployment_revision=2,
        routed_by="default",
        component=AssetId("run", "1"),
        signature=Signature(
            {"data": InputPort(PortType.URI_FOLDER), "rate": InputPort(PortType.NUMBER, default=0.5, allowed=(1, 0.5))},
            {"out": OutputPort(PortType.URI_FOLDER)},
        ),
        command="x",
        compute="cpu",
        environment=AssetId("env", "1"),
        inputs={"data": DATA, "rate": 1},
        outputs={"out": OUTPUT},
        timeout_s=4.5,
    )
    return Job(spec, status, 2.0, "ada", step_of=StepOf(of, name))


def add(records: Records, *jobs: Job) -> None:
    with records.writing() as tx:
        tx.documents.save(registry.compute_key("cpu"), Compute("cpu", max_instances=2), actor="ada", now=1.0)
        for job in jobs:
            tx.jobs.add(job)


def test_a_pipeline_and_its_steps_come_back_as_they_were_added(records: DatabaseRecords) -> None:
    add(records, pipeline(), step("one"))
    with records.reading() as tx:
        assert tx.jobs.get("p") == pipeline()
        assert tx.jobs.steps_of("p") == {"one": step("one")}


def test_steps_are_those_of_one_job_and_no_inner_ones(records: DatabaseRecords) -> None:
    inner = replace(pipeline("p-inner"), step_of=StepOf("p", "inner"))
    add(records, pipeline(), pipeline("q"), inner, step("one"), step("two", of="p-inner"), step("one", of="q"))
    with records.reading() as tx:
        assert list(tx.jobs.steps_of("p")) == ["inner", "one"]
        assert list(tx.jobs.steps_of("p-inner")) == ["two"]
        assert tx.jobs.steps_of("nobody") == {}
        assert tx.jobs.step_states("p") == {"inner": JobStatus.QUEUED, "one": JobStatus.QUEUED}


def test_a_step_begins_once(records: DatabaseRecords) -> None:
    add(records, pipeline(), step("one"))
    again = step("one")
    again = replace(again, spec=replace(again.spec, job="another"))
    with pytest.raises(Conflict), records.writing() as tx:
        tx.jobs.add(again)
    with records.reading() as tx:
        assert list(tx.jobs.steps_of("p").values()) == [step("one")]


def test_lists_leave_steps_out_unless_they_are_asked_for(records: DatabaseRecords) -> None:
    add(records, pipeline(), step("one"))
    with records.reading() as tx:
        assert [job.name for job in tx.jobs.list(JobFilter()).items] == ["p"]
        assert [job.name for job in tx.jobs.list(JobFilter(parent="p")).items] == ["p-one"]
        assert [job.name for job in tx.jobs.list(JobFilter(with_steps=True)).items] == ["p-one", "p"]


def test_only_pipelines_that_are_not_final_are_at_work(records: DatabaseRecords, make_job: MakeJob) -> None:
    done = replace(pipeline("done"), status=JobStatus.COMPLETED)
    add(records, make_job("scores"), pipeline("a"), done, step("one", of="a"), pipeline("b"))
    with records.reading() as tx:
        assert [job.name for job in tx.jobs.pipelines_at_work()] == ["a", "b"]


def test_pipelines_of_another_workspace_are_not_seen(records: DatabaseRecords, workspace: tuple[str, Scope]) -> None:
    add(records, pipeline(), step("one"))
    elsewhere = open_records(workspace[0], Scope("sub", "group", uuid.uuid4().hex))
    with elsewhere.reading() as tx:
        assert tx.jobs.pipelines_at_work() == []
        assert tx.jobs.steps_of("p") == {}
    elsewhere.close()


def test_a_pipeline_is_claimed_by_nobody_and_holds_no_instances(records: DatabaseRecords) -> None:
    add(records, pipeline(), step("one"))
    with records.writing() as tx:
        tx.jobs.advance_pipeline("p", RUNNING)
        claimed = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=3.0)
        assert claimed is not None and claimed.name == "p-one"
        assert tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=3.0) is None
        assert [holding.name for holding in tx.job_leases.held()] == ["p-one"]


def test_a_pipeline_goes_through_its_states_and_keeps_what_each_tells(records: DatabaseRecords) -> None:
    add(records, pipeline())
    error = JobError("StepFailed", "Step 'one' failed", ErrorClass.SCRIPT)
    with records.writing() as tx:
        tx.jobs.advance_pipeline("p", [*RUNNING, JobChange(JobStatus.RUNNING, error=error)])
    with records.writing() as tx:
        ended = tx.jobs.advance_pipeline("p", [JobChange(JobStatus.FAILED, phases={"ended": 9.0})])
    assert (ended.status, ended.error, ended.owner) == (JobStatus.FAILED, error, None)
    assert ended.phases == {"queued": 1.0, "preparing": 2.0, "ended": 9.0}
    with records.reading() as tx:
        assert tx.jobs.get("p") == ended


def test_an_illegal_step_of_a_pipelines_life_changes_nothing(records: DatabaseRecords) -> None:
    add(records, pipeline())
    with pytest.raises(Conflict), records.writing() as tx:
        tx.jobs.advance_pipeline("p", [*RUNNING, JobChange(JobStatus.QUEUED)])
    with pytest.raises(NotFound), records.writing() as tx:
        tx.jobs.advance_pipeline("nobody", RUNNING)
    with records.reading() as tx:
        assert tx.jobs.get("p") == pipeline()


def test_a_cancelled_pipeline_that_waits_ends_at_once_and_one_at_work_when_it_is_told(records: DatabaseRecords) -> None:
    add(records, pipeline("waits"), pipeline("works"))
    with records.writing() as tx:
        tx.jobs.advance_pipeline("works", RUNNING)
        assert tx.jobs.request_cancel("waits", now=5.0).status is JobStatus.CANCELED
        asked = tx.jobs.request_cancel("works", now=5.0)
        assert (asked.status, asked.cancel_requested) == (JobStatus.CANCEL_REQUESTED, True)
        assert tx.jobs.advance_pipeline("works", [JobChange(JobStatus.CANCELED)]).status is JobStatus.CANCELED


def test_a_pipeline_and_its_steps_are_taken_up_again(records: DatabaseRecords) -> None:
    add(records, replace(pipeline(), status=JobStatus.FAILED), step("one", status=JobStatus.FAILED))
    with records.writing() as tx:
        for job in (tx.jobs.steps_of("p")["one"], tx.jobs.get("p")):
            assert job is not None
            tx.jobs.take_up_again(taken_up_again(job, RerunKind.RESUME, asked_by="bob", now=7.0))
    with records.reading() as tx:
        again, child = tx.jobs.get("p"), tx.jobs.steps_of("p")["one"]
    assert again is not None
    assert [(job.status, job.run) for job in (again, child)] == [(JobStatus.QUEUED, 2)] * 2
    assert child.step_of == StepOf("p", "one")


def test_several_engines_begin_every_step_once_and_end_the_pipeline(records: DatabaseRecords, race: Race) -> None:
    names = ["a", "b", "left", "right", "joined"]
    needed = {"left": "a", "right": "a", "joined": "left"}
    sources = {name: f"jobs.{needed[name]}.outputs.out" if name in needed else "inputs.data" for name in names}
    jobs = {
        name: {"component": "azureml:run:1", "inputs": {"data": f"${{{{parent.{source}}}}}"}}
        for name, source in sources.items()
    }
    graph = {"type": "pipeline", "inputs": {"data": {"type": "uri_folder"}}, "jobs": jobs}
    add(records)
    with records.writing() as tx:
        for name, spec in (("run", COMMAND), ("steps", graph)):
            key = registry.asset_key(AssetKind.COMPONENT, name, "1")
            tx.documents.save(key, Component(name, "1", spec), actor="ada", now=1.0)
        key = registry.asset_key(AssetKind.ENVIRONMENT, "env", "1")
        tx.documents.save(key, Environment("env", "1"), actor="ada", now=1.0)
        tx.jobs.add(pipeline())
    deadline = time.monotonic() + 60

    def serve() -> str:
        begun = 0
        while time.monotonic() < deadline:
            with records.writing() as tx:
                before = len(tx.jobs.steps_of("p"))
                pipeline_runs.advance(tx, "p", read=read_definition, new_name=lambda: uuid.uuid4().hex, now=3.0)
                begun += len(tx.jobs.steps_of("p")) - before
                job = tx.jobs.get("p")
            assert job is not None
            if job.status in FINAL:
                assert job.status is JobStatus.COMPLETED, job.error
                return str(begun)
            with records.writing() as tx:
                claimed = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=4.0)
                for status in (JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED) if claimed else ():
                    assert claimed is not None
                    tx.job_leases.advance(claimed.name, fence=claimed.fence, change=JobChange(status))
        return "too slow"

    assert sum(map(int, race([serve] * 3))) == len(names)
    with records.reading() as tx:
        steps = tx.jobs.steps_of("p")
    assert {name: (job.status, job.run, job.fence) for name, job in steps.items()} == dict.fromkeys(
        names, (JobStatus.COMPLETED, 1, 1)
    )
    assert list(steps).index("joined") > list(steps).index("left") > list(steps).index("a")
