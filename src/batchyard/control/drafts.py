"""Drafts of deployments: every reference followed and every visible rule checked, with all mistakes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any  # what a document is, its key's kind says

from batchyard.control import pinned_paths, references, registry, script_sources, scripts
from batchyard.control.outputs import format_mistakes
from batchyard.domain.assets import AssetKind, CodeVersion, Environment, Model
from batchyard.domain.deployments import (
    CodeReference,
    Deployment,
    DeploymentDraft,
    DeploymentKind,
    deployment_mistakes,
)
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.ports.datastore import SealedStore
from batchyard.ports.records import Kind, Stored, Transaction
from batchyard.ports.tables import Tables


@dataclass(frozen=True, slots=True)
class Resolved:
    """A draft without mistakes: the deployment with frozen versions, and what its code and environment are."""

    deployment: Deployment
    code: CodeVersion
    environment: Environment


def resolve(
    tx: Transaction, draft: DeploymentDraft, *, sealed: SealedStore, tables: Tables, mistakes: Sequence[Mistake] = ()
) -> Resolved:
    """Follow every reference of a draft. mistakes: why there is no script for its model, found before.

    Raises: InvalidInput with everything that is wrong, told at once.
    """
    if draft.kind is DeploymentKind.PIPELINE:
        remedy = "A pipeline component is deployed by itself, without a model and its settings."
        raise InvalidInput(_subject(draft), [Mistake("type", "'pipeline'", "'model'", remedy)])
    search = _Search(tx, tx.documents.get(registry.deployment_key(draft.endpoint, draft.name)))
    model: Model | None = search.follow(AssetKind.MODEL, draft.model, field="model")
    code: CodeVersion | None = search.follow(AssetKind.CODE, draft.code, field="code_configuration.code")
    environment: Environment | None = search.follow(AssetKind.ENVIRONMENT, draft.environment, field="environment")
    deployment = _deployment(draft, model, code, environment)
    found = [
        *deployment_mistakes(deployment),
        *format_mistakes(deployment.settings, tables),
        *search.mistakes,
        *_place_mistakes(tx, draft),
        *pinned_paths.draft_mistakes(tx, draft),
        *(mistakes or _script_mistakes(draft, code, sealed)),
    ]
    if found or code is None or environment is None:
        raise InvalidInput(_subject(draft), found)
    return Resolved(deployment, code, environment)


class _Search:
    """Follows the references of one draft and gathers their mistakes."""

    def __init__(self, tx: Transaction, current: Stored[Deployment] | None) -> None:
        self._tx = tx
        self._in_use = _assets_of(current.document) if current is not None else frozenset()
        self.mistakes: list[Mistake] = []

    def follow(self, kind: AssetKind, reference: Reference | None, *, field: str) -> Any:
        """Give the document that a reference points at, or None after noting the mistake; None for no reference."""
        if reference is None:
            return None
        found = references.follow(self._tx, kind, reference, field=field)
        if isinstance(found, Mistake):
            self.mistakes.append(found)
            return None
        id = AssetId(found.key.name, found.key.version)
        # What a deployment runs already may be archived under it: its settings can still be changed.
        if found.document.is_archived and (kind, id) not in self._in_use:
            self.mistakes.append(Mistake(field, f"archived {kind.noun} '{id}'", "one that is not archived"))
        return found.document


def _assets_of(deployment: Deployment) -> frozenset[tuple[AssetKind, AssetId | None]]:
    code = deployment.code.code if deployment.code is not None else None
    model, environment = deployment.model, deployment.environment
    return frozenset({(AssetKind.MODEL, model), (AssetKind.CODE, code), (AssetKind.ENVIRONMENT, environment)})


def _deployment(
    draft: DeploymentDraft, model: Model | None, code: CodeVersion | None, environment: Environment | None
) -> Deployment:
    """Give the deployment of a draft; references that led nowhere keep their name, so that they do not count as left
    out (a deployment with one of them is never stored)."""
    code_id = _asset_id(draft.code, code)
    path = scripts.relative_path(draft.scoring_script or "")
    return Deployment(
        name=draft.name,
        endpoint=draft.endpoint,
        kind=draft.kind,
        compute=draft.compute,
        model=_asset_id(draft.model, model),
        component=_asset_id(draft.component, None),
        code=CodeReference(code_id, path or "") if code_id is not None else None,
        environment=_asset_id(draft.environment, environment),
        settings=draft.settings,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
    )


def _asset_id(reference: Reference | None, found: Model | CodeVersion | Environment | None) -> AssetId | None:
    if found is not None:
        return AssetId(found.name, found.version)
    return None if reference is None else AssetId(reference.name, reference.version or "")


def _place_mistakes(tx: Transaction, draft: DeploymentDraft) -> list[Mistake]:
    """Name what is wrong with where the deployment stands: its endpoint and its compute."""
    found = []
    if draft.endpoint and tx.documents.get(registry.endpoint_key(draft.endpoint)) is None:
        known = registry.names(tx, Kind.ENDPOINT)
        remedy = f"Create it first: `batchyard batch-endpoint create --name {draft.endpoint}`."
        found.append(registry.unknown("endpoint_name", draft.endpoint, "endpoint", known, remedy=remedy))
    if not draft.compute:
        return found
    compute = tx.documents.get(registry.compute_key(draft.compute))
    if compute is None:
        known = registry.names(tx, Kind.COMPUTE)
        remedy = f"Create it first: `batchyard compute create --name {draft.compute}`."
        found.append(registry.unknown("compute", draft.compute, "compute", known, remedy=remedy))
    elif draft.settings.instance_count > compute.document.max_instances:
        found.append(registry.too_many_instances(compute.document, draft.settings.instance_count, "settings."))
    return found


def _script_mistakes(draft: DeploymentDraft, code: CodeVersion | None, sealed: SealedStore) -> list[Mistake]:
    if draft.component is not None:
        remedy = "A pipeline component has a deployment of its own, of type pipeline."
        return [Mistake("component", repr(draft.component.name), "nothing", remedy)] if draft.model is None else []
    if draft.code is None and not draft.scoring_script:
        allowed = "a code folder and its scoring_script"
        return [Mistake("code_configuration", "nothing", allowed, "A model needs a script that scores with it.")]
    if draft.code is None:
        return [Mistake("code_configuration.code", "nothing", "the folder that holds the scoring script")]
    if not draft.scoring_script:
        return [Mistake(script_sources.FIELD, "nothing", "the scoring script, relative to the code folder")]
    return [] if code is None else scripts.script_mistakes(sealed, code.sealed, draft.scoring_script)


def _subject(draft: DeploymentDraft) -> str:
    return f"Deployment {draft.name!r}"
