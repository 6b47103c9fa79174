"""One job on a disk that is really full for a while: `python -m tests.chaos.full_disk_run FOLDER LEFT_BYTES`.

To be run in a mount namespace of its own: the home is a small file system that only this process and its children see,
and that is gone with them. LEFT_BYTES: what is left on it when the job starts.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.job_states import FINAL, JobStatus
from tests.chaos.fault_runs import left_overs
from tests.chaos.victims import KINDS
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.forks import Forked
from tests.support.processes import end_all, wait_for_none

ITEMS = 60
ROW_BYTES = 100_000
DISK_BYTES = 32 << 20
SCRIPT = f"""
import os
def run(mini_batch):
    return [os.path.basename(path).ljust({ROW_BYTES}, "x") for path in mini_batch]
"""


def main(folder: Path, left_bytes: int) -> None:
    """Fill the disk, run the job until it has met that, make room, and look at what comes out."""
    home = folder / "home"
    home.mkdir(parents=True)
    if ctypes.CDLL(None).mount(b"none", os.fsencode(home), b"tmpfs", 0, b"size=%d" % DISK_BYTES) != 0:
        sys.exit("no file system can be mounted here")
    direct = _submitted(folder)
    filler = home / "filler"
    found = os.statvfs(home)
    filler.write_bytes(bytes(found.f_bavail * found.f_frsize - left_bytes))
    engine = start_engine(direct.home)
    try:
        _wait(lambda: _has_met_the_end(direct), engine)
        assert direct.job("job").status not in FINAL
        filler.unlink()
        _wait(lambda: direct.job("job").status in FINAL, engine)
        assert engine.wait(60) == 0
        assert wait_for_none(home, within_s=60.0) == {}
    except AssertionError:
        print(direct.job("job"), (home / "engine.log").read_text(), file=sys.stderr)
        raise
    finally:
        end_all(home)
    _check(direct)


def _submitted(folder: Path) -> DirectHome:
    source = folder / "input"
    source.mkdir()
    for k in range(ITEMS):
        (source / f"item-{k:03d}").touch()
    direct = DirectHome(folder / "home")
    settings = ExecutionSettings(
        mini_batch_size=2, max_concurrency_per_instance=2, retry=RetrySettings(0, 30.0), error_threshold=0
    )
    direct.submit("job", source, SCRIPT, settings)
    return direct


def _has_met_the_end(direct: DirectHome) -> bool:
    """Whether the job's process ended, and the next one too if the database had room for its claim."""
    job = direct.job("job")
    is_running = job.status in (JobStatus.RUNNING, JobStatus.FINALIZING)
    return job.fence > 1 or (is_running and not KINDS["job"](direct.home, "job"))


def _wait(condition: Callable[[], bool], engine: Forked) -> None:
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        assert engine.poll() in (None, 0)
        time.sleep(0.05)


def _check(direct: DirectHome) -> None:
    """No item is charged for the disk: without retries and with a budget of none, all of them succeed."""
    job = direct.job("job")
    assert job.status is JobStatus.COMPLETED, job
    assert (job.counts.succeeded, job.counts.failed, job.counts.incomplete) == (ITEMS, 0, 0)
    rows = (direct.output("job") / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:03d}".ljust(ROW_BYTES, "x") for k in range(ITEMS)]
    assert left_overs(direct.home, "job") == []


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
