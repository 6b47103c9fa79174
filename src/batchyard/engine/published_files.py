"""The files of a job's published output, by the names that its manifest has for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from batchyard.domain.errors import NotFound
from batchyard.domain.job_specs import OutputTarget
from batchyard.ports.datastore import Datastores


class PublishedFiles:
    """`domain.outputs.checks.OutputFiles` of an output in a datastore."""

    def __init__(self, datastores: Datastores, target: OutputTarget) -> None:
        self._store = datastores.get(target.place.datastore)
        self._folder = target.place.path.strip("/")
        self._target = target

    @property
    def manifest(self) -> str:
        """The manifest's name: a plain one in a folder of its own."""
        return f"{self._target.file_name}.manifest.json" if self._target.into_existing else "_manifest.json"

    def names(self) -> Iterable[str]:
        """Give what is in the output's own folder; beside other files, what is in that of the script's files alone."""
        prefix = f"{self._folder}/" if self._folder else ""
        own = f"{self._target.file_name}.files/" if self._target.into_existing else ""
        for entry in self._store.list(prefix + own):
            yield entry.path[len(prefix) :]

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises: NotFound; OSError; CallerError for a name that leads out of the datastore."""
        path = f"{self._folder}/{name}" if self._folder else name
        if self._store.stat(path) is None:  # A pipe in its place would keep the reader for ever.
            raise NotFound(f"There is no file {name!r} in the output.")
        return self._store.open(path)
