"""Logs under the name of a job's child: the child is the job's one step, so its logs are the job's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from batchyard.domain.datastores import log_folder
from batchyard.ports.datastore import Datastore, Entry
from batchyard.wire.jobs import parent_job_name

_ANY_FOLDER = log_folder("")


def logs_as_asked(store: Datastore, asked: str) -> Datastore:
    """Give the artifact store for reading what a request asks for, a blob or a prefix.

    # Azure: `jobs.download(child, all=True)` looks for the child's logs in `ExperimentRun/dcid.<child>/`, whatever the
    # run says of its outputs.
    """
    folder = "/".join(asked.split("/")[:2])
    parent = parent_job_name(folder.removeprefix(_ANY_FOLDER)) if folder.startswith(_ANY_FOLDER) else None
    # A job of its own may have such a name.
    if parent is None or next(iter(store.list(f"{folder}/")), None) is not None:
        return store
    return _Renamed(store, shown=f"{folder}/", real=f"{log_folder(parent)}/")


@dataclass(frozen=True, slots=True)
class _Renamed:
    """A datastore in which one folder, and nothing else, is seen under another name."""

    store: Datastore
    shown: str
    real: str

    def list(self, prefix: str, *, start: str = "") -> Iterator[Entry]:
        """As the store."""
        for entry in self.store.list(self._real(prefix), start=self._real(start)):
            yield self._as_shown(entry)

    def level(self, prefix: str, *, start: str = "") -> Iterator[Entry | str]:
        """As the store."""
        for item in self.store.level(self._real(prefix), start=self._real(start)):
            yield self.shown + item.removeprefix(self.real) if isinstance(item, str) else self._as_shown(item)

    def stat(self, path: str) -> Entry | None:
        """As the store."""
        found = self.store.stat(self._real(path))
        return None if found is None else self._as_shown(found)

    def open(self, path: str) -> BinaryIO:
        """As the store."""
        return self.store.open(self._real(path))

    def open_entry(self, path: str) -> tuple[Entry, BinaryIO]:
        """As the store."""
        entry, stream = self.store.open_entry(self._real(path))
        return self._as_shown(entry), stream

    def put(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        create_only: bool,
        check: Callable[[Entry | None], None] | None = None,
    ) -> Entry:
        """As the store."""
        return self._as_shown(self.store.put(self._real(path), chunks, create_only=create_only, check=check))

    def delete(self, path: str) -> bool:
        """As the store."""
        return self.store.delete(self._real(path))

    def _real(self, path: str) -> str:
        return self.real + path.removeprefix(self.shown) if path.startswith(self.shown) else path

    def _as_shown(self, entry: Entry) -> Entry:
        return replace(entry, path=self.shown + entry.path.removeprefix(self.real))
