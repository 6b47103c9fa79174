"""Workspaces: made, changed, shown, listed, deleted; and where their other services are found."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from batchyard.api.answers import deleted
from batchyard.api.arm_paths import GROUP, LIST, SUBSCRIPTION, SUBSCRIPTIONS
from batchyard.api.bodies import Body
from batchyard.api.paging import page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, RoomsIn
from batchyard.api.told import told
from batchyard.control import workspaces
from batchyard.domain.errors import NotFound
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import DEFAULT_WORKSPACE
from batchyard.wire.workspaces import (
    WorkspaceBody,
    discovery_to_arm,
    group_to_arm,
    subscription_to_arm,
    workspace_from_arm,
    workspace_to_arm,
)

router = APIRouter()
list_router = APIRouter()
open_router = APIRouter()


@router.get("", **told(404))
def show_workspace(
    subscription: str, resource_group: str, workspace: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl
) -> JSONResponse:
    """Show one."""
    with rooms.records.reading() as tx:
        found = workspaces.get(tx, caller, Scope(subscription, resource_group, workspace))
    return JSONResponse(workspace_to_arm(found, base_url=base_url))


@router.put("", **told(body=WorkspaceBody))
def put_workspace(
    subscription: str,
    resource_group: str,
    workspace: str,
    body: Body,
    rooms: RoomsIn,
    caller: CallerIn,
    why: ReasonsIn,
    base_url: BaseUrl,
) -> JSONResponse:
    """Make or change one."""
    wanted = workspace_from_arm(Scope(subscription, resource_group, workspace), rooms.new_id(), body)
    with rooms.records.of(DEFAULT_WORKSPACE).writing() as tx:
        stored = workspaces.create_or_update(
            tx, caller, wanted, now=rooms.clock(), reason=why.reason, ticket=why.ticket
        )
    status = 201 if stored.created_at == stored.modified_at else 200
    return JSONResponse(workspace_to_arm(stored, base_url=base_url), status)


@router.delete("", **told(409))
def delete_workspace(
    subscription: str, resource_group: str, workspace: str, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> Response:
    """Delete one that has no endpoints and no unfinished jobs."""
    scope = Scope(subscription, resource_group, workspace)
    with rooms.records.of(DEFAULT_WORKSPACE).writing() as tx:
        was_there = workspaces.delete(tx, caller, scope, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return deleted(was_there=was_there)


@list_router.get(SUBSCRIPTION + LIST, **told(answer="Page"))
def list_of_subscription(
    subscription: str, request: Request, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl
) -> JSONResponse:
    """List the workspaces of a subscription."""
    with rooms.records.reading() as tx:
        found = workspaces.list_workspaces(tx, caller, subscription=subscription)
    return page_answer(request, [workspace_to_arm(one, base_url=base_url) for one in found], None)


@list_router.get(GROUP + LIST, **told(answer="Page"))
def list_of_group(
    subscription: str, resource_group: str, request: Request, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl
) -> JSONResponse:
    """List the workspaces of a resource group."""
    with rooms.records.reading() as tx:
        found = workspaces.list_workspaces(tx, caller, subscription=subscription, resource_group=resource_group)
    return page_answer(request, [workspace_to_arm(one, base_url=base_url) for one in found], None)


@list_router.get(SUBSCRIPTIONS, **told(answer="Page"))
def list_subscriptions(request: Request, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """List the subscriptions that have a workspace."""
    with rooms.records.reading() as tx:
        found = workspaces.list_workspaces(tx, caller)
    names = {one.scope.subscription.lower(): one.scope.subscription for one in found}
    return page_answer(request, [subscription_to_arm(name) for name in names.values()], None)


@list_router.get(GROUP, **told(404, answer="object"))
def show_group(subscription: str, resource_group: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show a resource group that has a workspace."""
    with rooms.records.reading() as tx:
        found = workspaces.list_workspaces(tx, caller, subscription=subscription, resource_group=resource_group)
        every = workspaces.list_workspaces(tx, caller, subscription=subscription)
    if not found:
        listed = ", ".join(sorted({repr(one.scope.resource_group) for one in every})) or "none"
        raise NotFound(
            f"The resource group {resource_group!r} has no workspace in the subscription {subscription!r}; "
            f"resource groups that have one: {listed}."
        )
    return JSONResponse(group_to_arm(found[0]))


@open_router.get("/discovery", **told(answer="object"))
def discover(base_url: BaseUrl) -> JSONResponse:
    """Tell where the services are. # Azure: the SDK asks this without a token."""
    return JSONResponse(discovery_to_arm(base_url=base_url))


@open_router.get("/health", **told(answer="object"))
def health() -> JSONResponse:
    """Tell that the server answers, and nothing else."""
    return JSONResponse({"status": "ok"})
