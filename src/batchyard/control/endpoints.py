"""Batch endpoints: made, changed, shown and deleted; which deployment is the default, and who said so."""

from __future__ import annotations

from dataclasses import replace

from batchyard.control import audit, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.audit import DEFAULT_CHANGED, AuditEntry
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import DefaultChange, Endpoint
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.names import name_mistake
from batchyard.ports.records import Kind, Page, Stored, Transaction

_DEFAULT = "defaults.deployment_name"


def create_or_update(
    tx: Transaction,
    caller: Caller,
    endpoint: Endpoint,
    *,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> Stored[Endpoint]:
    """Store an endpoint whole. A default, when one is set, must be a deployment of it that can take jobs.

    A switch of the default needs `Action.ENDPOINT_SET_DEFAULT` too, and is told by its audit row, with reason and
    ticket. Raises: Forbidden; InvalidInput with every mistake; PreconditionFailed.
    """
    authorise(caller, Action.ENDPOINT_WRITE)
    key = registry.endpoint_key(endpoint.name)
    stored = tx.documents.get(key)
    before = stored.document.default_deployment if stored is not None else None
    switches = endpoint.default_deployment != before
    if switches:
        authorise(caller, Action.ENDPOINT_SET_DEFAULT)
    mistakes = _mistakes(endpoint) + (_default_mistakes(tx, endpoint) if switches else [])
    if mistakes:
        raise InvalidInput(f"Endpoint {endpoint.name!r}", mistakes)
    action = Action.ENDPOINT_SET_DEFAULT if switches else Action.ENDPOINT_WRITE
    details = audit.default_change(before, endpoint.default_deployment) if switches else {}
    act = audit.Act(caller.name, action, now, reason, ticket, details)
    return audit.save(tx, act, key, endpoint, if_match=if_match)


def get(tx: Transaction, caller: Caller, name: str) -> Stored[Endpoint]:
    """Give one. Raises: Forbidden; NotFound naming near ones."""
    authorise(caller, Action.ENDPOINT_READ)
    return registry.load_endpoint(tx, name)


def list_endpoints(
    tx: Transaction, caller: Caller, *, limit: int = 1000, token: str | None = None
) -> Page[Stored[Endpoint]]:
    """Give a page of them, by name. Raises: Forbidden."""
    authorise(caller, Action.ENDPOINT_READ)
    return tx.documents.list(Kind.ENDPOINT, limit=limit, token=token)


def delete(
    tx: Transaction,
    caller: Caller,
    name: str,
    *,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> bool:
    """Delete an endpoint with its deployments; False when there was none. Jobs go on, outputs and records stay.

    Raises: Forbidden; PreconditionFailed.
    """
    authorise(caller, Action.ENDPOINT_DELETE)
    key = registry.endpoint_key(name)
    stored: Stored[Endpoint] | None = tx.documents.get(key)
    if stored is None:
        return False
    act = audit.Act(caller.name, Action.ENDPOINT_DELETE, now, reason, ticket)
    default = stored.document.default_deployment
    if default is not None:
        # The default ends with the endpoint: an endpoint of the same name must not seem to have had it ever since.
        ended = replace(act, action=Action.ENDPOINT_SET_DEFAULT, details=audit.default_change(default, None))
        without = replace(stored.document, default_deployment=None)
        if_match = audit.save(tx, ended, key, without, if_match=if_match).etag
    was_there = audit.delete(tx, act, key, if_match=if_match)
    act = replace(act, action=Action.DEPLOYMENT_DELETE)
    for deployment in registry.deployments_of(tx, name):
        audit.delete(tx, act, deployment.key, last=registry.last_of(deployment.document))
    return was_there


def deployments_of(tx: Transaction, caller: Caller, name: str) -> list[Deployment]:
    """Give the endpoint's deployments, newest revisions, by name. Raises: Forbidden; NotFound naming near endpoints."""
    authorise(caller, Action.DEPLOYMENT_READ)
    registry.load_endpoint(tx, name)
    return [stored.document for stored in registry.deployments_of(tx, name)]


def default_history(tx: Transaction, caller: Caller, name: str) -> list[DefaultChange]:
    """Give every switch of the endpoint's default, newest first, at most 200.

    Raises: Forbidden; NotFound naming near endpoints.
    """
    authorise(caller, Action.ENDPOINT_READ)
    registry.load_endpoint(tx, name)
    entries = tx.audit.list(target=audit.target(registry.endpoint_key(name)), action=DEFAULT_CHANGED)
    return [_change(entry) for entry in entries]


def _mistakes(endpoint: Endpoint) -> list[Mistake]:
    name = name_mistake("endpoint", endpoint.name)
    found = [name] if name is not None else []
    if endpoint.auth_mode.lower() != "aad_token":
        found.append(Mistake("auth_mode", repr(endpoint.auth_mode), "'aad_token'"))
    return found


def _default_mistakes(tx: Transaction, endpoint: Endpoint) -> list[Mistake]:
    """Say why a new default cannot be one; an old one was checked when it was set."""
    default = endpoint.default_deployment
    if default is None:
        return []
    current = tx.documents.get(registry.deployment_key(endpoint.name, default))
    if current is None:
        known = registry.names(tx, Kind.DEPLOYMENT, parent=endpoint.name)
        return [registry.unknown(_DEFAULT, default, f"deployment of endpoint {endpoint.name!r}", known)]
    if registry.serving(tx, endpoint.name, default) is None:
        found = f"{default!r}, which {registry.standing(current.document)}"
        return [Mistake(_DEFAULT, found, "a deployment that is Succeeded", "Wait for it, or correct it first.")]
    return []


def _change(entry: AuditEntry) -> DefaultChange:
    before, after = entry.details.get("default_before"), entry.details.get("default_after")
    return DefaultChange(entry.time, entry.actor, before, after, entry.reason, entry.ticket)
