"""Data assets: ARM's data version, the YAML of A.7, and what `data show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator

from batchyard.domain.assets import DataAsset, DataType, definition_sha256
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Scope, parse_datastore_uri
from batchyard.wire.assets import VersionShape, version_cli, version_mistakes, version_to_arm
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.shapes import (
    ArmShape,
    NoEffect,
    ReadOnly,
    Text,
    TextMap,
    YamlShape,
    name_missing,
    notes_of,
    one_of,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import at, sorted_keys, without_empty

_Type = Annotated[DataType, BeforeValidator(one_of(DataType))]


@dataclass(frozen=True, slots=True)
class DataYaml:
    """A data asset as its YAML file writes it. version: None takes the next number. path: local, or a datastore's."""

    name: str
    version: str | None
    type: DataType
    path: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class DataFile(YamlShape):
    """The YAML of a data asset."""

    name: Text | None = None
    version: Text | None = None
    type: _Type | None = None
    path: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    datastore: NoEffect = None
    id: ReadOnly = None
    creation_context: ReadOnly = None
    is_anonymous: ReadOnly = None
    is_archived: ReadOnly = None
    sha256: ReadOnly = None


class _Properties(VersionShape):
    data_type: _Type | None = None
    data_uri: Text | None = None


class DataBody(ArmShape):
    """The body of a PUT of a data asset's version."""

    properties: _Properties | None = None


def data_from_arm(name: str, version: str | None, body: Mapping[str, object]) -> DataAsset:
    """Read the body of a PUT; version "" in the result takes the next number.

    Raises: InvalidInput with all mistakes, fields as ARM names them.
    """
    shape, mistakes = read_shape(DataBody, body)
    given = shape.properties or _Properties()
    ours = version_mistakes("data asset", name, version)
    if parse_datastore_uri(given.data_uri or "") is None:
        allowed = "azureml://datastores/NAME/paths/PATH of uploaded files"
        ours.append(Mistake("properties.dataUri", shown(given.data_uri), allowed))
    raise_mistakes(f"Data asset {name!r}", merged(mistakes, ours))
    return DataAsset(
        name=name,
        version=version or "",
        type=given.data_type or DataType.FOLDER,
        uri=given.data_uri or "",
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
        is_anonymous=bool(given.is_anonymous),
        is_archived=bool(given.is_archived),
    )


def data_to_arm(scope: Scope, data: DataAsset, meta: StoredMeta) -> dict[str, object]:
    """Give a data version as GET answers it; ours: properties.sha256, of the definition."""
    properties = {
        **version_to_arm(data),
        "dataType": data.type.value,
        "dataUri": data.uri,
        "sha256": definition_sha256(data),
    }
    return arm_envelope(scope, "data", data.name, "versions", data.version, properties=properties, meta=meta)


def data_from_yaml(document: Mapping[str, object]) -> DataYaml:
    """Read a YAML document. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    shape, mistakes = read_shape(DataFile, document)
    data = DataYaml(
        name=shape.name or "",
        version=shape.version,
        type=shape.type or DataType.FOLDER,
        path=shape.path or "",
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
        notes=notes_of(shape),
    )
    ours = version_mistakes("data asset", data.name or "unnamed", data.version)
    if not data.path:
        ours.append(Mistake("path", "nothing", "a local file or folder, or an azureml:// URI"))
    raise_mistakes(f"Data asset {data.name!r}", merged(mistakes, [*ours, *name_missing("data asset", data.name)]))
    return data


def data_to_arm_body(data: DataAsset) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    return {"properties": {**version_to_arm(data), "dataType": data.type.value, "dataUri": data.uri}}


def data_yaml_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give the YAML document of a registered data asset, to patch with `--set` and read again."""
    printed = data_cli_from_arm(arm)
    keys = ("name", "version", "type", "path", "description", "tags", "properties")
    return without_empty({key: printed[key] for key in keys})


def data_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `data show` prints: snake_case, sorted, the same keys always."""
    return sorted_keys(
        {
            **version_cli(arm),
            "type": at(arm, "properties", "dataType"),
            "path": at(arm, "properties", "dataUri"),
            "sha256": at(arm, "properties", "sha256"),
        }
    )
