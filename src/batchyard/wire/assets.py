"""What versioned assets share on the wire: their container, and the fields every version has."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.assets import Asset, AssetKind, CodeDraft, CodeVersion, Model, ModelDraft
from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.resource_ids import Scope, parse_reference
from batchyard.wire.envelopes import arm_envelope
from batchyard.wire.shapes import ArmShape, Text, TextMap
from batchyard.wire.trees import at, creation_context, mapping_at, sorted_keys, text_at


def container_to_arm(
    scope: Scope, kind: AssetKind, name: str, latest_version: str | None, next_version: str
) -> dict[str, object]:
    """Give an asset's container: what of its versions is newest, and what the next number will be."""
    properties: dict[str, object] = {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": False,
        "latestVersion": latest_version,
        "nextVersion": next_version,
    }
    return arm_envelope(scope, kind.value, name, properties=properties)


def container_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give a row of `model list` or `environment list` without a name."""
    return sorted_keys(
        {"id": at(arm, "id"), "name": at(arm, "name"), "latest_version": at(arm, "properties", "latestVersion")}
    )


class VersionShape(ArmShape):
    """The fields that the body of every asset version has."""

    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    is_anonymous: bool | None = None
    is_archived: bool | None = None


def version_to_arm(asset: Asset | ModelDraft | CodeDraft) -> dict[str, object]:
    """Give the properties that every asset version has, for bodies and answers alike."""
    return {
        "description": asset.description,
        "tags": dict(asset.tags),
        "properties": dict(asset.properties),
        "isAnonymous": asset.is_anonymous,
        "isArchived": asset.is_archived,
    }


def seal_to_arm(asset: Model | CodeVersion) -> dict[str, object]:
    """Give what is ours of sealed bytes: our hash of the tree, how many files, and their size."""
    sealed = asset.sealed
    return {"sha256": sealed.sha256, "files": sealed.files, "sizeBytes": sealed.size_bytes}


def version_cli(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what the command line prints of every asset version; name and version as the id has them."""
    reference = parse_reference(text_at(arm, "id"))
    return {
        "id": at(arm, "id"),
        "name": reference.name if reference else None,
        "version": reference.version if reference else None,
        "description": at(arm, "properties", "description"),
        "tags": mapping_at(arm, "properties", "tags"),
        "properties": mapping_at(arm, "properties", "properties"),
        "is_anonymous": at(arm, "properties", "isAnonymous"),
        "is_archived": at(arm, "properties", "isArchived"),
        "creation_context": creation_context(arm),
    }


def version_mistakes(kind: str, name: str, version: str | None, *, prefix: str = "") -> list[Mistake]:
    """Say what is wrong with an asset's name and version; version None takes the next number."""
    found = [name_mistake(kind, name, field=f"{prefix}name")]
    if version is not None:
        found.append(name_mistake("version", version, field=f"{prefix}version"))
    return [mistake for mistake in found if mistake is not None]
