"""Pipeline jobs, from step to step: what a step is given when it begins, and what becomes of the pipeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control.pipeline_runs import MOST_AT_ONCE
from batchyard.domain.access import Action
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.job_specs import InputKind, InputSource, PipelineSpec, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.pipelines.components import InputMode, InputPort, OutputMode, PortType
from batchyard.domain.pipelines.definitions import ParallelDefinition, ParallelSettings, ParallelTask
from batchyard.domain.pipelines.graphs import Fixed, FixedData, FromPipeline, FromStep
from batchyard.domain.resource_ids import AssetId, Reference

from .bench import INPUT, NOW
from .pipeline_bench import COMMAND, DATA, ENVIRONMENT, FILE, FOLDER, NUMBER, Pipelines, step, with_definition

RESULTS = "azureml://datastores/workspaceblobstore/paths/results"


def test_the_first_step_begins_and_the_pipeline_runs(chain: Pipelines) -> None:
    job = chain.tick()

    assert job.status is JobStatus.RUNNING
    assert job.phases == {"queued": NOW, "preparing": NOW + 5, "running": NOW + 5}
    child = chain.child("first")
    assert (child.status, child.created_by, child.tags) == (JobStatus.QUEUED, "ada", {"team": "x"})
    assert chain.states() == {"first": "Queued"}


def test_a_step_is_frozen_with_all_that_its_run_depends_on(chain: Pipelines) -> None:
    chain.tick()

    spec = chain.command("first")
    assert (spec.endpoint, spec.deployment, spec.deployment_revision, spec.routed_by) == (
        "digits",
        "steps",
        2,
        "default",
    )
    assert (spec.component, spec.environment, spec.code) == (
        AssetId("run", "1"),
        AssetId("env", "1"),
        AssetId("src", "1"),
    )
    assert (spec.command, spec.signature, spec.compute) == (COMMAND.command, COMMAND.signature, "cpu")
    assert spec.code_seal is not None and spec.build is None
    assert spec.experiment_name == "trials"


def test_nothing_is_done_twice_while_a_step_is_at_work(chain: Pipelines) -> None:
    chain.tick()
    before = chain.tx.snapshot()

    chain.tick()

    assert chain.tx.snapshot() == before


def test_a_step_takes_what_another_gave(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first")
    chain.tick()

    given = chain.command("second").inputs["data"]
    assert isinstance(given, StepData)
    assert given.source == InputSource(InputKind.FOLDER, str(chain.command("first").outputs["out"].place))


def test_the_pipeline_is_completed_once_its_steps_are(chain: Pipelines) -> None:
    for name in ("first", "second"):
        chain.tick()
        chain.end(name)

    job = chain.tick()

    assert job.status is JobStatus.COMPLETED
    assert sorted(job.phases) == ["ended", "finalizing", "preparing", "queued", "running"]


def test_outputs_go_where_the_pipelines_do_or_to_the_steps_own_place(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first")
    chain.tick()

    first, second = chain.command("first"), chain.command("second")
    assert str(second.outputs["out"].place) == RESULTS
    own = f"azureml://datastores/workspaceblobstore/paths/azureml/{first.job}"
    assert {name: str(one.place) for name, one in first.outputs.items()} == {
        "out": f"{own}/out",
        "report": f"{own}/report",
    }


def test_steps_whose_outputs_nobody_places_write_to_the_default_datastore(pipelines: Pipelines) -> None:
    pipelines.pipeline(only=step())
    pipelines.begin(settings=PipelineSettings(default_compute="cpu", default_datastore="workspaceartifactstore"))
    pipelines.tick()

    assert pipelines.command("only").outputs["out"].place.datastore == "workspaceartifactstore"


def test_defaults_are_filled_in_and_optional_inputs_that_nobody_gives_are_left_out(chain: Pipelines) -> None:
    chain.tick()

    assert chain.command("first").inputs == {"data": DATA, "rate": 0.5}


def test_values_of_the_pipeline_are_read_as_the_steps_component_has_them(pipelines: Pipelines) -> None:
    pipelines.pipeline(
        inputs={"speed": InputPort(NUMBER)},
        one=step(inputs={"rate": FromPipeline("speed")}),
        two=step(inputs={"rate": Fixed(1)}),
    )
    pipelines.begin(inputs={"speed": "0.25"})
    pipelines.tick()

    assert pipelines.command("one").inputs["rate"] == 0.25
    assert pipelines.command("two").inputs["rate"] == 1


def test_a_default_of_the_pipeline_goes_before_that_of_the_component(pipelines: Pipelines) -> None:
    pipelines.pipeline(
        inputs={"speed": InputPort(NUMBER, default=0.75), "other": InputPort(FILE, is_optional=True)},
        one=step(inputs={"rate": FromPipeline("speed"), "more": FromPipeline("other")}),
    )
    pipelines.begin()
    pipelines.tick()

    assert pipelines.command("one").inputs == {"data": DATA, "rate": 0.75}


def test_a_file_that_a_step_gave_is_a_file(pipelines: Pipelines) -> None:
    pipelines.pipeline(a=step(), b=step(inputs={"more": FromStep("a", "report")}))
    pipelines.begin()
    pipelines.tick()
    pipelines.end("a")
    pipelines.tick()

    given = pipelines.command("b").inputs["more"]
    assert isinstance(given, StepData)
    assert (given.source.kind, given.type) == (InputKind.FILE, FILE)


def test_a_data_asset_that_the_pipeline_names_is_followed(pipelines: Pipelines) -> None:
    pipelines.data("scans", INPUT)
    pipelines.pipeline(one=step(data=FixedData(FOLDER, "azureml:scans:1")))
    pipelines.begin()
    pipelines.tick()

    given = pipelines.command("one").inputs["data"]
    assert isinstance(given, StepData)
    assert given.source == InputSource(InputKind.FOLDER, INPUT, AssetId("scans", "1"))


def test_a_registered_model_that_the_pipeline_names_is_its_sealed_bytes(pipelines: Pipelines) -> None:
    model = pipelines.bench.model("net").document
    pipelines.pipeline(one=step(data=FixedData(PortType.CUSTOM_MODEL, "azureml:net:1")))
    pipelines.begin()
    pipelines.tick()

    given = pipelines.command("one").inputs["data"]
    assert isinstance(given, StepData)
    assert given.source == InputSource(InputKind.FOLDER, model.uri, AssetId("net", "1"), model.sealed)


def test_a_step_may_say_more_than_its_component(pipelines: Pipelines) -> None:
    pipelines.bench.compute("big")
    changes = {
        "compute": "big",
        "environment_variables": {"B": "step", "C": "step"},
        "instance_count": 2,
        "timeout_s": 9.0,
        "input_modes": {"data": InputMode.DOWNLOAD},
        "output_modes": {"out": OutputMode.UPLOAD},
    }
    pipelines.pipeline(one=step(**changes))
    pipelines.begin()
    pipelines.tick()

    spec = pipelines.command("one")
    assert (spec.compute, spec.instance_count, spec.timeout_s) == ("big", 2, 9.0)
    assert spec.environment_variables == {"A": "component", "B": "step", "C": "step"}
    assert spec.outputs["out"].mode is OutputMode.UPLOAD
    given = spec.inputs["data"]
    assert isinstance(given, StepData)
    assert given.mode is InputMode.DOWNLOAD


def test_what_the_component_says_holds_where_the_step_says_nothing(pipelines: Pipelines) -> None:
    definition = with_definition(instance_count=2, timeout_s=7.0, code=None, is_deterministic=False)
    pipelines.component("run", definition)
    pipelines.pipeline(one=step())
    pipelines.begin(settings=PipelineSettings(default_compute="cpu", force_rerun=True))
    pipelines.tick()

    spec = pipelines.command("one")
    assert (spec.instance_count, spec.timeout_s, spec.code, spec.code_seal) == (2, 7.0, None, None)
    assert (spec.is_deterministic, spec.force_rerun) == (False, True)


def test_the_steps_of_an_inner_pipeline_run_in_a_job_of_its_own(pipelines: Pipelines) -> None:
    pipelines.pipeline("inside", one=step(outputs={"out": "result"}))
    pipelines.pipeline(outer=step("inside", outputs={"result": "result"}))
    pipelines.begin()
    pipelines.tick()
    pipelines.tick()

    inner = pipelines.child("outer").spec
    assert isinstance(inner, PipelineSpec)
    assert (inner.component, inner.compute, inner.inputs) == (AssetId("inside", "1"), "cpu", {"data": DATA})
    assert str(pipelines.command("outer", "one").outputs["out"].place) == RESULTS

    pipelines.end("outer", "one")
    pipelines.tick()

    assert pipelines.tick().status is JobStatus.COMPLETED


def test_what_an_inner_pipeline_gave_is_taken_by_the_step_behind_it(pipelines: Pipelines) -> None:
    pipelines.pipeline("inside", one=step(outputs={"out": "result"}))
    pipelines.pipeline(outer=step("inside"), behind=step(data=FromStep("outer", "result")))
    pipelines.begin()
    pipelines.tick()
    pipelines.tick()
    pipelines.end("outer", "one")
    pipelines.tick()
    pipelines.tick()

    given = pipelines.command("behind").inputs["data"]
    assert isinstance(given, StepData)
    assert given.source.uri == str(pipelines.command("outer", "one").outputs["out"].place)


def test_a_failed_step_ends_the_pipeline_and_says_which(chain: Pipelines) -> None:
    chain.tick()
    chain.end("first", status=JobStatus.FAILED)

    job = chain.tick()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "StepFailed"
    assert job.error.message == f"Step 'first' ({chain.child('first').name}) failed: exit code 3"
    assert job.error.log == "user_logs/std_log.txt"
    assert chain.states() == {"first": "Failed"}


def test_the_failure_of_one_step_cancels_the_others_and_is_not_forgotten(pipelines: Pipelines) -> None:
    pipelines.pipeline(one=step(), two=step(), three=step(data="two"))
    pipelines.begin()
    pipelines.tick()
    pipelines.tx.change_job(pipelines.child("two").name, status=JobStatus.RUNNING)
    pipelines.end("one", status=JobStatus.FAILED)

    winding_down = pipelines.tick()
    assert winding_down.status is JobStatus.RUNNING
    assert winding_down.error is not None
    assert pipelines.states() == {"one": "Failed", "two": "CancelRequested"}

    pipelines.end("two", status=JobStatus.FAILED, message="killed")
    job = pipelines.tick()
    assert job.status is JobStatus.FAILED
    assert job.error == winding_down.error


def test_what_does_not_need_a_failed_step_goes_on_where_the_deployment_says_so(pipelines: Pipelines) -> None:
    pipelines.pipeline(one=step(), two=step(), after_one=step(data="one"), after_two=step(data="two"))
    pipelines.begin(settings=PipelineSettings(default_compute="cpu", continue_on_step_failure=True))
    pipelines.tick()
    pipelines.end("one", status=JobStatus.FAILED)
    pipelines.end("two")
    assert pipelines.tick().status is JobStatus.RUNNING
    assert pipelines.states() == {"one": "Failed", "two": "Completed", "after_two": "Queued"}
    pipelines.end("after_two")

    job = pipelines.tick()

    assert job.status is JobStatus.FAILED
    assert job.error is not None and "'one'" in job.error.message


def test_a_cancel_reaches_inner_steps_and_ends_once_they_have(pipelines: Pipelines) -> None:
    pipelines.pipeline("inside", one=step())
    pipelines.pipeline(outer=step("inside"), other=step())
    pipelines.begin()
    pipelines.tick()
    pipelines.tick()
    inner = pipelines.child("outer", "one").name
    pipelines.tx.change_job(inner, status=JobStatus.RUNNING)
    pipelines.tx.jobs.request_cancel("p", now=NOW)

    pipelines.tick()
    job = pipelines.tick()

    assert job.status is JobStatus.CANCEL_REQUESTED
    assert pipelines.states() == {"outer": "CancelRequested", "other": "Canceled"}
    assert pipelines.job(inner).status is JobStatus.CANCEL_REQUESTED
    pipelines.tx.change_job(inner, status=JobStatus.CANCELED)
    pipelines.tick()
    assert pipelines.tick().status is JobStatus.CANCELED
    assert pipelines.job().error is None


def test_a_step_that_cannot_begin_fails_the_pipeline_with_all_that_is_wrong(pipelines: Pipelines) -> None:
    pipelines.pipeline(
        inputs={"speed": InputPort(NUMBER)},
        one=step(data=FixedData(FOLDER, "file:///etc"), inputs={"rate": FromPipeline("speed")}),
    )
    pipelines.component("run", with_definition(environment=Reference("environments", "gone", "1")))
    pipelines.begin(inputs={"speed": 7})

    job = pipelines.tick()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "StepCannotBegin"
    for field in ("inputs.data", "inputs.rate: found 7, expected 0 to 1", "environment: found 'azureml:gone:1'"):
        assert field in job.error.message
    assert pipelines.states() == {}


def test_a_step_that_cannot_begin_ends_those_that_have(pipelines: Pipelines) -> None:
    pipelines.component("many", with_definition(environment=Reference("environments", "gone", "1")))
    pipelines.pipeline(one=step(), two=step("many"))
    pipelines.begin()

    assert pipelines.tick().status is JobStatus.RUNNING
    assert pipelines.states() == {"one": "Canceled"}
    assert pipelines.tick().status is JobStatus.FAILED


def test_a_parallel_step_begins_as_a_job_that_scores(pipelines: Pipelines) -> None:
    task = ParallelTask(Reference("codes", "src", "1"), "score.py", ENVIRONMENT, "--in ${{inputs.data}}")
    pipelines.component("many", ParallelDefinition(COMMAND.signature, task, "data", ParallelSettings(max_retries=1)))
    pipelines.pipeline(one=step("many"))
    pipelines.begin()

    pipelines.tick()

    spec = pipelines.child("one").scoring
    assert spec.step is not None
    assert (spec.step.program_arguments, spec.settings.retry.max_retries) == ("--in ${{inputs.data}}", 1)
    assert (spec.scoring_script, spec.compute, spec.model) == ("score.py", "cpu", None)


def test_a_definition_that_cannot_be_read_any_more_fails_the_pipeline(chain: Pipelines) -> None:
    chain.tick()
    del chain.definitions["steps"]

    chain.tick()
    job = chain.tick()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "PipelineUnreadable"
    assert "steps:1" in job.error.message
    assert chain.states() == {"first": "Canceled"}


def test_every_step_that_begins_is_told_in_the_audit_by_its_pipelines_creator(chain: Pipelines) -> None:
    chain.tick()

    entry = chain.tx.entries[-1]
    assert (entry.actor, entry.target) == ("ada", f"jobs/{chain.child('first').name}")
    assert entry.details == {"pipeline": "p", "step": "first"}


@pytest.mark.parametrize("why", ["the pipeline was cancelled", "the pipeline has failed"])
def test_every_step_that_is_cancelled_with_its_pipeline_is_told_in_the_audit_once(
    pipelines: Pipelines, why: str
) -> None:
    pipelines.pipeline(one=step(), two=step())
    pipelines.begin()
    pipelines.tick()
    pipelines.tx.change_job(pipelines.child("two").name, status=JobStatus.RUNNING)
    if "failed" in why:
        pipelines.end("one", status=JobStatus.FAILED)
    else:
        pipelines.end("one")
        pipelines.tx.jobs.request_cancel("p", now=NOW)

    pipelines.tick()
    pipelines.tick()

    (entry,) = [entry for entry in pipelines.tx.entries if entry.action == Action.JOB_CANCEL.value]
    assert (entry.actor, entry.target, entry.reason) == ("ada", f"jobs/{pipelines.child('two').name}", why)
    assert entry.details == {
        "pipeline": "p",
        "step": "two",
        "status_before": "Running",
        "status_after": "CancelRequested",
    }


def test_a_pipeline_that_never_gives_the_same_twice_uses_no_earlier_result(pipelines: Pipelines) -> None:
    pipelines.pipeline(one=step())
    pipelines.component("steps", replace(pipelines.definitions["steps"], is_deterministic=False))
    pipelines.begin()
    pipelines.tick()

    assert pipelines.command("one").force_rerun


def test_many_steps_begin_some_at_a_time(pipelines: Pipelines) -> None:
    pipelines.pipeline(**{f"s{number}": step() for number in range(MOST_AT_ONCE + 3)})
    pipelines.begin()
    pipelines.tick()
    assert list(pipelines.states()) == [f"s{number}" for number in range(MOST_AT_ONCE)]

    pipelines.tick()

    assert len(pipelines.states()) == MOST_AT_ONCE + 3
