"""References to registered assets, followed to a stored version."""

from __future__ import annotations

from typing import Any  # what a document is, its key's kind says

from batchyard.control import registry
from batchyard.control.workspaces import is_here
from batchyard.domain.assets import AssetKind, ModelType
from batchyard.domain.errors import Mistake, NotFound, not_found
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import AssetId, Reference, parse_datastore_uri, parse_reference
from batchyard.ports.records import Stored, Transaction

MODEL_TYPES = {PortType.MLFLOW_MODEL: ModelType.MLFLOW, PortType.CUSTOM_MODEL: ModelType.CUSTOM}


def find_version(
    tx: Transaction, kind: AssetKind, name: str, *, version: str | None = None, label: str | None = None
) -> Stored[Any]:
    """Give a version of an asset; without version and label the one labelled `latest`.

    latest: the newest by creation that is not archived.
    Raises: NotFound naming near names, or the versions there are.
    """
    if version is not None:
        stored = tx.documents.get(registry.asset_key(kind, name, version))
        if stored is not None:
            return stored
    versions = versions_of(tx, kind, name)
    if not versions:
        raise not_found(kind.noun, name, registry.names(tx, registry.document_kind(kind)))
    if version is not None:
        raise not_found(f"version of {kind.noun} {name!r}", version, [stored.key.version for stored in versions])
    if label not in (None, "latest"):
        raise not_found(f"label of {kind.noun} {name!r}", str(label), ["latest"])
    current = [stored for stored in versions if not stored.document.is_archived]
    if not current:
        raise NotFound(f"All versions of the {kind.noun} {name!r} are archived; name a version, or restore one.")
    return current[0]


def versions_of(tx: Transaction, kind: AssetKind, name: str) -> list[Stored[Any]]:
    """Give all versions of a name, newest first; [] for an unknown one."""
    of_kind = registry.document_kind(kind)
    return registry.every(lambda token: tx.documents.list(of_kind, name=name, token=token))


def follow(tx: Transaction, kind: AssetKind, reference: Reference, *, field: str) -> Stored[Any] | Mistake:
    """Follow a reference that a document holds in `field`, or say what is wrong with it."""
    text = _spelled(reference)
    if reference.kind and reference.kind != kind.value:
        return Mistake(field, text, f"a reference to one of {kind.value}")
    if reference.scope is not None and not is_here(tx, reference.scope):
        return Mistake(field, text, f"a {kind.noun} of this workspace", "Register it here first.")
    if reference.version is None and reference.label is None:
        allowed = f"a version: azureml:{reference.name}:1, or azureml:{reference.name}@latest"
        return Mistake(field, text, allowed)
    try:
        return find_version(tx, kind, reference.name, version=reference.version, label=reference.label)
    except NotFound as exc:
        return Mistake(field, text, f"a registered {kind.noun}", str(exc))


def source_of(tx: Transaction, source: InputSource, *, field: str) -> tuple[InputSource, list[Mistake]]:
    """Follow the name of a data asset to where its data lies, as a file or a folder as it was registered; or say what
    is wrong with it. field: where it was written. Any other source stays as it is."""
    named = parse_reference(source.uri) if source.uri.startswith(("azureml:", "/")) else None
    if named is None or parse_datastore_uri(source.uri) is not None:
        return source, []
    found = follow(tx, AssetKind.DATA, named, field=field)
    if isinstance(found, Mistake):
        return source, [found]
    data = found.document
    return InputSource(InputKind(data.type.value), data.uri, AssetId(data.name, data.version)), []


def model_of(tx: Transaction, uri: str, type_: PortType, *, field: str) -> tuple[InputSource, list[Mistake]]:
    """Follow the name of a registered model to its sealed bytes, which what lies where it came from may not be today;
    or say what is wrong with it. Any other place stays as it is, as a folder."""
    plain = InputSource(InputKind.FOLDER, uri)
    named = parse_reference(uri) if uri.startswith(("azureml:", "/")) else None
    if named is None or parse_datastore_uri(uri) is not None:
        return plain, []
    found = follow(tx, AssetKind.MODEL, named, field=field)
    if isinstance(found, Mistake):
        return plain, [found]
    model = found.document
    asset = AssetId(model.name, model.version)
    # Azure: whatever a model is, it may be read as a custom one.
    wrong = type_ is PortType.MLFLOW_MODEL and model.type is not ModelType.MLFLOW
    mistakes = [Mistake(field, f"'{asset}', a {model.type.value}", f"a {type_.value}")] if wrong else []
    return InputSource(InputKind.FOLDER, model.uri, asset, model.sealed), mistakes


def _spelled(reference: Reference) -> str:
    """Give the short form, in quotes, as users write it."""
    version = f":{reference.version}" if reference.version is not None else ""
    label = f"@{reference.label}" if reference.label is not None else ""
    return repr(f"azureml:{reference.name}{version}{label}")
