"""The engine met by what other processes left: owners of another boot, job processes without an engine, bad jobs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.bootstrap.engine import Engine
from batchyard.bootstrap.locks import hold
from batchyard.bootstrap.process_identity import is_alive, pid_space, send_signal, this_process
from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Owner
from batchyard.engine.claim import claim_job
from batchyard.engine.rooms import Rooms
from batchyard.ports.job_leases import JobChange
from batchyard.ports.records import Key, Kind, Operation, OperationStatus
from tests.support.direct import DirectHome
from tests.support.engine_process import NobodyToWatch

SCRIPT = "def run(mini_batch): return mini_batch\n"
GONE = Owner("a boot long ago", 1, 1)


@pytest.fixture
def direct(tmp_path: Path) -> DirectHome:
    return DirectHome(tmp_path / "home")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def engine_of(direct: DirectHome, rooms: Rooms | None = None) -> Engine:
    lock = hold(direct.home / "engine.lock")
    return Engine(lambda _: rooms or direct.rooms, lock, NobodyToWatch(direct.home, other="doors"), is_alone=True)


def identity(process: subprocess.Popen[bytes]) -> Owner:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return Owner(pid_space(), process.pid, int(fields[19]))


def submit(direct: DirectHome, tmp_path: Path, name: str) -> None:
    (tmp_path / "input").mkdir(exist_ok=True)
    (tmp_path / "input/item").write_text("x")
    direct.submit(name, tmp_path / "input", SCRIPT)


@pytest.mark.parametrize("owner", [GONE, this_process()], ids=["of an earlier boot", "this engine, without a child"])
def test_provisioning_that_nobody_is_at_is_taken_on_at_once(direct: DirectHome, owner: Owner) -> None:
    key = Key(Kind.DEPLOYMENT, "d", parent="e")
    with direct.rooms.records.writing() as tx:
        tx.operations.add(Operation("op", key, 1, OperationStatus.RUNNING, 0.0, "tester"))
        tx.operations.claim_next(owner, lease_s=3 * 3600.0)
    engine_of(direct).tick()
    with direct.rooms.records.reading() as tx:
        assert tx.operations.held() == []


def test_a_stop_ends_the_job_processes_that_a_killed_engine_left(
    direct: DirectHome, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    submit(direct, tmp_path, "job")
    owner = identity(sleeper)
    assert claim_job(replace(direct.rooms, owner=owner)) is not None
    engine_of(direct).stop()
    assert not is_alive(owner)


def test_a_stop_spares_a_process_that_has_the_id_of_one_that_is_gone(
    direct: DirectHome, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    submit(direct, tmp_path, "job")
    earlier = replace(identity(sleeper), start_ticks=identity(sleeper).start_ticks - 1)
    assert claim_job(replace(direct.rooms, owner=earlier)) is not None
    engine_of(direct).stop()
    send_signal(earlier, signal.SIGTERM)
    assert is_alive(identity(sleeper))


def test_what_a_process_of_an_earlier_engine_left_when_it_was_killed_at_its_end_is_tidied_up(
    direct: DirectHome, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    submit(direct, tmp_path, "job")
    job = claim_job(replace(direct.rooms, owner=identity(sleeper)))
    assert job is not None
    left = direct.home / "jobs/job/scratch-1"
    engine = engine_of(direct)
    tick_until(engine, lambda: not engine.is_idle)
    with direct.rooms.records.writing() as tx:
        tx.job_leases.advance("job", fence=job.fence, change=JobChange(JobStatus.FAILED))
    left.mkdir(parents=True)
    for _ in range(12):  # Longer than it takes to look for orphans: it may be at it itself.
        tick_until(engine, lambda: True)
    assert left.exists()
    sleeper.kill()
    sleeper.wait()
    tick_until(engine, lambda: not left.exists())
    tick_until(engine, lambda: engine.is_idle)


def tick_until(engine: Engine, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while True:
        engine.tick()
        time.sleep(0.1)
        if condition():
            return
        assert time.monotonic() < deadline, "it did not come"


class OneBad:
    """Job homes of which one cannot be opened."""

    def __init__(self, rooms: Rooms) -> None:
        self._homes = rooms.homes

    def open(self, job: str) -> LocalJobHome:
        if job == "bad":
            raise PlatformError("Could not make the home of job 'bad': Input/output error.")
        home = self._homes.open(job)
        assert isinstance(home, LocalJobHome)
        return home


def test_a_job_that_cannot_be_taken_over_keeps_no_other_one_waiting(direct: DirectHome, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        submit(direct, tmp_path, name)
        assert claim_job(replace(direct.rooms, owner=GONE)) is not None
        for fence in range(1, 5):  # Four ends already: with the fifth the engine gives up, and forks nothing.
            with direct.rooms.records.writing() as tx:
                tx.job_leases.take_over(name, fence=fence, owner=GONE, lease_s=60.0, made_progress=False)
    engine = engine_of(direct, replace(direct.rooms, homes=OneBad(direct.rooms), owner=this_process()))
    deadline = time.monotonic() + 15
    while direct.job("good").status is not JobStatus.FAILED and time.monotonic() < deadline:
        engine.tick()
        time.sleep(0.1)
    assert direct.job("good").status is JobStatus.FAILED


def test_a_child_that_cannot_write_its_last_lines_never_goes_on_as_a_second_engine(
    direct: DirectHome, tmp_path: Path
) -> None:
    program = f"""
import os, sys
from batchyard.bootstrap.job import fork
from tests.support.direct import DirectHome
from pathlib import Path
rooms = DirectHome(Path({str(direct.home)!r})).rooms
def run(rooms):
    sys.stdout = open("/dev/full", "w")
    sys.stdout.write("x")
try:
    pid = fork(rooms, run, leave=lambda: None)
except OSError:
    Path({str(tmp_path / "escaped")!r}).touch()
    os._exit(1)
os.waitpid(pid, 0)
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=True, timeout=180)
    assert not (tmp_path / "escaped").exists()
