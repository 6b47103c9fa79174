"""Deployments that are pinned to a path of their own, and who may publish where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.errors import InvalidInput, PlaceRefused
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Invocation, Job
from batchyard.domain.resource_ids import DatastorePath, Reference

from .bench import DRAFT, INVOCATION, Bench


def place(path: str) -> DatastorePath:
    return DatastorePath("workspaceblobstore", path)


def pinned(path: str) -> ExecutionSettings:
    return ExecutionSettings(output_path=place(path))


def at(path: str, *, deployment: str | None = None, is_file: bool = False) -> Invocation:
    return replace(INVOCATION, deployment=deployment, output_path=place(path), output_is_file=is_file)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """`blue`, the default, is pinned to prod/digits, and `green` to candidates/green; `grey` to nothing."""
    bench.deploy("blue", settings=pinned("prod/digits"))
    bench.deploy("green", settings=pinned("candidates/green"))
    bench.deploy("grey")
    bench.set_default("blue")
    return bench


def where(job: Job) -> str:
    return str(job.scoring.output.place.path)


def test_jobs_publish_below_the_path_of_their_deployment(two: Bench) -> None:
    assert where(two.invoke()) == "prod/digits/job1/score"
    assert where(two.invoke(replace(INVOCATION, deployment="green"))) == "candidates/green/job2/score"
    assert where(two.invoke(replace(INVOCATION, deployment="grey"))) == "azureml/job3/score"


@pytest.mark.parametrize("path", ["prod/digits", "prod/digits/x", "prod//digits/./x", "prod", "prod/digits/a/../b"])
@pytest.mark.parametrize("deployment", ["green", "grey"])
def test_no_other_deployment_writes_into_a_pinned_path_or_above_it(two: Bench, path: str, deployment: str) -> None:
    with pytest.raises(PlaceRefused, match="where only deployment 'blue' of endpoint 'digits' publishes to"):
        two.invoke(at(path, deployment=deployment))


def test_a_file_in_a_pinned_path_is_refused_too(two: Bench) -> None:
    with pytest.raises(PlaceRefused, match="'blue'"):
        two.invoke(at("prod/digits/a.csv", deployment="grey", is_file=True))


def test_a_default_is_kept_out_of_the_path_of_a_candidate(two: Bench) -> None:
    with pytest.raises(PlaceRefused, match="'green'"):
        two.invoke(at("candidates/green/x"))


@pytest.mark.parametrize("path", ["candidates/blue", "candidates", "candidates/greenish", "elsewhere"])
def test_a_pinned_deployment_that_is_not_the_default_stays_in_its_path(two: Bench, path: str) -> None:
    with pytest.raises(PlaceRefused, match=r"expected a place in 'azureml://\S+/candidates/green'"):
        two.invoke(at(path, deployment="green"))
    assert where(two.invoke(at("candidates/green/monday", deployment="green"))) == "candidates/green/monday"


def test_the_default_may_publish_elsewhere_and_a_deployment_without_a_path_too(two: Bench) -> None:
    assert where(two.invoke(at("elsewhere"))) == "elsewhere"
    assert where(two.invoke(at("prod/digitsies", deployment="grey"))) == "prod/digitsies"


def test_a_place_that_is_refused_is_told_with_all_other_mistakes(two: Bench) -> None:
    asked = replace(at("prod/digits", deployment="grey"), job_name="no good")
    with pytest.raises(PlaceRefused) as caught:
        two.invoke(asked)
    assert [mistake.field for mistake in caught.value.mistakes] == ["job_name", "output_path"]


def test_the_path_of_a_revision_that_serves_counts_while_the_next_one_is_not_there(two: Bench) -> None:
    two.environment("env", "2", conda_file="dependencies: [six]")
    environment = Reference("environments", "env", "2")
    _, operation = two.put(replace(DRAFT, settings=pinned("prod/next"), environment=environment))
    two.fail(operation)
    for path in ("prod/digits/x", "prod/next/x"):
        with pytest.raises(PlaceRefused):
            two.invoke(at(path, deployment="grey"))


@pytest.mark.parametrize("path", ["prod/digits", "prod", "prod/digits/green"])
def test_two_deployments_cannot_be_pinned_to_one_path_or_one_in_the_other(two: Bench, path: str) -> None:
    with pytest.raises(InvalidInput, match="where deployment 'blue' of endpoint 'digits' publishes to"):
        two.deploy("red", settings=pinned(path))


@pytest.mark.parametrize("path", ["", "..", "a/../../b", "azureml", "azureml/x"])
def test_a_path_that_cannot_be_one_deployments_is_refused(two: Bench, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"settings\.output_path"):
        two.deploy("red", settings=pinned(path))


def test_an_unknown_datastore_is_refused(two: Bench) -> None:
    settings = ExecutionSettings(output_path=DatastorePath("workspaceblobstor", "x"))
    with pytest.raises(InvalidInput, match="workspaceblobstore"):
        two.deploy("red", settings=settings)


def test_a_job_is_not_taken_up_again_where_another_deployment_was_pinned_since(two: Bench) -> None:
    job = two.invoke(at("later/x", deployment="grey"))
    two.tx.change_job(job.name, status=JobStatus.FAILED)
    two.deploy("red", settings=pinned("later"))
    with pytest.raises(PlaceRefused, match="'red'"):
        two.resume(job.name)
