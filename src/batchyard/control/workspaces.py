"""The workspace: for now the one that every home is born with."""

from __future__ import annotations

from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.errors import not_found
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope


def get(caller: Caller, wanted: Scope) -> Scope:
    """Give the workspace, spelled as it is stored. ARM compares ids without case.

    Raises: Forbidden; NotFound when it is another one.
    """
    authorise(caller, Action.WORKSPACE_READ)
    if not is_here(wanted):
        raise not_found("workspace", wanted.arm_id, [DEFAULT_SCOPE.arm_id])
    return DEFAULT_SCOPE


def is_here(scope: Scope) -> bool:
    """Whether a scope is this workspace, compared without case."""
    return scope.arm_id.lower() == DEFAULT_SCOPE.arm_id.lower()
