"""A job that runs a command, with a fault at every named point: each output appears once and whole, nothing is left."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.faults import COMMAND_POINTS
from batchyard.ports.records import Key, Kind
from tests.chaos.fault_runs import drive, finish_of
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.power_loss import note_all
from tests.support.processes import end_all, kill

pytestmark = pytest.mark.timeout(600)

_MIGRATING = threading.Lock()
_NAME = b"two\nlines caf\xe9"
# Leaves a child in a session of its own, which writes on for as long as nobody kills it.
COMMAND = (
    "echo run >> {runs}; setsid sh -c 'while :; do date >> {beats}; sleep 0.1; done' >/dev/null 2>&1 & "
    "python write.py ${{{{outputs.many}}}} && sleep {pause_s} && printf 0.9 > ${{{{outputs.score}}}}"
)
SCRIPT = f"""
import os, sys
os.mkdir(os.path.join(sys.argv[1], "deep"))
for name in [{_NAME!r}, b"deep/with space"]:
    with open(os.path.join(os.fsencode(sys.argv[1]), name), "xb") as out:
        out.write(name * 1000)
"""
MODEL = AssetId("net", "")  # The next version, whoever comes to it.


class Case:
    """One job of a fresh home, below a folder."""

    def __init__(self, folder: Path, *, pause_s: float = 0.1) -> None:
        with _MIGRATING:
            self.direct = DirectHome(folder / "home")
        self.log, self.runs, self.beats = folder / "reached", folder / "runs", folder / "beats"
        self.log.touch()
        command = COMMAND.format(runs=self.runs, beats=self.beats, pause_s=pause_s)
        outputs = {"many": PortType.CUSTOM_MODEL, "score": PortType.URI_FILE}
        self.direct.submit_command(
            "job", command, outputs=outputs, code={"write.py": SCRIPT}, registers={"many": MODEL}
        )

    def check(self) -> None:
        """Look at everything that must be true of a job that has completed."""
        job = finish_of(self.direct)
        assert (job.status, job.error) == (JobStatus.COMPLETED, None)
        with self.direct.rooms.records.reading() as tx:
            model = tx.documents.get(Key(Kind.MODEL, MODEL.name, "1"))
            assert model is not None
            assert model.revision == 1
            assert tx.documents.get(Key(Kind.MODEL, MODEL.name, "2")) is None
            assert model.document.sealed.files == 2
        many = os.fsencode(self.direct.published("job", "many"))
        found = {os.path.relpath(os.path.join(at, name), many) for at, _, names in os.walk(many) for name in names}
        assert found == {_NAME, b"deep/with space"}
        for name in found:
            assert Path(os.fsdecode(os.path.join(many, name))).read_bytes() == name * 1000
        assert self.direct.published("job", "score").read_bytes() == b"0.9"
        beats = self.beats.stat().st_size
        time.sleep(0.3)
        assert self.beats.stat().st_size == beats, "a child of the command lives on"


def run_under(folder: Path, fault: str, *, has_power_cut: bool = False) -> Case:
    case = Case(folder)
    notes = folder / "notes" if has_power_cut else None
    if notes is not None:
        note_all(case.direct.home, notes)
    try:
        drive(case.direct, fault, case.log, 150.0, notes)
        case.check()
    finally:
        end_all(case.direct.home)
    return case


def test_an_undisturbed_command_reaches_every_named_point_and_runs_once(tmp_path: Path) -> None:
    case = run_under(tmp_path, "")
    assert {*case.log.read_text().split()} - {"claim.claimed"} == {*COMMAND_POINTS}
    assert case.runs.read_text() == "run\n"


@pytest.mark.parametrize("place", COMMAND_POINTS)
def test_a_process_that_is_killed_anywhere_loses_and_doubles_no_output(tmp_path: Path, place: str) -> None:
    case = run_under(tmp_path, f"{place}:1:kill")
    assert (tmp_path / "reached.done").exists(), "the fault did not happen"
    is_sealed = COMMAND_POINTS.index(place) >= COMMAND_POINTS.index("command.finalizing")
    if is_sealed:
        assert case.runs.read_text() == "run\n", "a command whose outputs are sealed is run again"


@pytest.mark.parametrize(
    ("place", "action"),
    [
        ("command.staged", "enospc"),
        ("command.ended", "eio"),
        ("command.sealed", "enospc"),
        ("command.publishing", "eio"),
        ("command.published_one", "enospc"),
        ("command.published", "enospc"),
    ],
)
def test_a_disk_that_fails_ends_the_process_and_the_next_one_goes_on(tmp_path: Path, place: str, action: str) -> None:
    run_under(tmp_path, f"{place}:1:{action}")


@pytest.mark.parametrize("place", ["command.sealed", "command.finalizing", "command.published_one", "command.finished"])
def test_what_is_sealed_survives_a_power_cut(tmp_path: Path, place: str) -> None:
    run_under(tmp_path, f"{place}:1:stop", has_power_cut=True)


@pytest.mark.long
@pytest.mark.parametrize("place", COMMAND_POINTS)
def test_a_process_that_sleeps_and_wakes_late_changes_nothing(tmp_path: Path, place: str) -> None:
    run_under(tmp_path, f"{place}:1:stop")


def test_an_engine_that_is_killed_leaves_the_command_running(tmp_path: Path) -> None:
    case = Case(tmp_path, pause_s=1.0)
    try:
        engine = start_engine(case.direct.home)
        deadline = time.monotonic() + 90
        while not case.beats.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        kill(engine.pid)
        engine.wait()
        assert start_engine(case.direct.home).wait(timeout=120) == 0
        case.check()
        assert case.runs.read_text() == "run\n"
    finally:
        end_all(case.direct.home)


def test_a_job_process_that_is_killed_takes_its_command_with_it(tmp_path: Path) -> None:
    case = Case(tmp_path, pause_s=1.0)
    try:
        engine = start_engine(case.direct.home)
        deadline = time.monotonic() + 90
        while not case.beats.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        owner = case.direct.job("job").owner
        assert owner is not None
        kill(owner.pid)
        assert engine.wait(timeout=120) == 0
        case.check()
        assert case.runs.read_text() == "run\nrun\n"
    finally:
        end_all(case.direct.home)
