"""Models, environments, code and data: registered as versions that never change, looked up, archived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar  # Any: what a document is, its key's kind says

from batchyard.control import audit, references, registry
from batchyard.control.asset_versions import content, name_mistakes, next_of, store
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import (
    AssetKind,
    CodeDraft,
    CodeVersion,
    Component,
    DataAsset,
    Environment,
    Model,
    ModelDraft,
    Sealed,
    next_version,
)
from batchyard.domain.errors import CallerError, InvalidInput, Mistake, not_found
from batchyard.domain.resource_ids import parse_datastore_uri
from batchyard.ports.datastore import SealedStore
from batchyard.ports.records import Kind, Page, Stored, Transaction

_A = TypeVar("_A", Model, Environment, CodeVersion, DataAsset, Component)

# Azure: the words in which its service refuses another path for a version; scripts match them.
PATHS_ARE_FIXED = "(UserError) Asset paths cannot be updated."


@dataclass(frozen=True, slots=True)
class AssetContainer:
    """All versions of one name. latest_version: newest that is not archived; next_version: for a new one."""

    name: str
    latest_version: str
    next_version: str


def register_model(
    tx: Transaction,
    caller: Caller,
    draft: ModelDraft,
    *,
    sealed: SealedStore,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Stored[Model]:
    """Seal a model's bytes and store it as a version; registering the same content again is fine.

    Of a version that exists only description, tags, properties and is_archived change.
    Raises: Forbidden; InvalidInput with every mistake; Conflict when the version has other bytes, type or flavors.
    """
    authorise(caller, Action.ASSET_WRITE)
    mistakes = name_mistakes(AssetKind.MODEL, draft.name, draft.version)
    version = draft.version or next_of(tx, AssetKind.MODEL, draft.name)
    stored = tx.documents.get(registry.asset_key(AssetKind.MODEL, draft.name, version))
    seal = _seal(sealed, draft.uri, stored, mistakes, keep_name=True)
    if mistakes or seal is None:
        raise InvalidInput(f"Model {draft.name!r}", mistakes)
    model = Model(
        name=draft.name,
        version=version,
        type=draft.type,
        uri=draft.uri,
        sealed=seal,
        flavors=draft.flavors,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
        is_anonymous=draft.is_anonymous,
        is_archived=draft.is_archived,
    )
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    return store(tx, act, AssetKind.MODEL, model, stored, refusal=PATHS_ARE_FIXED)


def register_environment(
    tx: Transaction,
    caller: Caller,
    environment: Environment,
    *,
    mistakes: Callable[[Environment], list[Mistake]],
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Stored[Environment]:
    """Store an environment as a version; version "" takes the next number, or for an anonymous one the version that
    has the same content already. A `build` in the argument is ignored: builds come from provisioning.

    mistakes: `Environments.mistakes`, what in the definition can never be built.
    Raises: Forbidden; InvalidInput with every mistake; Conflict when the version has another definition.
    """
    authorise(caller, Action.ASSET_WRITE)
    found = name_mistakes(AssetKind.ENVIRONMENT, environment.name, environment.version or None)
    if environment.os_type.lower() != "linux":
        found.append(Mistake("os_type", repr(environment.os_type), "'linux'"))
    found += mistakes(environment)
    if found:
        raise InvalidInput(f"Environment {environment.name!r}", found)
    version = environment.version or _version_of_same_content(tx, environment)
    version = version or next_of(tx, AssetKind.ENVIRONMENT, environment.name)
    stored = tx.documents.get(registry.asset_key(AssetKind.ENVIRONMENT, environment.name, version))
    refusal = (
        f"Version {version!r} of environment {environment.name!r} is registered with another definition, and versions "
        f"never change. Register it as a new version, or leave the version out."
    )
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    wanted = replace(environment, version=version, build=None)
    return store(tx, act, AssetKind.ENVIRONMENT, wanted, stored, refusal=refusal)


def register_code(
    tx: Transaction,
    caller: Caller,
    draft: CodeDraft,
    *,
    sealed: SealedStore,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Stored[CodeVersion]:
    """Seal a folder of code and store it as a version; registering the same content again is fine.

    draft.uri: `azureml://datastores/<name>/paths/<folder>`; the door turns gateway URLs into that form.
    Raises: Forbidden; InvalidInput with every mistake; Conflict when the version has other bytes.
    """
    authorise(caller, Action.ASSET_WRITE)
    mistakes = name_mistakes(AssetKind.CODE, draft.name, draft.version)
    stored = tx.documents.get(registry.asset_key(AssetKind.CODE, draft.name, draft.version))
    seal = _seal(sealed, draft.uri, stored, mistakes, keep_name=False)
    if mistakes or seal is None:
        raise InvalidInput(f"Code {draft.name!r}", mistakes)
    code = CodeVersion(
        name=draft.name,
        version=draft.version,
        uri=draft.uri,
        sealed=seal,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
        is_anonymous=draft.is_anonymous,
        is_archived=draft.is_archived,
    )
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    return store(tx, act, AssetKind.CODE, code, stored, refusal=PATHS_ARE_FIXED)


def register_data(
    tx: Transaction, caller: Caller, data: DataAsset, *, now: float, reason: str = "", ticket: str = ""
) -> Stored[DataAsset]:
    """Store a name for data as a version; version "" takes the next number. Registering the same again is fine.

    Raises: Forbidden; InvalidInput with every mistake; Conflict when the version names another place or type.
    """
    authorise(caller, Action.ASSET_WRITE)
    mistakes = name_mistakes(AssetKind.DATA, data.name, data.version or None)
    if parse_datastore_uri(data.uri) is None:
        allowed = "a place in a datastore: azureml://datastores/<datastore>/paths/<path>"
        mistakes.append(Mistake("path", repr(data.uri), allowed))
    if mistakes:
        raise InvalidInput(f"Data asset {data.name!r}", mistakes)
    version = data.version or next_of(tx, AssetKind.DATA, data.name)
    stored = tx.documents.get(registry.asset_key(AssetKind.DATA, data.name, version))
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    return store(tx, act, AssetKind.DATA, replace(data, version=version), stored, refusal=PATHS_ARE_FIXED)


def get_version(
    tx: Transaction,
    caller: Caller,
    kind: AssetKind,
    name: str,
    version: str | None = None,
    label: str | None = None,
) -> Stored[Any]:
    """Give one version, archived ones too; without version and label the one labelled `latest`.

    Returns: Stored[Model], Stored[Environment], Stored[CodeVersion], Stored[DataAsset] or Stored[Component],
    as the kind says.
    Raises: Forbidden; NotFound naming near names, or the versions there are.
    """
    authorise(caller, Action.ASSET_READ)
    return references.find_version(tx, kind, name, version=version, label=label)


def list_versions(
    tx: Transaction,
    caller: Caller,
    kind: AssetKind,
    name: str,
    *,
    include_archived: bool = False,
    limit: int = 1000,
    token: str | None = None,
) -> Page[Stored[Any]]:
    """Give a page of a name's versions, newest first; an unknown name has none.

    A page may be short of `limit`, and is empty only when nothing comes after it: `$top=1` asks for the latest.

    Raises: Forbidden.
    """
    authorise(caller, Action.ASSET_READ)
    while True:
        page = tx.documents.list(registry.document_kind(kind), name=name, limit=limit, token=token)
        kept = tuple(stored for stored in page.items if include_archived or not stored.document.is_archived)
        token = page.next_token
        if kept or token is None:
            return Page(kept, token)


def list_containers(
    tx: Transaction, caller: Caller, kind: AssetKind, *, include_archived: bool = False
) -> list[AssetContainer]:
    """Give every name of a kind, sorted; names with archived versions only are left out unless asked for.

    Raises: Forbidden.
    """
    authorise(caller, Action.ASSET_READ)
    of_kind = registry.document_kind(kind)
    by_name: dict[str, list[Stored[Any]]] = {}
    for stored in registry.every(lambda token: tx.documents.list(of_kind, token=token)):
        by_name.setdefault(stored.key.name, []).append(stored)
    return [
        _container(name, versions)
        for name, versions in sorted(by_name.items())
        if include_archived or not all(stored.document.is_archived for stored in versions)
    ]


def container(tx: Transaction, caller: Caller, kind: AssetKind, name: str) -> AssetContainer:
    """Give the latest and the next version of a name. Raises: Forbidden; NotFound naming near names."""
    authorise(caller, Action.ASSET_READ)
    versions = references.versions_of(tx, kind, name)
    if not versions:
        raise not_found(kind.noun, name, registry.names(tx, registry.document_kind(kind)))
    return _container(name, versions)


def set_archived(
    tx: Transaction,
    caller: Caller,
    kind: AssetKind,
    name: str,
    *,
    is_archived: bool,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> AssetContainer:
    """Archive every version of a name, or bring all of them back; what refers to them goes on working.

    Raises: Forbidden; NotFound naming near names.
    """
    authorise(caller, Action.ASSET_WRITE)
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    for stored in references.versions_of(tx, kind, name):
        if stored.document.is_archived != is_archived:
            audit.save(tx, act, stored.key, replace(stored.document, is_archived=is_archived))
    return container(tx, caller, kind, name)


def code_by_hash(tx: Transaction, caller: Caller, sha256: str) -> list[Stored[CodeVersion]]:
    """Give the code versions of the whole workspace with this hash, newest first; [] when there is none.

    sha256: ours, or the one the client put into the property `hash_sha256` when it uploaded. Raises: Forbidden.
    """
    authorise(caller, Action.ASSET_READ)
    found = registry.every(lambda token: tx.documents.list(Kind.CODE, token=token))
    same = [stored for stored in found if sha256 in _hashes(stored.document)]
    return sorted(same, key=lambda stored: stored.created_at, reverse=True)


def _hashes(code: CodeVersion) -> tuple[str | None, ...]:
    # Azure: the SDK asks for its own hash of a folder before it uploads, and left it in this property (sdk-wire 3).
    return (code.sealed.sha256, code.properties.get("hash_sha256"))


def _container(name: str, versions: list[Stored[Any]]) -> AssetContainer:
    """versions: newest first, at least one."""
    current = [stored for stored in versions if not stored.document.is_archived] or versions
    return AssetContainer(name, current[0].key.version, next_version([stored.key.version for stored in versions]))


def _seal(
    store: SealedStore, uri: str, stored: Stored[Any] | None, mistakes: list[Mistake], *, keep_name: bool
) -> Sealed | None:
    """Give the seal of what the uri names, or None after noting the mistake in `mistakes`.

    A version that was registered from the same place keeps its seal, even if the bytes there changed or went away:
    what is registered never changes.
    """
    place = parse_datastore_uri(uri)
    if place is None:
        allowed = "a place in a datastore: azureml://datastores/<datastore>/paths/<path>"
        mistakes.append(Mistake("path", repr(uri), allowed))
        return None
    if stored is not None and parse_datastore_uri(stored.document.uri) == place:
        seal: Sealed = stored.document.sealed
        return seal
    try:
        return store.seal(place, keep_name=keep_name)
    except CallerError as exc:
        mistakes += registry.as_mistakes(exc, field="path", found=repr(uri), allowed="an uploaded file or folder")
        return None


def _version_of_same_content(tx: Transaction, environment: Environment) -> str | None:
    """Give the version that an anonymous environment has already, so that each deployment does not make another."""
    if not environment.is_anonymous:
        return None
    versions = references.versions_of(tx, AssetKind.ENVIRONMENT, environment.name)
    same = [stored for stored in versions if content(stored.document) == content(environment)]
    return same[0].key.version if same else None
