"""Keys and plain look-ups of the registry, shared by the use cases. Nothing here authorises or changes anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from batchyard.domain.assets import AssetKind
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import Endpoint, ProvisioningState
from batchyard.domain.errors import CallerError, InvalidInput, Mistake, NotFound, near_names, not_found
from batchyard.ports.records import Key, Kind, Page, Stored, Transaction

T = TypeVar("T")

_KINDS = {
    AssetKind.MODEL: Kind.MODEL,
    AssetKind.ENVIRONMENT: Kind.ENVIRONMENT,
    AssetKind.CODE: Kind.CODE,
    AssetKind.DATA: Kind.DATA,
    AssetKind.COMPONENT: Kind.COMPONENT,
}


def endpoint_key(name: str) -> Key:
    """Give the key of an endpoint."""
    return Key(Kind.ENDPOINT, name)


def deployment_key(endpoint: str, name: str) -> Key:
    """Give the key of a deployment under its endpoint."""
    return Key(Kind.DEPLOYMENT, name, parent=endpoint)


def compute_key(name: str) -> Key:
    """Give the key of a compute."""
    return Key(Kind.COMPUTE, name)


def schedule_key(name: str) -> Key:
    """Give the key of a schedule."""
    return Key(Kind.SCHEDULE, name)


def document_kind(kind: AssetKind) -> Kind:
    """Give the document kind of an asset kind."""
    return _KINDS[kind]


def asset_key(kind: AssetKind, name: str, version: str) -> Key:
    """Give the key of one version of an asset."""
    return Key(_KINDS[kind], name, version)


def every(fetch: Callable[[str | None], Page[T]]) -> list[T]:
    """Give the items of all pages; fetch: gives the page of a token."""
    page = fetch(None)
    items = list(page.items)
    while page.next_token is not None:
        page = fetch(page.next_token)
        items += page.items
    return items


def names(tx: Transaction, kind: Kind, *, parent: str = "") -> list[str]:
    """Give the names in use of a kind, sorted, each once."""
    found = every(lambda token: tx.documents.list(kind, parent=parent, token=token))
    return sorted({stored.key.name for stored in found})


def load_endpoint(tx: Transaction, name: str) -> Stored[Endpoint]:
    """Give an endpoint. Raises: NotFound naming near ones."""
    stored = tx.documents.get(endpoint_key(name))
    if stored is None:
        raise not_found("endpoint", name, names(tx, Kind.ENDPOINT))
    return stored


def load_compute(tx: Transaction, name: str) -> Stored[Compute]:
    """Give a compute. Raises: NotFound naming near ones."""
    stored = tx.documents.get(compute_key(name))
    if stored is None:
        raise not_found("compute", name, names(tx, Kind.COMPUTE))
    return stored


def load_deployment(tx: Transaction, endpoint: str, name: str) -> Stored[Deployment]:
    """Give the newest revision of a deployment, whatever its state.

    Raises: NotFound naming near ones, of the endpoint first.
    """
    load_endpoint(tx, endpoint)
    stored = tx.documents.get(deployment_key(endpoint, name))
    if stored is None:
        known = names(tx, Kind.DEPLOYMENT, parent=endpoint)
        close = near_names(name, known) or known[:5]
        hint = f"Known: {', '.join(map(repr, close))}." if close else "It has none yet."
        raise NotFound(f"Endpoint {endpoint!r} has no deployment {name!r}. {hint}")
    return stored


def deployments_of(tx: Transaction, endpoint: str) -> list[Stored[Deployment]]:
    """Give the newest revision of every deployment of an endpoint, by name."""
    return every(lambda token: tx.documents.list(Kind.DEPLOYMENT, parent=endpoint, token=token))


def unknown(field: str, name: str, noun: str, known: Sequence[str], *, remedy: str = "") -> Mistake:
    """Tell that a name points at nothing; near names come first, a short list is named whole."""
    close = near_names(name, known)
    listed = (close + [other for other in sorted(known) if other not in close])[:20]
    allowed = f"one of {', '.join(map(repr, listed))}" if listed else f"the name of a {noun}; there is none yet"
    return Mistake(field, repr(name), allowed, remedy)


def serving(tx: Transaction, endpoint: str, name: str) -> Stored[Deployment] | None:
    """Give the revision that invocations run: the newest that Succeeded since the deployment was made, or None.

    An update in progress or failed is newer and not Succeeded, so it never disturbs consumers. The search ends at the
    revision that `last_of` left: what was deleted never serves again.
    """
    key = deployment_key(endpoint, name)
    if tx.documents.get(key) is None:
        return None
    for stored in tx.documents.revisions(key):
        if stored.document.state is ProvisioningState.SUCCEEDED:
            return stored
        if stored.document.state is ProvisioningState.DELETING:
            return None
    return None


def too_many_instances(compute: Compute, asked: int, prefix: str = "") -> Mistake:
    """Tell that more instances are asked for than the compute can ever give."""
    allowed = f"at most {compute.max_instances}, the max_instances of compute {compute.name!r}"
    return Mistake(f"{prefix}instance_count", str(asked), allowed)


def last_of(deployment: Deployment) -> Deployment:
    """Give the final revision of a deployment that is deleted, in state Deleting.

    It divides the life of this deployment from that of one made later under its name, whose revisions go on counting.
    """
    return replace(deployment, state=ProvisioningState.DELETING, state_message="")


def standing(deployment: Deployment) -> str:
    """Give where a deployment stands as the end of a sentence: `is Failed: <why>`."""
    why = f": {deployment.state_message}" if deployment.state_message else ""
    return f"is {deployment.state.value}{why}"


def as_mistakes(exc: CallerError, *, field: str, found: str, allowed: str) -> list[Mistake]:
    """Retell what a port refused as mistakes of the document's `field`, to stand beside the document's others."""
    if isinstance(exc, InvalidInput) and exc.mistakes:
        return [replace(mistake, field=field) for mistake in exc.mistakes]
    return [Mistake(field, found, allowed, str(exc))]
