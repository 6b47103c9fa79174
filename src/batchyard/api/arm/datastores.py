"""Datastores: shown and listed; their bytes go through the blob gateway."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.paging import page_answer
from batchyard.api.rooms import CallerIn, RoomsIn, host
from batchyard.api.told import TRUTH, told
from batchyard.control import datastores
from batchyard.wire.datastores import datastore_to_arm

router = APIRouter()


@router.get("/datastores", **told(query=[("isDefault", "Only the default one.", TRUTH)], answer="Page"))
def list_datastores(request: Request, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """List them; with `isDefault=true` only the default one."""
    only_default = request.query_params.get("isDefault", "").lower() == "true"
    shown = [store for store in datastores.list_datastores(caller) if store.is_default or not only_default]
    return page_answer(request, [datastore_to_arm(rooms.workspace, store, host=host(request)) for store in shown], None)


@router.get("/datastores/{name}")
def show_datastore(name: str, request: Request, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one."""
    return JSONResponse(datastore_to_arm(rooms.workspace, datastores.get(caller, name), host=host(request)))


@router.post("/datastores/{name}/listSecrets", **told(answer="object"))
def list_secrets(name: str, caller: CallerIn) -> JSONResponse:
    """Give the secrets of a datastore: there are none, the gateway takes the caller's own token."""
    datastores.get(caller, name)
    return JSONResponse({"secretsType": "None"})
