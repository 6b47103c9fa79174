"""Results of parallel steps that are used again: when they are, when not, and what stands behind them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import InputKind, InputSource, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, StepOf
from batchyard.domain.outputs.verification import Check, Result
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.pipelines.definitions import ParallelSettings
from batchyard.engine.claim import claim_job, orphans, take_over
from batchyard.engine.job_run import run_job
from batchyard.engine.lineage import JobLineages
from batchyard.engine.verification import JobVerifications
from tests.support.direct import DirectHome
from tests.support.parallel import place_of, submit_step

FOLDER, FILE = PortType.URI_FOLDER, PortType.URI_FILE
BOTH = {"scores": FILE, "images": FOLDER}
SCRIPT = """
import os, sys
def run(paths):
    with open(os.path.join(sys.argv[2], "runs"), "a") as told:
        told.write("run\\n" * len(paths))
    for path in paths:
        if open(path).read() == "bad":
            raise ValueError("bad")
        with open(os.path.join(sys.argv[1], os.path.basename(path)), "w") as image:
            image.write("i")
    return [os.path.basename(path) + open(path).read() for path in paths]
"""


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three small files."""
    folder = tmp_path / "input"
    folder.mkdir()
    for k in range(3):
        (folder / f"item-{k}").write_text(str(k))
    return folder


def submit(direct: DirectHome, name: str, source: Path, script: str = SCRIPT, **given: object) -> None:
    arguments = "${{outputs.images}} " + str(direct.home.parent)
    submit_step(direct, name, source, script, **{"arguments": arguments, "outputs": BOTH, **given})


def rerun(direct: DirectHome, name: str, source: Path, script: str = SCRIPT, **given: object) -> Job:
    submit(direct, name, source, script, **given)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED, job.error
    return job


def images_of(direct: DirectHome, name: str) -> list[str]:
    return sorted(path.name for path in place_of(direct, name, "images").iterdir())


def wrong(direct: DirectHome, job: Job) -> list[Check]:
    rooms = direct.rooms
    verifications = JobVerifications(rooms.homes, rooms.datastores, rooms.sealed, rooms.environments)
    found = [event for event in verifications.verify(job) if isinstance(event, Check)]
    return [check for check in found if check.result is Result.WRONG]


def test_a_parallel_step_that_did_the_same_before_is_used_again_and_says_so(direct: DirectHome, three: Path) -> None:
    first = rerun(direct, "first", three)
    second = rerun(direct, "second", three)

    assert (first.reused_from, second.reused_from) == (None, "first")
    assert (direct.home.parent / "runs").read_text() == "run\n" * 3
    assert place_of(direct, "second", "scores").read_text() == "item-00\nitem-11\nitem-22\n"
    assert sorted(path.name for path in place_of(direct, "second", "images").iterdir()) == [
        "item-0",
        "item-1",
        "item-2",
    ]
    assert second.counts == first.counts
    assert "running" not in second.phases
    assert "the result of job 'first'" in (direct.logs_of("second") / "user_logs" / "std_log.txt").read_text()
    assert (wrong(direct, first), wrong(direct, second)) == ([], [])
    with pytest.raises(Conflict, match="trace that one"):
        JobLineages(direct.rooms.homes, direct.datastores).of_row(second, 0)
    # What is used again may be used again, too.
    assert rerun(direct, "third", three).reused_from is not None


def test_what_a_parallel_step_is_given_decides_whether_it_is_used_again(direct: DirectHome, three: Path) -> None:
    rerun(direct, "first", three, inputs={"rate": "0.5"})
    faster = ParallelSettings(max_concurrency_per_instance=2, error_threshold=5)
    assert rerun(direct, "faster", three, inputs={"rate": "0.5"}, settings=faster).reused_from == "first"
    assert rerun(direct, "other-rate", three, inputs={"rate": "0.6"}).reused_from is None
    larger = ParallelSettings(mini_batch_size=3)
    assert rerun(direct, "larger", three, inputs={"rate": "0.5"}, settings=larger).reused_from is None
    assert rerun(direct, "other-code", three, f"{SCRIPT}# more", inputs={"rate": "0.5"}).reused_from is None
    assert rerun(direct, "forced", three, inputs={"rate": "0.5"}, force_rerun=True).reused_from is None
    assert rerun(direct, "random", three, inputs={"rate": "0.5"}, is_deterministic=False).reused_from is None
    (three / "item-0").write_text("other")
    assert rerun(direct, "other-data", three, inputs={"rate": "0.5"}).reused_from is None


def test_a_run_with_failed_items_is_not_used_again(direct: DirectHome, three: Path) -> None:
    (three / "item-1").write_text("bad")
    first = rerun(direct, "first", three)

    assert (first.counts.failed, first.step_key) == (1, None)
    assert rerun(direct, "second", three).reused_from is None


def test_a_result_of_a_parallel_step_that_was_changed_is_not_used_again(direct: DirectHome, three: Path) -> None:
    rerun(direct, "first", three)
    (place_of(direct, "first", "images") / "item-0").write_text("changed")

    assert rerun(direct, "second", three).reused_from is None
    assert (place_of(direct, "second", "images") / "item-0").read_text() == "i"


def test_outputs_of_parallel_steps_count_by_content_for_the_steps_behind_them(direct: DirectHome, three: Path) -> None:
    for number, pipeline in enumerate(("pipeline-1", "pipeline-2")):
        rerun(direct, f"make-{number}", three, force_rerun=True, step_of=StepOf(pipeline, "make"))
        place = f"azureml://datastores/workspaceblobstore/paths/out/make-{number}/images"
        made = StepData(InputSource(InputKind.FOLDER, place), FOLDER)
        direct.submit_command(
            f"use-{number}",
            "cp ${{inputs.data}}/item-0 ${{outputs.all}}/",
            inputs={"data": made},
            outputs={"all": FOLDER},
            step_of=StepOf(pipeline, "use"),
        )
        used = direct.run_next()
        assert used.status is JobStatus.COMPLETED, used.error
        assert used.reused_from == ("use-0" if number else None)
        again = rerun(direct, f"again-{number}", three, inputs={"side": made}, step_of=StepOf(pipeline, "again"))
        assert again.reused_from == ("again-0" if number else None)


@pytest.mark.parametrize("point", ["command.sealed", "command.published_one", "finish.before"])
def test_a_process_that_ends_while_it_uses_a_result_again_leaves_it_to_the_next(
    tmp_path: Path, three: Path, point: str
) -> None:
    before = DirectHome(tmp_path / "home")
    rerun(before, "first", three)
    direct = DirectHome(tmp_path / "home", fault=f"{point}:1:kill", fault_log=str(tmp_path / "faults"))
    submit(direct, "second", three)
    pid = os.fork()
    if pid == 0:
        try:
            rooms = direct.as_new_process()
            job = claim_job(rooms)
            assert job is not None
            run_job(rooms, job)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    (orphan,) = orphans(before.rooms, is_alive=lambda _: False)
    taken = take_over(before.rooms, orphan)
    assert taken is not None

    run_job(before.rooms, taken)

    job = before.job("second")
    assert (job.status, job.reused_from) == (JobStatus.COMPLETED, "first")
    assert sorted(path.name for path in place_of(before, "second", "images").iterdir()) == [
        "item-0",
        "item-1",
        "item-2",
    ]
