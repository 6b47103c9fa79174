"""A folder for the work of one operation, which whoever comes after a killed process finds and clears."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.engine.rooms import Rooms


@contextmanager
def scratch_of(rooms: Rooms, operation_id: str) -> Iterator[Path]:
    """Give a new folder below the home; afterwards nothing is left of it, nor of what ran in it.

    Raises: PlatformError for what the disk refuses, in here and in what is done with it.
    """
    folder = rooms.operation_dir(operation_id)
    clear_scratch(rooms, operation_id)
    try:
        folder.mkdir(mode=0o700, parents=True)
        yield folder
    except OSError as exc:
        raise PlatformError(f"The folder of operation {operation_id!r} cannot be used: {exc}.") from exc
    finally:
        clear_scratch(rooms, operation_id)


def clear_scratch(rooms: Rooms, operation_id: str) -> None:
    """End what an operation's scripts started, and delete what they left."""
    folder = rooms.operation_dir(operation_id)
    rooms.kill_left_overs(folder / "workers.jsonl")
    shutil.rmtree(folder, ignore_errors=True)
