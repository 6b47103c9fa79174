"""The workspace, and where its other services are found."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from batchyard.api.rooms import BaseUrl, CallerIn, RoomsIn
from batchyard.control import workspaces
from batchyard.wire.workspaces import discovery_to_arm, workspace_to_arm

router = APIRouter()
open_router = APIRouter()


@router.get("")
def show_workspace(rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show the workspace."""
    with rooms.records.reading() as tx:
        workspace = workspaces.get(tx, caller, rooms.scope)
    return JSONResponse(workspace_to_arm(workspace, base_url=base_url))


@open_router.get("/discovery")
def discover(base_url: BaseUrl) -> JSONResponse:
    """Tell where the services are. # Azure: the SDK asks this without a token."""
    return JSONResponse(discovery_to_arm(base_url=base_url))


@open_router.get("/health")
def health() -> JSONResponse:
    """Tell that the server answers, and nothing else."""
    return JSONResponse({"status": "ok"})
