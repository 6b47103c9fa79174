"""Places that jobs publish to are theirs until they end, with all that lies in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import PipelineSpec, StepOutput
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, StepOf
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import AssetId, DatastorePath
from batchyard.ports.job_leases import JobChange
from batchyard.records.database import DatabaseRecords
from batchyard.records.tables import reservations

MakeJob = Callable[..., Job]


def pipeline(name: str, **outputs: tuple[str, PortType]) -> Job:
    """A pipeline job that publishes these outputs: path and type by name."""
    places = {
        output: StepOutput(DatastorePath("workspaceblobstore", path), type) for output, (path, type) in outputs.items()
    }
    component = AssetId("train", "1")
    spec = PipelineSpec(name, "digits", "blue", 3, "default", component, PipelineSettings("cpu"), outputs=places)
    return Job(spec, JobStatus.QUEUED, 100.0, "ada", phases={"queued": 100.0})


def add(records: DatabaseRecords, *jobs: Job) -> None:
    with records.writing() as tx:
        for job in jobs:
            tx.jobs.add(job)


@pytest.mark.parametrize(("first", "second"), [("a/b", "a/b/c"), ("a/b/c", "a/b"), ("a", "a/b/c/d"), ("a/b/c/d", "a")])
def test_a_place_in_or_above_a_reserved_folder_is_refused(
    records: DatabaseRecords, make_job: MakeJob, first: str, second: str
) -> None:
    add(records, make_job("one", path=first))
    with pytest.raises(Conflict, match=rf"is reserved with azureml://\S+/paths/{first} by job 'one', which is Queued"):
        add(records, make_job("two", path=second))


def test_a_file_in_a_reserved_folder_is_refused_and_a_folder_above_a_reserved_file(
    records: DatabaseRecords, make_job: MakeJob
) -> None:
    add(records, make_job("one", path="a"), make_job("two", path="b/c", file_name="x.csv", into_existing=True))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("three", path="a/b", file_name="x.csv", into_existing=True))
    with pytest.raises(Conflict, match="'two'"):
        add(records, make_job("three", path="b"))


@pytest.mark.parametrize("path", ["a/bc", "a/b-c", "a/b.c", "a/b0", "a/c", "ab", "a/B"])
def test_a_place_whose_name_only_begins_alike_is_free(records: DatabaseRecords, make_job: MakeJob, path: str) -> None:
    add(records, make_job("one", path="a/b"), make_job("two", path=path))


def test_a_pipeline_job_reserves_each_of_its_outputs(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, pipeline("p", model=("out/model", PortType.MLFLOW_MODEL), report=("r/a.html", PortType.URI_FILE)))
    for path, into_existing in (("out/model", False), ("out/model/x", False), ("r", True)):
        with pytest.raises(Conflict, match=r"reserved (with \S+ )?by job 'p'"):
            add(records, make_job("one", path=path, file_name="a.html", into_existing=into_existing))
    add(records, make_job("one", path="r", file_name="b.html", into_existing=True))


def test_two_outputs_of_one_job_need_places_of_their_own(records: DatabaseRecords) -> None:
    with pytest.raises(Conflict, match=r"azureml://\S+/paths/out and the output \S+/paths/out/b are one place, or one"):
        add(records, pipeline("p", a=("out", PortType.URI_FOLDER), b=("out/b", PortType.URI_FOLDER)))


def test_a_step_reserves_nothing(records: DatabaseRecords, make_job: MakeJob) -> None:
    parent = pipeline("p", scores=("out", PortType.URI_FOLDER))
    step = make_job("p-score", path="out")
    add(records, parent, replace(step, step_of=StepOf("p", "score")))


def test_a_pipeline_job_that_ends_gives_all_its_places_back(records: DatabaseRecords) -> None:
    outputs = {"a": ("out/a", PortType.URI_FOLDER), "b": ("out/b", PortType.URI_FOLDER)}
    add(records, pipeline("one", **outputs))
    with records.writing() as tx:
        for status in (JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FAILED):
            tx.jobs.advance_pipeline("one", [JobChange(status)])
    add(records, pipeline("two", **outputs))


def test_no_place_stays_reserved_without_a_job(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one"), pipeline("two", a=("out/a", PortType.URI_FOLDER)))
    with records.writing() as tx:
        tx.jobs.request_cancel("one", now=1.0)
        tx.jobs.request_cancel("two", now=1.0)
        assert _reserved(tx) == 0


def _reserved(tx: object) -> int:
    jobs = tx.jobs
    query = select(func.count()).select_from(reservations).where(reservations.c.scope == jobs._scope)
    return int(jobs._connection.execute(query).scalar_one())
