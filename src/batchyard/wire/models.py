"""Models: ARM's model version, the YAML of A.6, and what `model show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator

from batchyard.domain.assets import Model, ModelDraft, ModelType
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Scope, parse_datastore_uri
from batchyard.wire.assets import VersionShape, seal_to_arm, version_cli, version_mistakes, version_to_arm
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
from batchyard.wire.trees import at, mapping_at, sorted_keys, without_empty

_Type = Annotated[ModelType, BeforeValidator(one_of(ModelType))]


@dataclass(frozen=True, slots=True)
class ModelYaml:
    """A model as its YAML file, or a deployment inline, writes it.

    name: "" only inline, where it may be left out. version: None takes the next number. path: as written, a local
    path relative to the YAML file or an `azureml://` URI. notes: a sentence for each key without effect here.
    """

    name: str
    version: str | None
    type: ModelType
    path: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    flavors: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class ModelFile(YamlShape):
    """The YAML of a model."""

    name: Text | None = None
    version: Text | None = None
    type: _Type | None = None
    path: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    # Any: what an MLflow flavour holds is its own affair.
    flavors: dict[str, Any] | None = None
    stage: NoEffect = None
    datastore: NoEffect = None
    id: ReadOnly = None
    creation_context: ReadOnly = None
    job_name: ReadOnly = None
    latest_version: ReadOnly = None
    is_anonymous: ReadOnly = None
    is_archived: ReadOnly = None
    sha256: ReadOnly = None
    files: ReadOnly = None
    size_bytes: ReadOnly = None


class _Properties(VersionShape):
    model_type: _Type | None = None
    model_uri: Text | None = None
    # Any: as in YAML.
    flavors: dict[str, Any] | None = None


class ModelBody(ArmShape):
    """The body of a PUT of a model's version."""

    properties: _Properties | None = None


def model_from_arm(name: str, version: str | None, body: Mapping[str, object]) -> ModelDraft:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    shape, mistakes = read_shape(ModelBody, body)
    given = shape.properties or _Properties()
    draft = ModelDraft(
        name=name,
        version=version,
        type=given.model_type or ModelType.CUSTOM,
        uri=given.model_uri or "",
        flavors=given.flavors or {},
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
        is_anonymous=bool(given.is_anonymous),
        is_archived=bool(given.is_archived),
    )
    ours = version_mistakes("model", name, version)
    if parse_datastore_uri(draft.uri) is None:
        allowed = "azureml://datastores/NAME/paths/PATH of uploaded files"
        ours.append(Mistake("properties.modelUri", shown(draft.uri or None), allowed))
    raise_mistakes(f"Model {name!r}", merged(mistakes, ours))
    return draft


def model_to_arm(scope: Scope, model: Model, meta: StoredMeta) -> dict[str, object]:
    """Give a model version as GET answers it; ours: properties.sha256, files, sizeBytes."""
    properties = {
        **version_to_arm(model),
        **seal_to_arm(model),
        "modelType": model.type.value,
        "modelUri": model.uri,
        # Azure: the SDK never sends flavors and breaks without them (sdk-wire.md, pitfall 5).
        "flavors": dict(model.flavors),
        "provisioningState": "Succeeded",
    }
    return arm_envelope(scope, "models", model.name, "versions", model.version, properties=properties, meta=meta)


def model_from_yaml(document: Mapping[str, object]) -> ModelYaml:
    """Read a YAML document. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    model, mistakes = read_model_yaml(document)
    raise_mistakes(f"Model {model.name!r}", merged(mistakes, name_missing("model", model.name)))
    return model


def read_model_yaml(document: object, *, prefix: str = "") -> tuple[ModelYaml, list[Mistake]]:
    """Read as much as can be read, with all mistakes; a missing name is none, as a deployment may leave it out."""
    shape, mistakes = read_shape(ModelFile, document, prefix=prefix)
    model = ModelYaml(
        name=shape.name or "",
        version=shape.version,
        type=shape.type or ModelType.CUSTOM,
        path=shape.path or "",
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
        flavors=shape.flavors or {},
        notes=notes_of(shape, prefix=prefix),
    )
    ours = version_mistakes("model", model.name or "unnamed", model.version, prefix=prefix)
    if not model.path:
        ours.append(Mistake(f"{prefix}path", "nothing", "a local file or folder, or an azureml:// URI"))
    return model, merged(mistakes, ours)


def model_to_arm_body(draft: ModelDraft) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    properties = {
        **version_to_arm(draft),
        "modelType": draft.type.value,
        "modelUri": draft.uri,
        "flavors": dict(draft.flavors),
    }
    return {"properties": properties}


def model_yaml_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give the YAML document of a registered model, to patch with `--set` and read again."""
    shown_keys = ("name", "version", "type", "path", "description", "tags", "properties", "flavors")
    printed = model_cli_from_arm(arm)
    return without_empty({key: printed[key] for key in shown_keys})


def model_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `model show` prints: snake_case, sorted, the same keys always."""
    return sorted_keys(
        {
            **version_cli(arm),
            "type": at(arm, "properties", "modelType"),
            "path": at(arm, "properties", "modelUri"),
            "flavors": mapping_at(arm, "properties", "flavors"),
            "sha256": at(arm, "properties", "sha256"),
            "files": at(arm, "properties", "files"),
            "size_bytes": at(arm, "properties", "sizeBytes"),
        }
    )
