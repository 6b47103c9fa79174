"""Seal before the transaction opens: hashing gigabytes inside it would keep every other writer waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.api.rooms import Rooms
from batchyard.control import assets
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import AssetKind, Sealed
from batchyard.domain.errors import CallerError, NotFound
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.outputs.verification import Events
from batchyard.domain.resource_ids import DatastorePath, parse_datastore_uri
from batchyard.ports.datastore import SealedStore


def seal_ahead(rooms: Rooms, caller: Caller, kind: AssetKind, name: str, version: str | None, uri: str) -> SealedStore:
    """Give the sealed store to hand to `control`, with what it will ask for done already.

    Mistakes are not told here: `control` tells them together with all others.
    Raises: Forbidden; PlatformError.
    """
    authorise(caller, Action.ASSET_WRITE)
    place = parse_datastore_uri(uri)
    if place is None or (version is not None and _is_registered(rooms, caller, kind, name, version, uri)):
        return rooms.sealed
    try:
        seal = rooms.sealed.seal(place, keep_name=kind is AssetKind.MODEL)
    except CallerError:
        return rooms.sealed
    return _SealedAhead(rooms.sealed, place, seal)


def _is_registered(rooms: Rooms, caller: Caller, kind: AssetKind, name: str, version: str, uri: str) -> bool:
    with rooms.records.reading() as tx:
        try:
            return bool(assets.get_version(tx, caller, kind, name, version).document.uri == uri)
        except NotFound:
            return False


@dataclass(frozen=True, slots=True)
class _SealedAhead:
    """The sealed store, which remembers one place that was sealed a moment ago."""

    store: SealedStore
    place: DatastorePath
    seal_of_place: Sealed

    def seal(self, source: DatastorePath, *, keep_name: bool) -> Sealed:
        """Give the seal made ahead, or make one."""
        return self.seal_of_place if source == self.place else self.store.seal(source, keep_name=keep_name)

    def add(self, files: Mapping[str, str]) -> Sealed:
        """As the store."""
        return self.store.add(files)

    def read_text(self, sealed: Sealed, path: str, *, limit_bytes: int) -> str | None:
        """As the store."""
        return self.store.read_text(sealed, path, limit_bytes=limit_bytes)

    def path(self, sealed: Sealed) -> Path:
        """As the store."""
        return self.store.path(sealed)

    def names(self, sealed: Sealed) -> list[str]:
        """As the store."""
        return self.store.names(sealed)

    def files(self, sealed: Sealed) -> Sequence[TreeFile] | None:
        """As the store."""
        return self.store.files(sealed)

    def check(self, sealed: Sealed, subject: str) -> Events:
        """As the store."""
        return self.store.check(sealed, subject)
