"""An engine without doors, for chaos: `python -m tests.support.engine_process HOME JOB [NOTES]`.

It runs until the job is final and nothing is left to do.

It is the real engine loop over real records, workers and files; only the environment is this Python, so that a run
takes a second. The one who starts it starts it again when a fault killed it, as the doors would. NOTES: a folder in
which every sync is noted, see `power_loss`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from batchyard.bootstrap.engine import TICK_S, Engine
from batchyard.bootstrap.locks import hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.spawn import Watcher
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import FINAL
from batchyard.settings import from_environment
from tests.support.direct import DirectHome
from tests.support.power_loss import note_syncs


class NobodyToWatch(Watcher):
    """The doors are the test itself."""

    def tick(self) -> bool:
        return False


def main(home: Path, job: str, notes: Path | None) -> None:
    set_up_logging("engine")
    if notes is not None:
        note_syncs(home, notes)
    settings = from_environment()
    direct = DirectHome(home, fault=settings.fault, fault_log=settings.fault_log)
    engine = Engine(direct.rooms, hold(home / "engine.lock"), NobodyToWatch(home, other="doors"))
    while direct.job(job).status not in FINAL or not engine.is_idle:
        try:
            engine.tick()
        except PlatformError as exc:
            print(exc, file=sys.stderr)
        time.sleep(TICK_S)
    engine.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else None)
