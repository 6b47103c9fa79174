"""Versions of assets, as every kind of them is stored: numbered, and never changed once they are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar  # Any: what a document is, its key's kind says

from batchyard.control import audit, references, registry, sealed_places
from batchyard.domain.assets import (
    Asset,
    AssetKind,
    CodeVersion,
    Component,
    DataAsset,
    Environment,
    Model,
    next_version,
)
from batchyard.domain.errors import Conflict, Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.resource_ids import parse_datastore_uri
from batchyard.ports.records import Stored, Transaction

_A = TypeVar("_A", Model, Environment, CodeVersion, DataAsset, Component)


def next_of(tx: Transaction, kind: AssetKind, name: str) -> str:
    """Give the number of a new version."""
    return next_version([stored.key.version for stored in references.versions_of(tx, kind, name)])


def name_mistakes(kind: AssetKind, name: str, version: str | None) -> list[Mistake]:
    """Say what is wrong with the name of an asset and its version. version: None when the next number is taken."""
    found = [name_mistake(kind.noun, name)]
    found += [name_mistake("version", version, field="version")] if version is not None else []
    return [mistake for mistake in found if mistake is not None]


def store(
    tx: Transaction, act: audit.Act, kind: AssetKind, wanted: _A, stored: Stored[Any] | None, *, refusal: str
) -> Stored[_A]:
    """Save a new version, or what may change of an existing one; nothing is saved where nothing changed."""
    key = registry.asset_key(kind, wanted.name, wanted.version)
    if stored is None:
        sealed_places.seal_place_of(tx, act, key, wanted)
        return audit.save(tx, act, key, wanted)
    if content(stored.document) != content(wanted):
        raise Conflict(refusal)
    changed = replace(
        stored.document,
        description=wanted.description,
        tags=wanted.tags,
        properties=wanted.properties,
        is_archived=wanted.is_archived,
    )
    return stored if changed == stored.document else audit.save(tx, act, key, changed)


def content(asset: Asset) -> tuple[object, ...]:
    """Give what of a version never changes."""
    match asset:
        case Model():
            return (asset.type, dict(asset.flavors), asset.sealed.sha256)
        case Environment():
            return (asset.image, asset.conda_file, asset.os_type)
        case CodeVersion():
            return (asset.sealed.sha256,)
        case DataAsset():
            return (asset.type, parse_datastore_uri(asset.uri))
        case Component():
            return (dict(asset.spec),)
