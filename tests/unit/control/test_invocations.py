"""Invocations: everything wrong with one is told at once, and nothing is looked at that the caller may not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchyard.control import deployments
from batchyard.domain.access import Caller
from batchyard.domain.deployments import OutputFormat, Overrides, RetrySettings, output_format_of
from batchyard.domain.errors import Conflict, InvalidInput
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.job_states import JobStatus
from batchyard.domain.resource_ids import DatastorePath

from .bench import INPUT, INVOCATION, OWNER, Bench, settings
from .fakes import refused

SOMEBODY = Caller("sue", frozenset({"Owner"}))


def test_overrides_apply_to_the_job_alone(ready: Bench) -> None:
    overrides = Overrides(
        mini_batch_size=5,
        max_concurrency_per_instance=4,
        instance_count=2,
        max_retries=0,
        timeout_s=9.0,
        error_threshold=0,
        output_file_name="out.csv",
    )
    job = ready.invoke(replace(INVOCATION, overrides=overrides))
    assert job.scoring.settings == settings(
        mini_batch_size=5,
        max_concurrency_per_instance=4,
        instance_count=2,
        retry=RetrySettings(0, 9.0),
        error_threshold=0,
        output_file_name="out.csv",
    )
    assert job.scoring.output.file_name == "out.csv"
    assert not job.scoring.output.into_existing
    assert deployments.get(ready.tx, OWNER, "digits", "blue").document.settings == settings()


def test_everything_wrong_with_an_invocation_is_told_at_once(ready: Bench) -> None:
    ready.datastores.empty.add(INPUT)
    overrides = Overrides(mini_batch_size=0, instance_count=3, max_retries=-1, timeout_s=0, error_threshold=-2)
    wrong = replace(
        INVOCATION,
        overrides=overrides,
        job_name="a job",
        output_path=DatastorePath("nowhere", "out"),
    )
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(wrong)
    assert refusal.fields == [
        "error_threshold",
        "input",
        "instance_count",
        "job_name",
        "mini_batch_size",
        "output_path",
        "retry_settings.max_retries",
        "retry_settings.timeout",
    ]


def test_more_instances_than_the_compute_has_are_refused(ready: Bench) -> None:
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(replace(INVOCATION, overrides=Overrides(instance_count=3)))
    assert "found 3, expected at most 2, the max_instances of compute 'cpu'" in refusal.text


def test_a_compute_that_shrank_under_its_deployment_is_noticed(ready: Bench) -> None:
    ready.deploy("blue", settings=settings(instance_count=2))
    ready.compute("cpu", max_instances=1)
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke()
    assert refusal.fields == ["instance_count"]


def test_a_compute_that_is_gone_is_told(ready: Bench) -> None:
    ready.tx.forget(ready.compute("cpu").key)
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke()
    assert refusal.fields == ["compute"]


def test_a_wished_name_is_kept_and_a_taken_one_refused(ready: Bench) -> None:
    wished = replace(INVOCATION, job_name="nightly-1")
    assert ready.invoke(wished).scoring.output.place.path == "azureml/nightly-1/score"
    with refused(ready.tx, Conflict) as refusal:
        ready.invoke(replace(wished, output_path=DatastorePath("workspaceblobstore", "elsewhere")))
    assert "'nightly-1'" in refusal.text


def test_experiment_and_tags_are_kept(ready: Bench) -> None:
    job = ready.invoke(replace(INVOCATION, experiment_name="trial", tags={"team": "a"}))
    assert (job.spec.experiment_name, job.tags) == ("trial", {"team": "a"})


def test_an_empty_or_missing_input_is_refused(ready: Bench) -> None:
    for uri, told in ((INPUT, "at least one file"), (INPUT + "/none", "that exists")):
        ready.datastores.empty.add(INPUT)
        with refused(ready.tx, InvalidInput) as refusal:
            ready.invoke(replace(INVOCATION, source=InputSource(InputKind.FOLDER, uri)))
        assert refusal.fields == ["input"]
        assert told in refusal.text


def test_the_owner_has_a_local_folder_read_in_place(ready: Bench) -> None:
    source = InputSource(InputKind.FOLDER, "file:///data/in")
    ready.datastores.inputs.add(source.uri)
    assert ready.invoke(replace(INVOCATION, source=source)).scoring.source == source


@pytest.mark.parametrize("uri", ["file:///data/in", "FILE:///data/in", "file:/data/in", "file://host/in"])
def test_nobody_else_does_and_the_folder_is_not_even_looked_at(ready: Bench, uri: str) -> None:
    source = InputSource(InputKind.FOLDER, uri)
    ready.datastores.inputs.add(uri)
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(replace(INVOCATION, source=source), caller=SOMEBODY)
    assert refusal.fields == ["input"]
    assert ready.datastores.checked_inputs == []


@pytest.mark.parametrize("uri", ["", "in", "/data/in", "wasbs://c@a/in", "azureml:digits:1", "azureml://jobs/a"])
def test_an_input_of_another_kind_is_refused(ready: Bench, uri: str) -> None:
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(replace(INVOCATION, source=InputSource(InputKind.FOLDER, uri)))
    assert refusal.fields == ["input"]
    assert ready.datastores.checked_inputs == []


@pytest.mark.parametrize(
    ("path", "is_file", "file_name", "expected"),
    [
        ("out", False, None, ("out", "predictions.csv", False)),
        ("/out//a/", False, None, ("out/a", "predictions.csv", False)),
        ("out/./b/../a", False, None, ("out/a", "predictions.csv", False)),
        ("out", False, "rows.csv", ("out", "rows.csv", True)),
        ("out/rows.csv", True, None, ("out", "rows.csv", True)),
        ("out/rows.csv", True, "rows.csv", ("out", "rows.csv", True)),
        ("rows.csv", True, None, ("", "rows.csv", True)),
        ("", False, "rows.csv", None),
    ],
)
def test_output_goes_where_it_was_asked_for(
    ready: Bench, path: str, is_file: bool, file_name: str | None, expected: tuple[str, str, bool] | None
) -> None:
    asked = replace(
        INVOCATION,
        output_path=DatastorePath("workspaceblobstore", path),
        output_is_file=is_file,
        overrides=Overrides(output_file_name=file_name),
    )
    if expected is None:
        with refused(ready.tx, InvalidInput) as refusal:
            ready.invoke(asked)
        assert refusal.fields == ["output_path"]
        return
    spec = ready.invoke(asked).spec
    assert (spec.output.place.path, spec.output.file_name, spec.output.into_existing) == expected
    assert spec.settings.output_file_name == expected[1]
    assert ready.datastores.checked_outputs == [spec.output]


def test_the_name_in_the_path_decides_the_format_unless_it_contradicts_the_one_asked_for(ready: Bench) -> None:
    place = DatastorePath("workspaceblobstore", "out/a.jsonl")
    asked = replace(INVOCATION, output_path=place, output_is_file=True, overrides=Overrides())
    settings = ready.invoke(asked).scoring.settings
    assert output_format_of(settings) is OutputFormat.JSONL
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(replace(asked, job_name="again", overrides=Overrides(output_format=OutputFormat.CSV)))
    assert refusal.fields == ["output_format"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"output_path": DatastorePath("workspaceblobstore", "../out")}, "output_path"),
        ({"output_path": DatastorePath("workspaceblobstore", "a/../../out")}, "output_path"),
        ({"output_path": DatastorePath("workspaceblobstore", "a\0b")}, "output_path"),
        ({"output_path": DatastorePath("workspaceblobstore", "/")}, "output_path"),
        ({"output_path": DatastorePath("workspaceblobstore", "/"), "output_is_file": True}, "output_path"),
        ({"output_path": DatastorePath("workspaceblobstore", "out/.x"), "output_is_file": True}, "output_path"),
        (
            {
                "output_path": DatastorePath("workspaceblobstore", "out/a.csv"),
                "output_is_file": True,
                "overrides": Overrides(output_file_name="b.csv"),
            },
            "output_file_name",
        ),
        ({"overrides": Overrides(output_file_name="../b.csv")}, "output_file_name"),
        ({"job_name": "../b"}, "job_name"),
    ],
)
def test_an_output_that_cannot_be_is_refused_and_not_looked_at(
    ready: Bench, changes: dict[str, Any], field: str
) -> None:
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(replace(INVOCATION, **changes))
    assert refusal.fields == [field]
    assert ready.datastores.checked_outputs == []


def test_an_output_that_exists_is_refused(ready: Bench) -> None:
    ready.datastores.taken.add("out")
    with refused(ready.tx, Conflict) as refusal:
        ready.invoke(replace(INVOCATION, output_path=DatastorePath("workspaceblobstore", "out")))
    assert "exists already" in refusal.text


def test_a_job_name_that_exists_is_refused_before_its_output_is_looked_at(ready: Bench) -> None:
    ready.invoke(replace(INVOCATION, job_name="mine"))
    ready.datastores.taken.add("azureml/mine/score")
    with refused(ready.tx, Conflict) as refusal:
        ready.invoke(replace(INVOCATION, job_name="mine"))
    assert refusal.text.startswith("A job 'mine' exists already")


def test_an_output_that_exists_is_told_with_the_other_mistakes(ready: Bench) -> None:
    ready.datastores.taken.add("out")
    asked = replace(
        INVOCATION,
        output_path=DatastorePath("workspaceblobstore", "out"),
        overrides=Overrides(mini_batch_size=0),
    )
    with refused(ready.tx, InvalidInput) as refusal:
        ready.invoke(asked)
    assert refusal.fields == ["mini_batch_size", "output_path"]


def test_an_output_that_another_job_will_write_is_refused_naming_it(ready: Bench) -> None:
    asked = replace(INVOCATION, output_path=DatastorePath("workspaceblobstore", "out/a"))
    holder = ready.invoke(asked)
    with refused(ready.tx, Conflict) as refusal:
        ready.invoke(replace(asked, output_path=DatastorePath("workspaceblobstore", "/out//a/")))
    assert repr(holder.name) in refusal.text
    ready.tx.change_job(holder.name, status=JobStatus.FAILED)
    ready.invoke(asked)


def test_an_output_in_the_folder_of_a_job_that_goes_on_is_refused(ready: Bench) -> None:
    first = ready.invoke()
    inside = DatastorePath("workspaceblobstore", first.scoring.output.place.path + "/more")
    with refused(ready.tx, Conflict) as refusal:
        ready.invoke(replace(INVOCATION, output_path=inside))
    assert repr(first.name) in refusal.text
    ready.tx.change_job(first.name, status=JobStatus.COMPLETED)
    assert ready.invoke(replace(INVOCATION, output_path=inside)).scoring.output.place == inside
