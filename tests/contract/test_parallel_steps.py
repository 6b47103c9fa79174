"""A parallel step as it runs: its script's arguments, what goes to which output, and what stays at home."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.bootstrap.faults import make_faults
from batchyard.control.reruns import check_places
from batchyard.domain.assets import ModelType
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError, RerunKind, taken_up_again
from batchyard.domain.outputs.verification import Check, Result
from batchyard.domain.pipelines.components import InputMode, PortType
from batchyard.domain.pipelines.definitions import ParallelSettings
from batchyard.domain.resource_ids import AssetId
from batchyard.engine.claim import claim_job, orphans, take_over
from batchyard.engine.job_run import run_job
from batchyard.engine.verification import JobVerifications
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import Key, Kind
from tests.support.direct import DirectHome
from tests.support.parallel import data, place_of, submit_step

NAMES = """
import os
def run(paths):
    return [os.path.basename(path) for path in paths]
"""
ARGUMENTS = """
import argparse, os
def init():
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--note")
    parser.add_argument("--images")
    parser.add_argument("--rate", default="none")
    args, rest = parser.parse_known_args()
    assert not rest, rest
def run(paths):
    model = open(os.path.join(args.model, "weights")).read()
    for path in paths:
        with open(os.path.join(args.images, os.path.basename(path) + ".png"), "w") as image:
            image.write(model)
    return [f"{os.path.basename(path)} {model} {args.note} {args.rate}" for path in paths]
"""
BOTH = {"scores": PortType.URI_FOLDER, "images": PortType.URI_FOLDER}


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Five small files."""
    folder = tmp_path / "input"
    folder.mkdir()
    for k in range(5):
        (folder / f"item-{k}").write_text(str(k))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that is given beside what is cut."""
    folder = tmp_path / "a model"
    folder.mkdir()
    (folder / "weights").write_text("w7")
    return folder


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_rows_are_alone_in_the_folder_of_their_output(direct: DirectHome, five: Path) -> None:
    submit_step(direct, "step", five, NAMES)

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED
    assert (job.counts.mini_batches, job.counts.rows) == (5, 5)
    scores = place_of(direct, "step", "scores")
    assert files_of(scores) == ["parallel_run_step.txt"]
    assert (scores / "parallel_run_step.txt").read_text() == "".join(f"item-{k}\n" for k in range(5))


def test_an_output_that_is_a_file_is_the_rows_themselves(direct: DirectHome, five: Path) -> None:
    submit_step(direct, "step", five, NAMES, outputs={"scores": PortType.URI_FILE})

    assert direct.run_next().status is JobStatus.COMPLETED
    assert place_of(direct, "step", "scores").read_text().splitlines() == [f"item-{k}" for k in range(5)]


@pytest.mark.parametrize("slots", [1, 3])
def test_a_script_has_its_arguments_and_a_folder_for_each_output_that_they_name(
    direct: DirectHome, five: Path, model: Path, slots: int
) -> None:
    submit_step(
        direct,
        "step",
        five,
        ARGUMENTS,
        settings=ParallelSettings(max_concurrency_per_instance=slots),
        arguments="--model ${{inputs.model}} --note '${{inputs.note}}' --images ${{outputs.images}} "
        "$[[--rate ${{inputs.rate}}]]",
        outputs=BOTH,
        inputs={"model": data(model), "note": "two words; rm -rf ~", "rate": "0.5"},
    )

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    rows = (place_of(direct, "step", "scores") / "parallel_run_step.txt").read_text().splitlines()
    assert rows == [f"item-{k} w7 two words; rm -rf ~ 0.5" for k in range(5)]
    assert files_of(place_of(direct, "step", "images")) == [f"item-{k}.png" for k in range(5)]


def test_a_script_that_reads_its_arguments_on_import_writes_to_its_own_folder(direct: DirectHome, five: Path) -> None:
    script = """
import os, sys
folder = sys.argv[1]
def run(paths):
    for path in paths:
        open(os.path.join(folder, os.path.basename(path)), "w").close()
    return paths
"""
    settings = ParallelSettings(max_concurrency_per_instance=3)
    submit_step(direct, "step", five, script, settings=settings, arguments="${{outputs.images}}", outputs=BOTH)

    assert direct.run_next().status is JobStatus.COMPLETED
    assert files_of(place_of(direct, "step", "images")) == [f"item-{k}" for k in range(5)]


def test_files_of_a_failed_attempt_are_published_by_nobody(direct: DirectHome, five: Path, tmp_path: Path) -> None:
    script = f"""
import os, sys
def run(paths):
    name = os.path.basename(paths[0])
    mark = os.path.join({str(tmp_path)!r}, "tried-" + name)
    is_first = not os.path.exists(mark)
    open(mark, "w").close()
    with open(os.path.join(sys.argv[1], ("first-" if is_first else "second-") + name), "w") as file:
        file.write("x")
    if is_first:
        raise ValueError("first")
    return [name]
"""
    submit_step(direct, "step", five, script, arguments="${{outputs.images}}", outputs=BOTH)

    job = direct.run_next()

    assert (job.status, job.counts.failed) == (JobStatus.COMPLETED, 0)
    assert files_of(place_of(direct, "step", "images")) == [f"second-item-{k}" for k in range(5)]


def test_without_append_row_to_rows_are_counted_and_not_kept(direct: DirectHome, five: Path) -> None:
    submit_step(direct, "step", five, NAMES, append_row_to=None)

    job = direct.run_next()

    assert (job.status, job.counts.succeeded) == (JobStatus.COMPLETED, 5)
    assert files_of(place_of(direct, "step", "scores")) == []


def test_a_file_outside_of_every_output_fails_the_step_by_name(direct: DirectHome, five: Path) -> None:
    script = """
import os
def run(paths):
    open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "stray.txt"), "w").close()
    return paths
"""
    submit_step(direct, "step", five, script)

    job = direct.run_next()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "'stray.txt'" in job.error.message
    assert "${{outputs.scores}}" in job.error.message
    assert not place_of(direct, "step", "scores").exists()


def test_a_file_with_the_name_of_the_folder_of_workers_fails_the_step_by_name(direct: DirectHome, five: Path) -> None:
    script = (
        "import os\ndef run(paths):\n"
        "    open(os.path.join(os.environ['AZUREML_BI_OUTPUT_PATH'], '_workers'), 'w').close()\n"
        "    return paths\n"
    )
    submit_step(direct, "step", five, script)

    job = direct.run_next()

    assert job.error is not None
    assert (job.error.code, "'_workers'" in job.error.message) == ("OutputConflict", True)


def test_a_place_that_is_taken_fails_the_step_and_stays(direct: DirectHome, five: Path) -> None:
    taken = place_of(direct, "step", "scores")
    taken.mkdir(parents=True)
    (taken / "mine").write_text("x")
    submit_step(direct, "step", five, NAMES)

    job = direct.run_next()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "OutputConflict"
    assert files_of(taken) == ["mine"]


class TakesPlace:
    """Somebody else makes a file at a place when the step is about to publish."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def reach(self, point: str) -> None:
        if point == "publish.before":
            self._place.mkdir(parents=True)
            (self._place / "mine").write_text("x")


def test_a_resume_publishes_beside_what_the_step_itself_has_published(direct: DirectHome, five: Path) -> None:
    outputs = {"model": PortType.CUSTOM_MODEL, "scores": PortType.URI_FOLDER}
    registers = {"model": AssetId("net", "3")}
    arguments = "${{outputs.model}} weights"
    submit_step(direct, "step", five, MODELS, arguments=arguments, outputs=outputs, registers=registers)
    taken = place_of(direct, "step", "scores")
    job = claim_job(direct.rooms)
    assert job is not None
    run_job(replace(direct.rooms, faults=TakesPlace(taken)), job)
    failed = direct.job("step")
    assert failed.error is not None
    assert failed.error.code == "OutputConflict"
    assert len(files_of(place_of(direct, "step", "model"))) == 5
    shutil.rmtree(taken)

    resume(direct, failed)
    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    assert files_of(taken) == ["parallel_run_step.txt"]


def test_a_resume_passes_the_version_that_the_step_itself_has_registered(direct: DirectHome, five: Path) -> None:
    submit_models(direct, "step", AssetId("net", "3"))
    pid = os.fork()
    if pid == 0:
        try:
            job = claim_job(direct.as_new_process())
            assert job is not None
            run_job(replace(direct.as_new_process(), faults=make_faults("finish.before:1:kill", "")), job)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    with direct.rooms.records.writing() as tx:
        error = JobError("ProcessEnded", "The disk was full.", ErrorClass.PLATFORM)
        tx.job_leases.advance("step", fence=1, change=JobChange(JobStatus.FAILED, error=error))

    resume(direct, direct.job("step"))
    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error


def resume(direct: DirectHome, failed: Job) -> None:
    check_places(failed, datastores=direct.datastores, homes=direct.rooms.homes, is_resumed=True)
    with direct.rooms.records.writing() as tx:
        tx.jobs.take_up_again(taken_up_again(failed, RerunKind.RESUME, asked_by="tester", now=time.time()))


def test_a_step_has_no_model_folder(direct: DirectHome, five: Path) -> None:
    script = "import os\ndef run(paths):\n    return [os.environ.get('AZUREML_MODEL_DIR', 'none') for _ in paths]\n"
    submit_step(direct, "step", five, script)

    direct.run_next()

    assert (place_of(direct, "step", "scores") / "parallel_run_step.txt").read_text().split() == ["none"] * 5


def test_thresholds_of_mini_batches_end_the_step(direct: DirectHome, five: Path) -> None:
    script = "def run(paths):\n    raise ValueError('never')\n"
    settings = ParallelSettings(mini_batch_error_threshold=1, max_retries=0)
    submit_step(direct, "step", five, script, settings=settings)

    job = direct.run_next()

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "MiniBatchErrorThresholdExceeded"
    assert not place_of(direct, "step", "scores").exists()


def test_failed_items_are_listed_at_home_and_not_in_the_output(direct: DirectHome, five: Path) -> None:
    script = """
import os
def run(paths):
    if paths[0].endswith("item-2"):
        raise ValueError("two")
    return [os.path.basename(path) for path in paths]
"""
    submit_step(direct, "step", five, script, settings=ParallelSettings(max_retries=1))

    job = direct.run_next()

    assert (job.status, job.counts.failed, job.counts.attempts) == (JobStatus.COMPLETED, 1, 6)
    assert files_of(place_of(direct, "step", "scores")) == ["parallel_run_step.txt"]
    home = direct.rooms.homes.open("step")
    with home.read("failed_items.jsonl") as lines:
        (failed,) = [json.loads(line) for line in lines]
    assert (failed["item"], failed["message"], failed["attempts"]) == ("item-2", "two", 2)
    with home.read("manifest.json") as stream:
        manifest = json.load(stream)
    assert [entry["name"] for entry in manifest["outputs"]] == ["scores/parallel_run_step.txt", "_failed_items.jsonl"]


def test_verifying_a_step_finds_what_was_changed(direct: DirectHome, five: Path) -> None:
    script = "import sys\ndef run(paths):\n    open(sys.argv[1] + '/note', 'w').close()\n    return paths\n"
    settings = ParallelSettings(mini_batch_size=5)
    submit_step(direct, "step", five, script, settings=settings, arguments="${{outputs.images}}", outputs=BOTH)
    job = direct.run_next()
    rooms = direct.rooms
    verifications = JobVerifications(rooms.homes, rooms.datastores, rooms.sealed, rooms.environments)

    def wrong() -> list[tuple[str, str]]:
        found = [event for event in verifications.verify(job) if isinstance(event, Check)]
        return [(check.subject, check.file) for check in found if check.result is Result.WRONG]

    assert wrong() == []
    (place_of(direct, "step", "images") / "note").write_text("changed")
    (place_of(direct, "step", "images") / "more").write_text("more")
    assert set(wrong()) == {("output", "images/note"), ("output", "images/more")}


def test_a_step_gives_the_rows_of_the_same_script_run_as_a_deployment(direct: DirectHome, five: Path) -> None:
    script = """
import os
def run(paths):
    return [f"{os.path.basename(path)} {len(paths)} {open(path).read()}" for path in paths]
"""
    direct.submit("deployed", five, script, ExecutionSettings(mini_batch_size=2))
    direct.run_next()
    submit_step(direct, "step", five, script, settings=ParallelSettings(mini_batch_size=2))
    direct.run_next()

    rows = (place_of(direct, "step", "scores") / "parallel_run_step.txt").read_bytes()
    assert rows == (direct.output("deployed") / "predictions.csv").read_bytes()


@pytest.mark.parametrize("point", ["collect.rows_written", "publish.before", "publish.after", "finish.before"])
def test_a_publisher_that_ends_leaves_the_step_to_the_next_one(tmp_path: Path, five: Path, point: str) -> None:
    direct = DirectHome(tmp_path / "home", fault=f"{point}:1:kill", fault_log=str(tmp_path / "faults"))
    submit_step(direct, "step", five, NAMES)
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
    again = DirectHome(tmp_path / "home")

    (orphan,) = orphans(again.rooms, is_alive=lambda _: False)
    taken = take_over(again.rooms, orphan)
    assert taken is not None

    run_job(again.rooms, taken)

    job = again.job("step")
    assert job.status is JobStatus.COMPLETED, job.error
    assert files_of(place_of(again, "step", "scores")) == ["parallel_run_step.txt"]


MODELS = """
import os, sys
def run(paths):
    for path in paths:
        name = sys.argv[2] if path.endswith("-0") else os.path.basename(path)
        with open(os.path.join(sys.argv[1], name), "w") as out:
            out.write("w")
    return paths
"""


def submit_models(direct: DirectHome, name: str, id: AssetId, first: str = "MLmodel") -> None:
    outputs = {"scores": PortType.URI_FOLDER, "model": PortType.MLFLOW_MODEL}
    arguments = "${{outputs.model}} " + first
    submit_step(
        direct,
        name,
        direct.home.parent / "input",
        MODELS,
        arguments=arguments,
        outputs=outputs,
        registers={"model": id},
    )


@pytest.mark.parametrize("version", ["3", ""])
def test_a_model_that_a_step_makes_is_registered(direct: DirectHome, five: Path, version: str) -> None:
    submit_models(direct, "step", AssetId("net", version))

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    with direct.rooms.records.reading() as tx:
        stored = tx.documents.get(Key(Kind.MODEL, "net", version or "1"))
    assert stored is not None
    assert (stored.document.type, stored.document.sealed.files) == (ModelType.MLFLOW, 5)
    assert stored.document.uri.endswith("out/step/model")
    assert stored.document.properties == {"job": "step", "output": "model", "run": "1"}


def test_a_version_that_is_registered_already_fails_the_step_before_it_scores(direct: DirectHome, five: Path) -> None:
    for name in ("first", "second"):
        submit_models(direct, name, AssetId("net", "3"))

    assert direct.run_next().status is JobStatus.COMPLETED
    job = direct.run_next()

    assert job.error is not None
    assert job.error.code == "OutputConflict"
    assert "Version '3' of model 'net' is registered already" in job.error.message
    assert job.counts.items == 0
    assert not place_of(direct, "second", "model").exists()


def test_an_mlflow_model_without_its_description_is_not_registered(direct: DirectHome, five: Path) -> None:
    submit_models(direct, "step", AssetId("net", "3"), first="other")

    job = direct.run_next()

    assert job.error is not None
    assert "'MLmodel'" in job.error.message
    assert not place_of(direct, "step", "model").exists()


@pytest.mark.parametrize("mode", InputMode)
def test_only_a_side_input_that_is_downloaded_is_a_copy_that_the_script_may_change(
    direct: DirectHome, five: Path, model: Path, mode: InputMode
) -> None:
    script = """
import os, sys
def init():
    if "/inputs-1/" in sys.argv[1]:
        for path in (sys.argv[1] + "/weights", sys.argv[2]):
            with open(path, "a") as file:
                file.write(" changed")
def run(paths):
    return [open(path).read() for path in (sys.argv[1] + "/weights", sys.argv[2])]
"""
    settings, weights = ParallelSettings(mini_batch_size=5), model / "weights"
    arguments = "${{inputs.model}} ${{inputs.file}}"
    inputs = {"model": data(model, mode), "file": data(weights, mode)}
    submit_step(direct, "step", five, script, settings=settings, arguments=arguments, inputs=inputs)

    job = direct.run_next()

    assert job.status is JobStatus.COMPLETED, job.error
    rows = (place_of(direct, "step", "scores") / "parallel_run_step.txt").read_text().splitlines()
    assert rows == (["w7 changed"] * 2 if mode is InputMode.DOWNLOAD else ["w7"] * 2)
    assert weights.read_text() == "w7"
    assert not list((direct.home / "jobs" / "step").glob("inputs-*"))
