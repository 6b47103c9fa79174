"""Batch deployments: made, changed, shown and deleted. Each change makes a new revision; jobs pin the one they run."""

from __future__ import annotations

from dataclasses import replace

from batchyard.control import audit, definitions, drafts, mlflow_models, pipeline_drafts, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import AssetKind, Environment, EnvironmentBuild
from batchyard.domain.deployments import Deployment, DeploymentDraft
from batchyard.domain.endpoints import Endpoint, ProvisioningState
from batchyard.domain.errors import Conflict, not_found
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.datastore import SealedStore
from batchyard.ports.records import Key, Kind, Operation, OperationStatus, Page, Stored, Transaction
from batchyard.ports.tables import Tables


def create_or_update(
    tx: Transaction,
    caller: Caller,
    draft: DeploymentDraft,
    *,
    sealed: SealedStore,
    tables: Tables,
    now: float,
    new_id: str,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> tuple[Stored[Deployment], Operation | None]:
    """Store a new revision of a deployment, whole; one of the same name is updated in place.

    When code, script and environment are those of the serving revision, its build is carried over: the revision is
    Succeeded at once and there is no operation. Else it is Creating or Updating until the operation `new_id` ends,
    and meanwhile the serving revision goes on taking jobs. An MLflow model without a script gets one.
    Raises: Forbidden; InvalidInput with every mistake; PreconditionFailed.
    """
    authorise(caller, Action.DEPLOYMENT_WRITE)
    registering = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    draft, mistakes = mlflow_models.with_script(tx, registering, draft, sealed=sealed)
    resolved = drafts.resolve(tx, draft, sealed=sealed, tables=tables, mistakes=mistakes)
    key = registry.deployment_key(draft.endpoint, draft.name)
    build = _build_carried_over(tx, resolved)
    state = _next_state(is_built=build is not None, is_new=tx.documents.get(key) is None)
    act = audit.Act(caller.name, Action.DEPLOYMENT_WRITE, now, reason, ticket, {"state": state.value})
    document = replace(resolved.deployment, state=state, build=build)
    stored = audit.save(tx, act, key, document, if_match=if_match)
    if build is not None:
        return stored, None
    operation = Operation(new_id, key, stored.revision, OperationStatus.RUNNING, now, caller.name)
    tx.operations.add(operation)
    return stored, operation


def create_or_update_pipeline(
    tx: Transaction,
    caller: Caller,
    draft: DeploymentDraft,
    *,
    read: definitions.Read,
    now: float,
    new_id: str,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> tuple[Stored[Deployment], Operation | None]:
    """Store a new revision of a pipeline component deployment, whole; one of the same name is updated in place.

    read: what a component's definition says. Where every environment of its steps has been built before, the revision
    is Succeeded at once and there is no operation; else all goes on as in `create_or_update`.
    Raises: Forbidden; InvalidInput with every mistake; PreconditionFailed.
    """
    authorise(caller, Action.DEPLOYMENT_WRITE)
    key = registry.deployment_key(draft.endpoint, draft.name)
    document = pipeline_drafts.resolve(tx, draft, read=read)
    state = _next_state(is_built=_is_built(tx, document, read), is_new=tx.documents.get(key) is None)
    act = audit.Act(caller.name, Action.DEPLOYMENT_WRITE, now, reason, ticket, {"state": state.value})
    stored = audit.save(tx, act, key, replace(document, state=state), if_match=if_match)
    if state is ProvisioningState.SUCCEEDED:
        return stored, None
    operation = Operation(new_id, key, stored.revision, OperationStatus.RUNNING, now, caller.name)
    tx.operations.add(operation)
    return stored, operation


def get(
    tx: Transaction, caller: Caller, endpoint: str, name: str, *, revision: int | None = None
) -> Stored[Deployment]:
    """Give the newest revision, whatever its state, or the one asked for (also of a deleted deployment).

    Raises: Forbidden; NotFound naming near endpoints, deployments, or the revisions there are.
    """
    authorise(caller, Action.DEPLOYMENT_READ)
    if revision is None:
        return registry.load_deployment(tx, endpoint, name)
    key = registry.deployment_key(endpoint, name)
    stored = tx.documents.get(key, revision=revision)
    if stored is not None:
        return stored
    known = tx.documents.revisions(key)
    if not known:
        registry.load_deployment(tx, endpoint, name)
    raise not_found(f"revision of deployment {name!r}", str(revision), [str(old.revision) for old in known])


def list_deployments(
    tx: Transaction, caller: Caller, endpoint: str, *, limit: int = 1000, token: str | None = None
) -> Page[Stored[Deployment]]:
    """Give a page of an endpoint's deployments, newest revisions, by name. Raises: Forbidden; NotFound."""
    authorise(caller, Action.DEPLOYMENT_READ)
    registry.load_endpoint(tx, endpoint)
    return tx.documents.list(Kind.DEPLOYMENT, parent=endpoint, limit=limit, token=token)


def revisions(tx: Transaction, caller: Caller, endpoint: str, name: str) -> list[Stored[Deployment]]:
    """Give all revisions, newest first. Raises: Forbidden; NotFound."""
    authorise(caller, Action.DEPLOYMENT_READ)
    registry.load_deployment(tx, endpoint, name)
    return list(tx.documents.revisions(registry.deployment_key(endpoint, name)))


def serving(tx: Transaction, endpoint: str, name: str) -> Stored[Deployment] | None:
    """Give the revision that invocations run, or None: the newest that Succeeded since the deployment was made.

    An update in progress or failed never disturbs consumers. Authorises nothing: for use beside `get`.
    """
    return registry.serving(tx, endpoint, name)


def failed_operation(tx: Transaction, stored: Stored[Deployment]) -> str | None:
    """Give the id of the operation that ended a revision as Failed, or None. Authorises nothing: for use beside `get`.

    The audit knows it: the row that stored this very document names the operation.
    """
    if stored.document.state is not ProvisioningState.FAILED:
        return None
    wanted = audit.fingerprint(stored.document)
    rows = tx.audit.list(target=audit.target(stored.key), action=Action.DEPLOYMENT_WRITE.value)
    return next((row.details.get("operation") for row in rows if row.after == wanted), None)


def delete(
    tx: Transaction,
    caller: Caller,
    endpoint: str,
    name: str,
    *,
    now: float,
    force: bool = False,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> bool:
    """Delete a deployment; False when there was none. Its jobs go on: what they run is frozen.

    force: delete the endpoint's default too; the endpoint then has none (needs `Action.ENDPOINT_SET_DEFAULT` too).
    Raises: Forbidden; Conflict for the default without force; PreconditionFailed.
    """
    authorise(caller, Action.DEPLOYMENT_DELETE)
    stored = tx.documents.get(registry.deployment_key(endpoint, name))
    if stored is None:
        return False
    parent = registry.load_endpoint(tx, endpoint)
    act = audit.Act(caller.name, Action.DEPLOYMENT_DELETE, now, reason, ticket)
    if parent.document.default_deployment == name:
        if not force:
            raise Conflict(
                f"Deployment {name!r} is the default of endpoint {endpoint!r}. Make another deployment the default "
                f"first, or delete it with `--force`, which leaves the endpoint without a default."
            )
        authorise(caller, Action.ENDPOINT_SET_DEFAULT)
    audit.delete(tx, act, stored.key, last=registry.last_of(stored.document), if_match=if_match)
    if parent.document.default_deployment == name:
        _clear_default(tx, act, parent)
    return True


def _clear_default(tx: Transaction, act: audit.Act, endpoint: Stored[Endpoint]) -> None:
    details = audit.default_change(endpoint.document.default_deployment, None)
    act = replace(act, action=Action.ENDPOINT_SET_DEFAULT, details=details)
    audit.save(tx, act, endpoint.key, replace(endpoint.document, default_deployment=None))


def _is_built(tx: Transaction, pipeline: Deployment, read: definitions.Read) -> bool:
    """Tell whether the environments of a pipeline's steps have all been built."""
    if pipeline.component is None:
        return False
    environments = definitions.environments_of(tx, pipeline.component, read=read)
    return all(stored.document.build is not None for stored in environments.values())


def _next_state(*, is_built: bool, is_new: bool) -> ProvisioningState:
    if is_built:
        return ProvisioningState.SUCCEEDED
    return ProvisioningState.CREATING if is_new else ProvisioningState.UPDATING


def _build_carried_over(tx: Transaction, resolved: drafts.Resolved) -> EnvironmentBuild | None:
    """Give the serving revision's build when the new one runs the same script of the same code in an environment of
    the same content; else None, as the script has to be imported once in what is to be built.

    Versions are compared by what they hold, so that the same files registered once more provision nothing. The model
    does not matter: importing a script does not read it.
    """
    wanted = resolved.deployment
    stored = registry.serving(tx, wanted.endpoint, wanted.name)
    if stored is None:
        return None
    served = stored.document
    if served.code is None or served.environment is None or wanted.code is None:
        return None
    code = tx.documents.get(_key(AssetKind.CODE, served.code.code))
    environment = tx.documents.get(_key(AssetKind.ENVIRONMENT, served.environment))
    if code is None or environment is None or served.code.scoring_script != wanted.code.scoring_script:
        return None
    same_code = code.document.sealed.sha256 == resolved.code.sealed.sha256
    return served.build if same_code and _same_content(environment.document, resolved.environment) else None


def _same_content(one: Environment, other: Environment) -> bool:
    return (one.image, one.conda_file) == (other.image, other.conda_file)


def _key(kind: AssetKind, id: AssetId) -> Key:
    return registry.asset_key(kind, id.name, id.version)
