"""Folders of the user's own, used where they are, for a run without a server: nothing is uploaded or sealed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import tree_files
from batchyard.domain.assets import Sealed
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.outputs.tree_files import TreeFile, tree_seal

OUTPUT = "output"
_LARGEST_COPIED_BYTES = 1 << 20


class InPlaceTrees:
    """Model and code of one run, hashed as the sealed store would; their files may still change, unlike sealed ones.

    views: a folder for the run's own links, so that a model keeps its own name at the top of its tree.
    """

    def __init__(self, views: Path) -> None:
        self._views = views
        self._paths: dict[str, Path] = {}
        self._files: dict[str, Sequence[TreeFile]] = {}

    def add(self, path: Path, *, keep_name: bool) -> Sealed:
        """Take in a file or folder and give its hash. keep_name: as in `SealedStore.seal`."""
        if keep_name:
            view = self._views / f"tree-{len(self._paths)}"
            files = tree_files(path, top=path.name)
            _mirror(path, view, files)
        else:
            view, files = path, tree_files(path, top="")
        sealed = tree_seal(files)
        self._paths[sealed.sha256], self._files[sealed.sha256] = view, files
        return sealed

    def path(self, sealed: Sealed) -> Path:
        """Give the folder of a tree."""
        return self._paths[sealed.sha256]

    def files(self, sealed: Sealed) -> Sequence[TreeFile]:
        """Give the files of a tree as they were when the run began."""
        return self._files[sealed.sha256]


class NoWebInputs:
    """`ports.web.WebInputs` of a run whose input lies on this machine; what fetches files is not even imported."""

    def mistake(self, url: str) -> str:
        """Say that a URL will not be fetched."""
        return f"{url!r} is not on this machine"

    def fetch(self, url: str, folder: Path, *, meanwhile: Callable[[], None]) -> Path:  # noqa: ARG002
        """Refuse."""
        raise InvalidInput("The input", [Mistake("input", repr(url), "a folder or a file of this machine")])


def _mirror(path: Path, view: Path, files: Sequence[TreeFile]) -> None:
    """Make real folders and files, of the same bytes on the disk: mlflow refuses links that lead out of a model."""
    (view / path.name if path.is_dir() else view).mkdir(parents=True)
    for file in files:
        name = os.fsdecode(file.path)
        source, place = (path.absolute().parent / name).resolve(), view / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, place)
        except OSError:
            # Another file system, or one without hard links: what describes a model is small, weights need no copy.
            if file.size_bytes <= _LARGEST_COPIED_BYTES:
                shutil.copy(source, place)
            else:
                place.symlink_to(source)


def output_beside(home: Path, output: Path) -> LocalDatastores:
    """Give the datastores of a run: the folder above the output is one, named `OUTPUT`; inputs are local paths."""
    return LocalDatastores(home, more={OUTPUT: output.parent})
