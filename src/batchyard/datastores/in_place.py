"""Folders of the user's own, used where they are, for a run without a server: nothing is uploaded, linked or sealed."""

from __future__ import annotations

import os
from pathlib import Path

from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import tree_digest
from batchyard.domain.assets import Sealed

OUTPUT = "output"


class InPlaceTrees:
    """Model and code of one run, hashed as the sealed store would; their files may still change, unlike sealed ones.

    views: a folder for the run's own links, so that a model keeps its own name at the top of its tree.
    """

    def __init__(self, views: Path) -> None:
        self._views = views
        self._paths: dict[str, Path] = {}

    def add(self, path: Path, *, keep_name: bool) -> Sealed:
        """Take in a file or folder and give its hash. keep_name: as in `SealedStore.seal`."""
        if keep_name:
            view = self._views / f"tree-{len(self._paths)}"
            view.mkdir(parents=True)
            os.symlink(path, view / path.name)
            sealed = tree_digest(path, top=path.name)
        else:
            view, sealed = path, tree_digest(path, top="")
        self._paths[sealed.sha256] = view
        return sealed

    def path(self, sealed: Sealed) -> Path:
        """Give the folder of a tree."""
        return self._paths[sealed.sha256]


def output_beside(home: Path, output: Path) -> LocalDatastores:
    """Give the datastores of a run: the folder above the output is one, named `OUTPUT`; inputs are local paths."""
    return LocalDatastores(home, more={OUTPUT: output.parent})
