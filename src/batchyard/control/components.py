"""Components: registered when everything they say can be run; the definition itself stays as it was given."""

from __future__ import annotations

from dataclasses import replace

from batchyard.control import audit, definitions, registry
from batchyard.control.asset_versions import name_mistakes, next_of, store
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import ANONYMOUS_COMPONENT, AssetKind, Component
from batchyard.domain.errors import InvalidInput
from batchyard.ports.records import Stored, Transaction


def register(
    tx: Transaction,
    caller: Caller,
    component: Component,
    *,
    read: definitions.Read,
    now: float,
    reason: str = "",
    ticket: str = "",
) -> Stored[Component]:
    """Store a component as a version; version "" takes the next number.

    An anonymous one that finds its version taken by another definition gets a version made of its content: clients
    number them all alike (sdk-wire 7.12), and go by the id in the answer. A version that is there already with the
    same definition is not looked at again, so that it can be archived whatever it names.
    Raises: Forbidden; InvalidInput with every mistake; Conflict when a named version has another definition.
    """
    authorise(caller, Action.ASSET_WRITE)
    is_anonymous = component.name == ANONYMOUS_COMPONENT
    version = component.version or next_of(tx, AssetKind.COMPONENT, component.name)
    stored = tx.documents.get(registry.asset_key(AssetKind.COMPONENT, component.name, version))
    if is_anonymous and stored is not None and stored.document.spec != component.spec:
        version = audit.fingerprint(component.spec)[:30]
        stored = tx.documents.get(registry.asset_key(AssetKind.COMPONENT, component.name, version))
    if stored is None or stored.document.spec != component.spec:
        found = [] if is_anonymous else name_mistakes(AssetKind.COMPONENT, component.name, component.version or None)
        found += definitions.mistakes_of(tx, component.spec, read=read)
        if found:
            raise InvalidInput(f"Component {component.name!r}", found)
    refusal = (
        f"Version {version!r} of component {component.name!r} is registered with another definition, and versions "
        f"never change. Register it as a new version."
    )
    act = audit.Act(caller.name, Action.ASSET_WRITE, now, reason, ticket)
    return store(tx, act, AssetKind.COMPONENT, replace(component, version=version), stored, refusal=refusal)
