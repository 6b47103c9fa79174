"""Steps of pipelines in sandboxes: they work as without, and reach nothing else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.pipelines.components import InputMode, PortType
from batchyard.domain.pipelines.definitions import ParallelSettings
from batchyard.instances.local import LocalInstances
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.step_process import LocalStepProcess
from tests.contract.test_command_jobs import error_of, folder_of, log_of, run
from tests.contract.test_parallel_steps import ARGUMENTS, BOTH, files_of
from tests.contract.test_sandbox import processes_below
from tests.support.direct import DirectHome
from tests.support.parallel import data, place_of, submit_step

FOLDER, FILE = PortType.URI_FOLDER, PortType.URI_FILE


@pytest.fixture
def confined(direct: DirectHome) -> Iterator[DirectHome]:
    start = partial(LocalStepProcess, sandbox=Sandbox(masked=(direct.home,)))
    direct.rooms = replace(direct.rooms, start_step=start)
    yield direct
    assert processes_below(direct.home) == []


def test_a_command_reads_its_inputs_and_writes_its_outputs_and_its_copy_of_the_code(
    confined: DirectHome, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("alpha")
    job = run(
        confined,
        "echo changed >> run.py && python run.py && cp ${{inputs.data}}/a.txt ${{outputs.all}}/ && "
        "printf 0.9 > ${{outputs.score}} && python -c 'import ssl, sqlite3, tempfile; tempfile.mkstemp()'",
        code={"run.py": "changed = 1\n"},
        inputs={"data": folder_of(source)},
        outputs={"all": FOLDER, "score": FILE},
    )
    assert job.status is JobStatus.COMPLETED, job.error
    assert (confined.published("job", "all") / "a.txt").read_text() == "alpha"
    assert confined.published("job", "score").read_text() == "0.9"


def test_a_command_may_change_the_copy_of_an_input_that_is_downloaded(confined: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("alpha")
    inputs = {"data": folder_of(source, InputMode.DOWNLOAD)}
    job = run(confined, "echo changed >> ${{inputs.data}}/a.txt", inputs=inputs)
    assert job.status is JobStatus.COMPLETED, job.error
    assert (source / "a.txt").read_text() == "alpha"


@pytest.mark.parametrize(
    "attempt",
    [
        "cat {home}/batchyard.db",
        "echo x > ${{{{inputs.data}}}}/a.txt",
        "echo x > ${{{{outputs.all}}}}/../../../../production; exit 1",
        "ln -s {home} ${{{{outputs.all}}}}/link && cat ${{{{outputs.all}}}}/link/batchyard.db",
        "ln ${{{{inputs.data}}}}/a.txt ${{{{outputs.all}}}}/hard",
        "setsid sh -c 'echo x > {home}/../source/new'",
        "kill -9 {pid}",
        "python -c 'import socket; socket.create_connection((\"127.0.0.1\", 9), 5)' 2>&1 | grep unreachable; exit 1",
    ],
)
def test_no_attempt_reaches_anything_outside(confined: DirectHome, tmp_path: Path, attempt: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("alpha")
    before = (source / "a.txt").stat()
    job = run(
        confined,
        attempt.format(home=confined.home, pid=os.getpid()),
        inputs={"data": folder_of(source)},
        outputs={"all": FOLDER},
    )
    assert job.status is JobStatus.FAILED
    assert error_of(job)[0] == "CommandFailed"
    after = (source / "a.txt").stat()
    assert (after.st_mtime_ns, after.st_nlink, after.st_size) == (before.st_mtime_ns, 1, before.st_size)
    assert sorted(path.name for path in source.iterdir()) == ["a.txt"]
    assert not list(tmp_path.rglob("production"))


def test_a_command_that_is_canceled_leaves_nothing_of_its_sandbox(confined: DirectHome) -> None:
    confined.submit_command("job", "setsid sleep 60 & echo begun; sleep 60")

    def cancel() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if "begun" in log_of(confined, "job"):
                    break
            except FileNotFoundError:
                pass
            time.sleep(0.05)
        with confined.rooms.records.writing() as tx:
            tx.jobs.request_cancel("job", now=time.time())

    canceling = threading.Thread(target=cancel)
    canceling.start()
    try:
        assert confined.run_next().status is JobStatus.CANCELED
    finally:
        canceling.join()


def test_without_bubblewrap_a_command_is_not_run_and_the_job_says_what_to_do(
    confined: DirectHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    job = run(confined, "echo ran")
    assert job.status is JobStatus.FAILED
    code, message = error_of(job)
    assert code == "SandboxUnavailable"
    assert "apt-get install bubblewrap" in message


def test_a_parallel_step_in_a_sandbox_reads_its_other_inputs_and_writes_each_output(
    confined: DirectHome, tmp_path: Path
) -> None:
    for folder, names in (("input", ["item-0", "item-1", "item-2"]), ("model", ["weights"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text("w7")
    confined.rooms = replace(
        confined.rooms, make_instances=partial(LocalInstances, sandbox=Sandbox(masked=(confined.home,)))
    )
    submit_step(
        confined,
        "step",
        tmp_path / "input",
        ARGUMENTS,
        settings=ParallelSettings(max_concurrency_per_instance=2),
        arguments="--model ${{inputs.model}} --note x --images ${{outputs.images}}",
        outputs=BOTH,
        inputs={"model": data(tmp_path / "model")},
    )
    job = confined.run_next()
    assert job.status is JobStatus.COMPLETED, job.error
    rows = (place_of(confined, "step", "scores") / "parallel_run_step.txt").read_text().splitlines()
    assert rows == [f"item-{k} w7 x none" for k in range(3)]
    assert files_of(place_of(confined, "step", "images")) == [f"item-{k}.png" for k in range(3)]
