"""The data of one input as a step is given it: where it lies, fetched from the web, or a copy of the owner's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.job_specs import StepData
from batchyard.domain.pipelines.components import InputMode
from batchyard.engine.input_places import is_one_file, place_of
from batchyard.engine.prepare import copy_writable
from batchyard.engine.rooms import Rooms
from batchyard.ports.job_home import JobHome
from batchyard.ports.web import is_web


def data_for_step(
    rooms: Rooms, home: JobHome, given: StepData, *, name: str, folder: str, meanwhile: Callable[[], None]
) -> Path:
    """Give the local path of an input: its place, or a copy of its own; a file of the web is fetched for all owners.

    folder: for copies, in the home. meanwhile: called between files; what it raises ends that.
    Raises: InvalidInput; NotFound; OSError; PlatformError.
    """
    if is_web(given.source.uri):
        path = rooms.web.fetch(given.source.uri, home.path(f"input/{name}/x").parent, meanwhile=meanwhile)
    else:
        path = place_of(rooms, given.source)
    is_file = is_one_file(given.source, path)
    if not (path.is_file() if is_file else path.is_dir()):
        wanted = "a file" if is_file else "a folder"
        raise InvalidInput("The step", [Mistake(f"inputs.{name}", f"nothing at {given.source.uri!r}", wanted)])
    if given.mode is not InputMode.DOWNLOAD:
        return path

    def copied(source: str, target: str) -> str:
        meanwhile()
        return copy_writable(source, target)

    copy = home.path(f"{folder}/{name}/{path.name}")
    if is_file:
        copied(os.fspath(path), os.fspath(copy))
    else:
        shutil.copytree(path, copy, copy_function=copied)
    return copy
