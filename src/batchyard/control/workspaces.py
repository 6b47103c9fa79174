"""Workspaces: found by name or by id, made, changed, shown and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batchyard.control import audit, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.errors import Conflict, InvalidInput, NotFound
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import Workspace, creating_command, is_same, workspace_mistakes
from batchyard.ports.records import JobFilter, Kind, Transaction

_MOST_NAMED = 10


def get(tx: Transaction, caller: Caller, wanted: Scope) -> Workspace:
    """Give the workspace of these names, compared without case.

    Raises: Forbidden; NotFound naming those that exist and the command that makes this one.
    """
    authorise(caller, Action.WORKSPACE_READ)
    found = tx.workspaces.get(wanted)
    if found is None:
        raise NotFound(_not_here(wanted, [one.scope for one in tx.workspaces.list()]))
    return found


def find(tx: Transaction, wanted: Scope) -> Workspace | None:
    """Give the workspace of these names, or None; for whoever finds the way to it, before any verb authorises."""
    return tx.workspaces.get(wanted)


def by_id(tx: Transaction, id: str) -> Workspace | None:
    """Give the workspace with this id, or None; for whoever was given the id itself."""
    return tx.workspaces.by_id(id)


def list_workspaces(
    tx: Transaction, caller: Caller, *, subscription: str | None = None, resource_group: str | None = None
) -> Sequence[Workspace]:
    """Give all of a subscription or of a resource group, or all there are. Raises: Forbidden."""
    authorise(caller, Action.WORKSPACE_READ)
    return [
        one
        for one in tx.workspaces.list()
        if (subscription is None or one.scope.subscription.lower() == subscription.lower())
        and (resource_group is None or one.scope.resource_group.lower() == resource_group.lower())
    ]


def create_or_update(
    tx: Transaction, caller: Caller, wanted: Workspace, *, now: float, reason: str = "", ticket: str = ""
) -> Workspace:
    """Make a workspace, or change what may change of the one with its names.

    wanted: its id is taken for a new one alone. The audit row is one of the workspace itself.
    Raises: Forbidden; InvalidInput with every mistake.
    """
    authorise(caller, Action.WORKSPACE_WRITE)
    before = tx.workspaces.get(wanted.scope)
    mistakes = workspace_mistakes(wanted.scope) if before is None else []
    if mistakes:
        raise InvalidInput(f"Workspace {wanted.scope.workspace!r}", mistakes)
    stored = replace(wanted, created_at=now, created_by=caller.name, modified_at=now, modified_by=caller.name)
    if before is not None:
        stored = replace(stored, scope=before.scope, id=before.id, location=before.location)
        stored = replace(stored, created_at=before.created_at, created_by=before.created_by)
    inside = tx.of(stored)
    tx.workspaces.save(stored)
    act = audit.Act(caller.name, Action.WORKSPACE_WRITE, now, reason, ticket)
    audit.record(inside, act, _target(stored), before=before, after=stored)
    return stored


def delete(tx: Transaction, caller: Caller, wanted: Scope, *, now: float, reason: str = "", ticket: str = "") -> bool:
    """Delete a workspace, with its assets, computes and the history of its ended jobs; False when there was none.

    Its rows and files stay where they are, under an id that nothing leads to any more.
    Raises: Forbidden; Conflict for the default one, and naming the endpoints and the unfinished jobs that are there.
    """
    authorise(caller, Action.WORKSPACE_DELETE)
    found = tx.workspaces.get(wanted)
    if found is None:
        return False
    name = found.scope.workspace
    if found.is_default:
        raise Conflict(f"The workspace {name!r} is there from the start and cannot be deleted.")
    inside = tx.of(found)
    there = _contents(inside)
    if there:
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        listed = ", ".join(there[:_MOST_NAMED]) + more
        raise Conflict(f"The workspace {name!r} still has {listed}. Delete the endpoints and end the jobs first.")
    tx.workspaces.delete(found.id)
    act = audit.Act(caller.name, Action.WORKSPACE_DELETE, now, reason, ticket)
    audit.record(inside, act, _target(found), before=found, after=None)
    return True


def is_here(tx: Transaction, scope: Scope) -> bool:
    """Whether a scope is the workspace of this transaction."""
    return is_same(scope, tx.scope)


def _contents(tx: Transaction) -> list[str]:
    endpoints = [f"endpoint {name!r}" for name in registry.names(tx, Kind.ENDPOINT)]
    unfinished = JobFilter(statuses=frozenset(JobStatus) - FINAL)
    jobs = registry.every(lambda token: tx.jobs.list(unfinished, token=token))
    return endpoints + [f"job {job.name!r} ({job.status.value})" for job in jobs]


def _target(workspace: Workspace) -> str:
    return f"workspaces/{workspace.scope.workspace}"


def _not_here(wanted: Scope, known: Sequence[Scope]) -> str:
    listed = ", ".join(
        f"{one.workspace!r} (resource group {one.resource_group!r}, subscription {one.subscription!r})"
        for one in known[:_MOST_NAMED]
    )
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return (
        f"The workspace {wanted.workspace!r} of the resource group {wanted.resource_group!r} in the subscription "
        f"{wanted.subscription!r} does not exist. There is: {listed}{more}. "
        f"Create it with `{creating_command(wanted)}`, or name another one."
    )
