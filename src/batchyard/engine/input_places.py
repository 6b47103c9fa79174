"""Where inputs lie that are read in place: at the path of a datastore, or among the sealed trees."""

from __future__ import annotations

import os
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.engine.rooms import Rooms


def place_of(rooms: Rooms, source: InputSource) -> Path:
    """Give the local path of an input that is not of the web; of a registered model, that of its file or folder.

    Raises: InvalidInput for a URI of another kind; NotFound; PlatformError when sealed bytes are gone.
    """
    if source.sealed is None:
        return rooms.datastores.input_path(source)
    tree = rooms.sealed.path(source.sealed)
    try:
        # Azure: the path of an input is the model itself, and not a folder around it.
        (top,) = os.listdir(tree)
    except (OSError, ValueError) as exc:
        raise PlatformError(f"The sealed bytes of '{source.asset}' are gone from {tree}, or damaged.") from exc
    return tree / top


def is_one_file(source: InputSource, path: Path) -> bool:
    """Tell whether an input is one file. path: where it lies."""
    return source.kind is InputKind.FILE if source.sealed is None else path.is_file()
