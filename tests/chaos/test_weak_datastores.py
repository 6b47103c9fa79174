"""Datastores that fail every third call, or are slow, and a disk that is really full: waited for, never charged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchyard.domain.job_states import JobStatus
from tests.chaos.fault_runs import FILES, ITEMS, ROOT, ROWS, finish, submitted
from tests.support.engine_process import start_engine
from tests.support.processes import end_all

pytestmark = pytest.mark.timeout(600)  # A hung run fails by its own deadlines long before.
FOLDERS = 12


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path / "home")


@pytest.mark.parametrize("writes_files", [False, True], ids=["rows", "files"])
def test_a_datastore_that_fails_every_third_call_is_asked_again(tmp_path: Path, *, writes_files: bool) -> None:
    direct = submitted(tmp_path, writes_files=writes_files, folders=FOLDERS)
    engine = start_engine(direct.home, "--weak", str(tmp_path / "calls"))
    assert engine.wait(200) == 0
    outcome = finish(direct)
    assert (outcome.status, outcome.files) == (JobStatus.COMPLETED, FILES if writes_files else ROWS)
    assert direct.job("job").counts.succeeded == ITEMS
    assert outcome.owners == 1, "asking again is enough"
    assert (tmp_path / "calls").stat().st_size > FOLDERS


def test_a_datastore_that_is_slower_than_the_lease_is_waited_for(tmp_path: Path) -> None:
    direct = submitted(tmp_path)
    began = time.monotonic()
    engine = start_engine(direct.home, "--weak", str(tmp_path / "calls"), "--slow-s", "2.5")
    assert engine.wait(200) == 0
    assert time.monotonic() - began > 10, "longer than the lease of a job"
    outcome = finish(direct)
    assert (outcome.status, outcome.files, outcome.owners) == (JobStatus.COMPLETED, ROWS, 1)


@pytest.mark.parametrize("left_bytes", [1 << 20, 8 << 20], ids=["while scoring", "while publishing"])
def test_a_disk_that_is_really_full_delays_a_job_and_is_charged_to_no_item(tmp_path: Path, left_bytes: int) -> None:
    """In a mount namespace of its own, so that nothing of it stays."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = [sys.executable, "-m", "tests.chaos.full_disk_run", str(tmp_path), str(left_bytes)]
    done = subprocess.run(
        ["unshare", "--mount", *as_root, *command], cwd=ROOT, text=True, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
