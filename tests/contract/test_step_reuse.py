"""Results of steps that are used again: when they are, when not, and that they are what was published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.job_specs import InputKind, InputSource, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, StepOf
from batchyard.domain.pipelines.components import InputMode, PortType
from batchyard.engine.claim import claim_job
from batchyard.engine.steps.command_run import run_command
from tests.support.direct import DirectHome

FOLDER, FILE = PortType.URI_FOLDER, PortType.URI_FILE


def folder_of(path: Path) -> StepData:
    return StepData(InputSource(InputKind.FOLDER, path.as_uri()), FOLDER)


def log_of(direct: DirectHome, job: str) -> str:
    return (direct.logs_of(job) / "user_logs" / "std_log.txt").read_text()


def rerun(direct: DirectHome, name: str, command: str, **given: object) -> Job:
    direct.submit_command(name, command, **given)
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED, job.error
    return job


def test_a_step_that_did_the_same_before_is_used_again_and_says_so(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("alpha")
    command = "cp -r ${{inputs.data}}/. ${{outputs.all}} && echo 1 > ${{outputs.one}}"
    command = f"echo run >> {tmp_path}/runs; {command}"
    given: dict[str, object] = {
        "inputs": {"data": folder_of(source), "rate": 0.5},
        "outputs": {"all": FOLDER, "one": FILE},
    }
    first = rerun(direct, "first", command, **given)
    second = rerun(direct, "second", command, **given)
    assert (first.reused_from, second.reused_from) == (None, "first")
    assert (tmp_path / "runs").read_text() == "run\n"
    assert (direct.published("second", "all") / "a").read_text() == "alpha"
    assert direct.published("second", "one").read_text() == "1\n"
    assert "the result of job 'first'" in log_of(direct, "second")
    assert "running" not in second.phases


def test_what_a_step_is_given_decides_whether_it_is_used_again(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("alpha")
    command = "cp -r ${{inputs.data}}/. ${{outputs.all}}"
    given: dict[str, object] = {"inputs": {"data": folder_of(source), "rate": 0.5}, "outputs": {"all": FOLDER}}
    rerun(direct, "first", command, **given)
    other_rate = {**given, "inputs": {"data": folder_of(source), "rate": 0.6}}
    assert rerun(direct, "other-rate", command, **other_rate).reused_from is None
    assert rerun(direct, "other-variable", command, **given, environment_variables={"X": "1"}).reused_from is None
    assert rerun(direct, "other-code", command, **given, code={"x.py": ""}).reused_from is None
    assert rerun(direct, "other-command", f"{command} ", **given).reused_from is None
    assert rerun(direct, "forced", command, **given, force_rerun=True).reused_from is None
    assert rerun(direct, "random", command, **given, is_deterministic=False).reused_from is None
    (source / "a").write_text("other")
    assert rerun(direct, "other-data", command, **given).reused_from is None
    assert (direct.published("other-data", "all") / "a").read_text() == "other"


def test_data_behind_a_link_that_is_not_followed_is_never_taken_for_the_same(
    direct: DirectHome, tmp_path: Path
) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.mkdir()
    other.mkdir()
    (other / "a").write_text("1")
    (source / "linked").symlink_to(other)
    command, given = "cp ${{inputs.data}}/linked/a ${{outputs.all}}/a", {"data": folder_of(source)}
    rerun(direct, "first", command, inputs=given, outputs={"all": FOLDER})
    (other / "a").write_text("2")
    assert rerun(direct, "second", command, inputs=given, outputs={"all": FOLDER}).reused_from is None
    assert (direct.published("second", "all") / "a").read_text() == "2"


def test_a_link_to_nothing_among_the_data_keeps_no_step_from_running(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "dangling").symlink_to("nothing")
    job = rerun(direct, "first", "true", inputs={"data": folder_of(source)})
    assert job.step_key is None


def test_data_that_changes_while_it_is_downloaded_is_not_taken_for_what_was_copied(
    direct: DirectHome, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    command, outputs = "cp ${{inputs.data}}/a ${{outputs.all}}/a", {"all": FOLDER}
    given = {"data": replace(folder_of(source), mode=InputMode.DOWNLOAD)}
    direct.submit_command("first", command, inputs=given, outputs=outputs)
    job = claim_job(direct.rooms)
    assert job is not None
    run_command(replace(direct.rooms, faults=Changes(source / "a")), job)
    second = rerun(direct, "second", command, inputs=given, outputs=outputs)
    assert (direct.published("second", "all") / "a").read_text() == "2"
    assert second.reused_from is None


class Changes:
    """Changes a file once inputs have been copied."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reach(self, point: str) -> None:
        if point == "command.staged":
            self._path.write_text("2")


@pytest.mark.parametrize("harm", ["changed", "removed", "added"])
def test_a_result_that_is_no_longer_what_was_published_is_not_used_again(direct: DirectHome, harm: str) -> None:
    command, outputs = "echo 1 > ${{outputs.all}}/one", {"all": FOLDER}
    rerun(direct, "first", command, outputs=outputs)
    place = direct.published("first", "all")
    if harm == "removed":
        (place / "one").unlink()
    else:
        (place / ("one" if harm == "changed" else "two")).write_text("2\n")
    assert rerun(direct, "second", command, outputs=outputs).reused_from is None
    assert [(p.name, p.read_text()) for p in direct.published("second", "all").iterdir()] == [("one", "1\n")]


def test_a_step_whose_input_another_step_made_is_used_again_where_that_made_the_same(direct: DirectHome) -> None:
    for number, pipeline in enumerate(("pipeline-1", "pipeline-2")):
        # The first step runs each time, and gives the same; the second one need not run again.
        make = rerun(
            direct,
            f"make-{number}",
            "echo 1 > ${{outputs.all}}/one",
            outputs={"all": FOLDER},
            force_rerun=True,
            step_of=StepOf(pipeline, "make"),
        )
        made = InputSource(InputKind.FOLDER, str(make.command.outputs["all"].place))
        use = rerun(
            direct,
            f"use-{number}",
            "cp ${{inputs.data}}/one ${{outputs.all}}/two",
            inputs={"data": StepData(made, FOLDER)},
            outputs={"all": FOLDER},
            step_of=StepOf(pipeline, "use"),
        )
        assert use.reused_from == ("use-0" if number else None)


@pytest.mark.parametrize("harm", ["changed", "added", "removed"])
def test_an_output_of_another_step_that_was_changed_since_is_not_taken_for_what_that_made(
    direct: DirectHome, harm: str
) -> None:
    for number, pipeline in enumerate(("pipeline-1", "pipeline-2")):
        make = rerun(
            direct,
            f"make-{number}",
            "echo 1 > ${{outputs.all}}/one && echo 2 > ${{outputs.all}}/two",
            outputs={"all": FOLDER},
            force_rerun=True,
            step_of=StepOf(pipeline, "make"),
        )
        place = direct.published(f"make-{number}", "all")
        if number and harm == "removed":
            (place / "two").unlink()
        elif number:
            (place / ("one" if harm == "changed" else "three")).write_text("3\n")
        made = InputSource(InputKind.FOLDER, str(make.command.outputs["all"].place))
        use = rerun(
            direct,
            f"use-{number}",
            "cat ${{inputs.data}}/* > ${{outputs.all}}/all",
            inputs={"data": StepData(made, FOLDER)},
            outputs={"all": FOLDER},
            step_of=StepOf(pipeline, "use"),
        )
        assert use.reused_from is None
    assert (direct.published("use-1", "all") / "all").read_text() != "1\n2\n"
