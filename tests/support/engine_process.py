"""An engine without doors, for chaos, in a process of its own: `start_engine`; see `options`.

It is the real engine loop over real records, workers and files; only the environment is this Python, so that a run
takes a second. It runs until the job is final and nothing is left to do. The one who starts it starts it again when a
fault killed it, as the doors would.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from batchyard.bootstrap.engine import TICK_S, Engine
from batchyard.bootstrap.locks import hold
from batchyard.bootstrap.log_lines import set_up_logging
from batchyard.bootstrap.spawn import Watcher
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import FINAL
from batchyard.engine.rooms import Rooms
from batchyard.ports.datastore import Datastores
from batchyard.settings import from_environment
from tests.support.direct import DirectHome
from tests.support.forks import Forked, fork
from tests.support.jumping_clock import jumping_clock
from tests.support.power_loss import note_syncs
from tests.support.weak_datastores import WeakDatastores, weaken_folders


class NobodyToWatch(Watcher):
    """The doors are the test itself."""

    def tick(self) -> bool:
        return False


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read how the engine is to be tormented."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.engine_process")
    parser.add_argument("home", type=Path)
    parser.add_argument("job")
    parser.add_argument("--notes", type=Path, help="a folder in which every sync is noted, see power_loss")
    parser.add_argument("--lock", default="engine.lock", help="another one than other engines of this home have")
    parser.add_argument("--clock", type=Path, help="a file with the seconds that the wall clock is wrong by")
    parser.add_argument("--weak", type=Path, help="a file that counts calls to datastores; every third one fails")
    parser.add_argument("--slow-s", type=float, default=0.0, help="what each call to a datastore takes longer")
    parser.add_argument("--spare", action="store_true", help="kill nothing that an earlier owner left")
    return parser.parse_args(given)


def main(asked: argparse.Namespace) -> None:
    """Run the engine until the job is final and nothing is left to do."""
    set_up_logging("engine")
    if asked.notes is not None:
        note_syncs(asked.home, asked.notes)
    settings = from_environment()
    direct = DirectHome(asked.home, fault=settings.fault, fault_log=settings.fault_log)
    rooms = _tormented(direct.rooms, asked)
    engine = Engine(lambda _: rooms, hold(asked.home / asked.lock), NobodyToWatch(asked.home, other="doors"))
    while direct.job(asked.job).status not in FINAL or not engine.is_idle:
        try:
            engine.tick()
        except PlatformError as exc:
            print(exc, file=sys.stderr)
        time.sleep(TICK_S)
    engine.stop()


def _tormented(rooms: Rooms, asked: argparse.Namespace) -> Rooms:
    if asked.clock is not None:
        rooms = replace(rooms, now=jumping_clock(asked.clock))
    if asked.weak is not None:
        weaken_folders(asked.home.parent / "input", asked.weak)
        weak: Datastores = WeakDatastores(rooms.datastores, asked.weak, slow_s=asked.slow_s)  # Typed: replace() is not.
        rooms = replace(rooms, datastores=weak)
    if asked.spare:
        rooms = replace(rooms, kill_left_overs=lambda _: None)
    return rooms


def start_engine(home: Path, *given: str, variables: Mapping[str, str] | None = None) -> Forked:
    """Start one that runs until `job` is final; its output goes to `engine.log` of the home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    environment = {**kept, "BATCHYARD_HOME": str(home), **(variables or {})}
    with open(home / "engine.log", "ab") as log:
        return fork(
            f"{__name__}:run",
            [str(home), "job", *given],
            imports=(__name__, "batchyard.records.migrations.upgrade"),
            variables=environment,
            folder=Path(__file__).parents[2],
            out=log.fileno(),
            err=log.fileno(),
        )


def run() -> None:
    """Be one, as the command line says."""
    main(options())


if __name__ == "__main__":
    run()
