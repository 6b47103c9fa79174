"""What the steps of a pipeline add up to, and how they are shown."""

from __future__ import annotations

from dataclasses import replace

from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError
from batchyard.domain.resource_ids import AssetId
from batchyard.domain.step_trees import StepNode
from batchyard.wire.pipelines.step_trees import steps_cli_from_arm, steps_to_arm

SPEC = PipelineSpec("job", "", "", 0, "", AssetId("c", "1"), PipelineSettings())
ENDED = {"queued": 10.0, "preparing": 11.0, "running": 13.0, "ended": 20.0}


def job(name: str, status: JobStatus, counts: Counts | None = None, **more: object) -> Job:
    made = Job(replace(SPEC, job=name), status, 10.0, "ada", counts=counts or Counts(), phases=ENDED)
    return replace(made, **more)


SCORED = job("s", JobStatus.COMPLETED, Counts(items=5, succeeded=4, failed=1, mini_batches=3))
TREE = (
    StepNode("prepare", "command", job("p", JobStatus.COMPLETED, reused_from="older")),
    StepNode("inner", "pipeline", job("i", JobStatus.RUNNING), (StepNode("score", "parallel", SCORED),)),
    StepNode("train", "command", job("t", JobStatus.FAILED, error=JobError("X", "exit code 3", ErrorClass.SCRIPT))),
    StepNode("judge", "command", None),
)


def test_a_pipeline_sums_the_phases_and_items_of_its_steps_but_not_of_inner_pipelines_themselves() -> None:
    found = steps_to_arm(TREE)

    assert found["stepDurations"] == {"preparing_s": 6.0, "queued_s": 3.0, "running_s": 21.0, "total_s": 30.0}
    assert found["counts"]["items"] == 5
    assert found["counts"]["failed"] == 1


def test_each_step_says_what_became_of_it() -> None:
    prepare, inner, train, judge = steps_cli_from_arm(steps_to_arm(TREE))

    assert (prepare["status"], prepare["reused_from"], prepare["seconds"]) == ("Completed", "older", 9.0)
    assert (inner["type"], inner["seconds"]) == ("pipeline", None)
    assert [(step["step"], step["message"]) for step in inner["steps"]] == [("score", "1 of 5 items failed")]
    assert (train["status"], train["message"]) == ("Failed", "exit code 3")
    assert (judge["status"], judge["job"], judge["reused_from"]) == ("NotStarted", None, None)


def test_what_has_no_steps_says_nothing_of_them() -> None:
    assert steps_to_arm(()) == {}
