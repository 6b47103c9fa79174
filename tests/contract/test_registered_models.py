"""Registered models as inputs of steps: the bytes that were registered, whatever has become of where they lay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from batchyard.domain.job_specs import InputKind, InputSource, StepData
from batchyard.domain.job_states import JobStatus
from batchyard.domain.outputs.verification import Check, Result
from batchyard.domain.pipelines.components import InputMode, PortType
from batchyard.domain.resource_ids import AssetId, DatastorePath
from batchyard.engine.verification import JobVerifications
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.step_process import LocalStepProcess
from tests.contract.test_command_jobs import log_of, run
from tests.contract.test_step_reuse import rerun
from tests.support.direct import DirectHome
from tests.support.parallel import place_of, submit_step

FILE = PortType.URI_FILE


def registered(
    direct: DirectHome, files: Mapping[str, str], path: str = "net", mode: InputMode = InputMode.RO_MOUNT
) -> StepData:
    """Give a model that was registered from a path below `models/`, where something else lies now."""
    store = direct.datastores.get("workspaceblobstore")
    for name, text in files.items():
        store.put(f"models/{name}", [text.encode()], create_only=False)
    place = DatastorePath("workspaceblobstore", f"models/{path}")
    assert direct.rooms.sealed_store is not None
    seal = direct.rooms.sealed_store.seal(place, keep_name=True)
    for name in files:
        store.put(f"models/{name}", [b"of another day"], create_only=False)
    source = InputSource(InputKind.FOLDER, str(place), AssetId("net", "1"), seal)
    return StepData(source, PortType.CUSTOM_MODEL, mode)


def test_a_step_is_given_the_bytes_that_were_registered_when_the_place_has_changed(direct: DirectHome) -> None:
    model = registered(direct, {"net/weights.txt": "as registered", "net/deep/bias.txt": "too"})
    job = run(
        direct,
        "cat ${{inputs.model}}/weights.txt ${{inputs.model}}/deep/bias.txt && basename ${{inputs.model}}",
        inputs={"model": model},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert log_of(direct, "job") == "as registeredtoonet\n"


@pytest.mark.parametrize("mode", [InputMode.RO_MOUNT, InputMode.DIRECT, InputMode.DOWNLOAD])
def test_a_model_of_one_file_is_the_path_of_that_file_when_the_place_is_gone(
    direct: DirectHome, mode: InputMode
) -> None:
    model = registered(direct, {"net.bin": "as registered"}, "net.bin", mode)
    direct.datastores.get("workspaceblobstore").delete("models/net.bin")
    job = run(direct, "cat ${{inputs.model}} && basename ${{inputs.model}}", inputs={"model": model})
    assert job.status is JobStatus.COMPLETED, job.error
    assert log_of(direct, "job") == "as registerednet.bin\n"


def test_a_copy_of_a_model_may_be_changed_and_the_model_stays(direct: DirectHome) -> None:
    model = registered(direct, {"net/weights.txt": "as registered"}, mode=InputMode.DOWNLOAD)
    job = run(direct, "echo x >> ${{inputs.model}}/weights.txt", inputs={"model": model})
    assert job.status is JobStatus.COMPLETED, job.error
    assert model.source.sealed is not None
    sealed = direct.rooms.sealed.path(model.source.sealed) / "net" / "weights.txt"
    assert sealed.read_text() == "as registered"


def test_a_step_in_a_sandbox_sees_the_model(direct: DirectHome) -> None:
    start = partial(LocalStepProcess, sandbox=Sandbox(masked=(direct.home,)))
    direct.rooms = replace(direct.rooms, start_step=start)
    model = registered(direct, {"net/weights.txt": "as registered"})
    job = run(direct, "cat ${{inputs.model}}/weights.txt", inputs={"model": model})
    assert job.status is JobStatus.COMPLETED, job.error
    assert log_of(direct, "job") == "as registered"


def test_a_parallel_step_is_given_the_bytes_that_were_registered(direct: DirectHome, tmp_path: Path) -> None:
    items = tmp_path / "items"
    items.mkdir()
    (items / "a").write_text("1")
    script = "import sys\ndef run(paths): return [open(sys.argv[1] + '/weights.txt').read() for _ in paths]\n"
    model = registered(direct, {"net/weights.txt": "as registered"})
    submit_step(direct, "job", items, script, arguments="${{inputs.model}}", inputs={"model": model})
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED, job.error
    assert (place_of(direct, "job", "scores") / "parallel_run_step.txt").read_text() == "as registered\n"


@pytest.mark.parametrize("path", ["net", "net/one.txt"])
def test_the_files_of_a_registered_model_may_be_what_a_parallel_step_goes_through(
    direct: DirectHome, path: str
) -> None:
    model = registered(direct, {"net/one.txt": "as registered"}, path)
    script = "def run(paths): return [open(path).read() for path in paths]\n"
    submit_step(direct, "job", direct.home, script, inputs={"data": model})
    job = direct.run_next()
    assert job.status is JobStatus.COMPLETED, job.error
    assert (place_of(direct, "job", "scores") / "parallel_run_step.txt").read_text() == "as registered\n"


def test_a_step_is_used_again_for_the_same_bytes_of_a_model_and_not_for_others(direct: DirectHome) -> None:
    command, outputs = "cp ${{inputs.model}}/weights.txt ${{outputs.out}}", {"out": FILE}
    one = registered(direct, {"net/weights.txt": "one"})
    same = registered(direct, {"net/weights.txt": "one"})
    same = replace(
        same, source=replace(same.source, asset=AssetId("net", "2"), uri="azureml://datastores/d/paths/x/net")
    )
    other = registered(direct, {"net/weights.txt": "other"})
    rerun(direct, "first", command, inputs={"model": one}, outputs=outputs)
    assert rerun(direct, "same", command, inputs={"model": same}, outputs=outputs).reused_from == "first"
    assert rerun(direct, "other", command, inputs={"model": other}, outputs=outputs).reused_from is None
    assert direct.published("other", "out").read_text() == "other"


@pytest.mark.parametrize("kind", ["command", "parallel"])
def test_verifying_a_step_names_what_was_changed_in_its_model(direct: DirectHome, tmp_path: Path, kind: str) -> None:
    model = registered(direct, {"net/weights.txt": "as registered"})
    if kind == "command":
        run(direct, "cat ${{inputs.model}}/weights.txt", inputs={"model": model})
    else:
        (tmp_path / "items").mkdir()
        (tmp_path / "items" / "a").write_text("1")
        script = "def run(paths): return list(paths)\n"
        submit_step(direct, "job", tmp_path / "items", script, arguments="${{inputs.model}}", inputs={"model": model})
        direct.run_next()
    rooms = direct.rooms
    assert rooms.sealed_store is not None
    verifications = JobVerifications(rooms.homes, rooms.datastores, rooms.sealed_store, rooms.environments)

    def wrongs() -> list[str]:
        events = [event for event in verifications.verify(direct.job("job")) if isinstance(event, Check)]
        return [event.file for event in events if event.result is Result.WRONG]

    assert wrongs() == []
    assert model.source.sealed is not None
    sealed = rooms.sealed.path(model.source.sealed) / "net" / "weights.txt"
    sealed.chmod(0o644)
    sealed.write_text("of another day")
    assert [path for path in wrongs() if path] == ["net/weights.txt"]
