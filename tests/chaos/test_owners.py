"""Several who think that they own one job: zombies that wake late, two engines, clocks that jump."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from batchyard.domain.job_states import FINAL, JobStatus
from tests.chaos.fault_runs import ROWS, finish, submitted
from tests.chaos.victims import KINDS, committed, recorded
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.forks import Forked
from tests.support.processes import end_all, kill

pytestmark = pytest.mark.timeout(600)  # A hung run fails by its own deadlines long before.
WITHIN_S = 200.0
JUMPS_S = (3600.0, -3600.0, 86400.0, -86400.0, 15.0, -15.0)


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[DirectHome]:
    direct = submitted(tmp_path, pause_s=0.25)
    try:
        yield direct
    finally:
        end_all(direct.home)


def wait(condition: Callable[[], object], *engines: Forked) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        assert [engine.poll() for engine in engines if engine.poll()] == [], "an engine ended badly"
        time.sleep(0.02)


def is_final(direct: DirectHome) -> bool:
    return direct.job("job").status in FINAL


def lapse(direct: DirectHome) -> None:
    """End the lease of whoever has it now, as an owner does that renews it too late."""
    with sqlite3.connect(direct.home / "batchyard.db", timeout=30) as database:
        database.execute("update jobs set lease_until = 0 where name = 'job'")
    database.close()


def test_two_engines_that_both_think_they_own_a_job_score_it_once(direct: DirectHome) -> None:
    engines = [start_engine(direct.home, "--lock", lock) for lock in ("engine.lock", "other.lock")]
    for _ in range(6):
        fence, done = direct.job("job").fence, committed(direct.home, "job")
        # Five owners in a row that commit nothing end a job, by rule 5.
        wait(lambda: is_final(direct) or committed(direct.home, "job") > done, *engines)  # noqa: B023 - called at once
        # Again and again: whoever owns it may renew before anybody has looked.
        wait(lambda: is_final(direct) or direct.job("job").fence > fence or lapse(direct), *engines)  # noqa: B023
    wait(lambda: is_final(direct), *engines)
    assert [engine.wait(60) for engine in engines] == [0, 0]
    outcome = finish(direct)
    assert (outcome.status, outcome.files) == (JobStatus.COMPLETED, ROWS)
    assert outcome.owners > 1


@pytest.mark.parametrize("left_overs", ["killed", "spared"])
def test_a_job_process_and_workers_that_wake_late_double_nothing(direct: DirectHome, left_overs: str) -> None:
    """spared: the next owner cannot kill them, as on a host that it does not see."""
    engine = start_engine(direct.home, *(["--spare"] if left_overs == "spared" else []))
    wait(lambda: committed(direct.home, "job"), engine)
    sleepers = [*KINDS["job"](direct.home, "job"), *(pid for _, pid in recorded(direct.home, "job"))]
    assert len(sleepers) > 1
    for pid in sleepers:
        kill(pid, signal.SIGSTOP)
    done, fence = committed(direct.home, "job"), direct.job("job").fence
    lapse(direct)
    wait(lambda: direct.job("job").fence > fence and committed(direct.home, "job") > done, engine)
    for pid in reversed(sleepers):
        kill(pid, signal.SIGCONT)
    wait(lambda: is_final(direct), engine)
    assert engine.wait(60) == 0
    outcome = finish(direct)
    assert (outcome.status, outcome.files, outcome.owners) == (JobStatus.COMPLETED, ROWS, fence + 1)


def test_a_clock_that_jumps_delays_and_loses_nothing(direct: DirectHome, tmp_path: Path, chaos_seed: int) -> None:
    clock, chance = tmp_path / "clock", random.Random(chaos_seed)
    clock.write_text("0")
    engine = start_engine(direct.home, "--clock", str(clock))
    for _ in range(8):
        done = committed(direct.home, "job")
        wait(lambda: is_final(direct) or committed(direct.home, "job") > done, engine)  # noqa: B023 - called at once
        time.sleep(chance.uniform(0.0, 0.3))
        beside = clock.with_name("clock.new")
        beside.write_text(str(float(clock.read_text()) + chance.choice(JUMPS_S)))
        beside.replace(clock)
    wait(lambda: is_final(direct), engine)
    assert engine.wait(60) == 0
    outcome = finish(direct)
    assert (outcome.status, outcome.files) == (JobStatus.COMPLETED, ROWS)
