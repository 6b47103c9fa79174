"""What a deployment's operation promised, as the engine carries it out: look up the work, then complete or fail it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any  # what a document is, its key's kind says

from batchyard.control import audit, definitions, references
from batchyard.domain.access import Action
from batchyard.domain.assets import AssetKind, CodeVersion, Environment, EnvironmentBuild, Model
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.records import Operation, Stored, Transaction

SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True)
class Work:
    """What an operation has to provision: build the environment, then import the script of the code in it."""

    deployment: Deployment
    environment: Environment
    code: CodeVersion
    scoring_script: str
    model: Model | None


def look_up(tx: Transaction, operation: Operation) -> Work | None:
    """Give the work of an operation; None when the deployment was changed or deleted since, so nothing is to be done.

    Call `complete` or `fail` in either case: they end the operation, and touch no newer revision.
    """
    stored = _subject(tx, operation)
    if stored is None or stored.document.code is None or stored.document.environment is None:
        return None
    code, environment = stored.document.code, stored.document.environment
    return Work(
        deployment=stored.document,
        environment=_asset(tx, AssetKind.ENVIRONMENT, environment).document,
        code=_asset(tx, AssetKind.CODE, code.code).document,
        scoring_script=code.scoring_script,
        model=_asset(tx, AssetKind.MODEL, stored.document.model).document if stored.document.model else None,
    )


@dataclass(frozen=True, slots=True)
class PipelineWork:
    """What an operation has to provision for a pipeline: the environments of its steps.

    environments: by the step that is the first to name it, an inner one with the steps around it.
    """

    deployment: Deployment
    environments: Mapping[str, Environment]


def look_up_pipeline(tx: Transaction, operation: Operation, *, read: definitions.Read) -> PipelineWork | None:
    """Give the work of an operation for a pipeline component; None for another, or as `look_up` does."""
    stored = _subject(tx, operation)
    if stored is None or stored.document.component is None:
        return None
    found = definitions.environments_of(tx, stored.document.component, read=read)
    return PipelineWork(stored.document, {step: environment.document for step, environment in found.items()})


def complete_pipeline(
    tx: Transaction, operation: Operation, *, builds: Mapping[AssetId, EnvironmentBuild], now: float
) -> Stored[Deployment] | None:
    """Do as `complete` for a pipeline component. builds: of every environment that its steps run in."""
    stored = _subject(tx, operation)
    if stored is None:
        _end_superseded(tx, operation, now=now)
        return None
    tx.operations.finish(operation.id, fence=operation.fence, now=now)
    for environment, build in builds.items():
        _keep_build(tx, operation, environment, build=build, now=now)
    return _save(tx, operation, stored, replace(stored.document, state=ProvisioningState.SUCCEEDED), now=now)


def complete(
    tx: Transaction, operation: Operation, *, build: EnvironmentBuild, now: float
) -> Stored[Deployment] | None:
    """Store the provisioned deployment as a new revision in state Succeeded, and the build with its environment; end
    the operation as Succeeded.

    Returns: the new revision, or None when the deployment was changed or deleted meanwhile; then the operation ends
    as Failed with the code `Superseded` and the newer revision is left alone.
    Raises: LeaseLost.
    """
    stored = _subject(tx, operation)
    if stored is None:
        _end_superseded(tx, operation, now=now)
        return None
    tx.operations.finish(operation.id, fence=operation.fence, now=now)
    if stored.document.environment is not None:
        _keep_build(tx, operation, stored.document.environment, build=build, now=now)
    document = replace(stored.document, state=ProvisioningState.SUCCEEDED, build=build)
    return _save(tx, operation, stored, document, now=now)


def fail(tx: Transaction, operation: Operation, *, code: str, message: str, now: float) -> Stored[Deployment] | None:
    """Store the deployment as a new revision in state Failed with the message, and end the operation with the code.

    Returns: the new revision, or None when the deployment was changed or deleted meanwhile. Raises: LeaseLost.
    """
    stored = _subject(tx, operation)
    if stored is None:
        _end_superseded(tx, operation, now=now)
        return None
    tx.operations.finish(operation.id, fence=operation.fence, error_code=code, error_message=message, now=now)
    document = replace(stored.document, state=ProvisioningState.FAILED, state_message=message)
    return _save(tx, operation, stored, document, now=now)


def _subject(tx: Transaction, operation: Operation) -> Stored[Deployment] | None:
    """Give the revision that the operation is about, while it is still the newest one."""
    stored = tx.documents.get(operation.key)
    return stored if stored is not None and stored.revision == operation.revision else None


def _end_superseded(tx: Transaction, operation: Operation, *, now: float) -> None:
    message = f"Deployment {operation.key.name!r} was changed or deleted before this change was provisioned."
    tx.operations.finish(operation.id, fence=operation.fence, error_code=SUPERSEDED, error_message=message, now=now)


def _keep_build(tx: Transaction, operation: Operation, id: AssetId, *, build: EnvironmentBuild, now: float) -> None:
    """Show the newest build with its environment; nothing is saved where it is the same one."""
    stored = _asset(tx, AssetKind.ENVIRONMENT, id)
    if stored.document.build == build:
        return
    act = audit.Act(operation.created_by, Action.ASSET_WRITE, now, details={"operation": operation.id})
    audit.save(tx, act, stored.key, replace(stored.document, build=build), if_match=stored.etag)


def _save(
    tx: Transaction, operation: Operation, stored: Stored[Deployment], document: Deployment, *, now: float
) -> Stored[Deployment]:
    details = {"operation": operation.id, "state": document.state.value}
    act = audit.Act(operation.created_by, Action.DEPLOYMENT_WRITE, now, details=details)
    # The etag guards against a change made between looking and saving, where the database lets one through.
    return audit.save(tx, act, stored.key, document, if_match=stored.etag)


def _asset(tx: Transaction, kind: AssetKind, id: AssetId) -> Stored[Any]:
    return references.find_version(tx, kind, id.name, version=id.version)
