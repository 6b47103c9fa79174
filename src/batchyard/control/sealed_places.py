"""Which uploads a registered version was made of: kept with the registration, asked for by whoever writes bytes."""

from __future__ import annotations

import hashlib

from batchyard.control import audit
from batchyard.domain.assets import Asset, CodeVersion, DataAsset, Model
from batchyard.domain.resource_ids import DatastorePath
from batchyard.domain.sealed_places import SealedPlace, place_sealed_by, places_that_could_be_sealed
from batchyard.ports.records import Key, Kind, Transaction


def seal_place_of(tx: Transaction, act: audit.Act, key: Key, asset: Asset) -> None:
    """Seal the place that a new version was made of; nothing for one that has none, or that is sealed already.

    It goes with the registration, whose audit row tells of it.
    """
    place = place_sealed_by(asset.uri) if isinstance(asset, Model | CodeVersion | DataAsset) else None
    if place is None or tx.documents.get(_key(place)) is not None:
        return
    sealed = SealedPlace(place.datastore, place.path, audit.target(key))
    tx.documents.save(_key(place), sealed, actor=act.actor, now=act.now)


def sealed_by(tx: Transaction, place: DatastorePath) -> str | None:
    """Give the version for which nothing may change at a place any more, as `models/m/versions/1`, or None."""
    for candidate in places_that_could_be_sealed(place):
        stored = tx.documents.get(_key(candidate))
        if stored is not None:
            return str(stored.document.sealed_by)
    return None


def _key(place: DatastorePath) -> Key:
    text = f"{place.datastore}/{place.path}".encode(errors="surrogateescape")
    return Key(Kind.SEALED_PLACE, hashlib.sha256(text).hexdigest())
