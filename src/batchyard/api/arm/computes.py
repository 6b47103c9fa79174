"""Computes: made, changed, shown, listed, deleted."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from batchyard.api.answers import deleted, meta_of, resource
from batchyard.api.bodies import Body
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import CallerIn, IfMatch, RoomsIn
from batchyard.api.told import told
from batchyard.control import computes
from batchyard.wire.computes import ComputeBody, compute_from_arm, compute_to_arm
from batchyard.wire.pipelines.definitions import read_definition

router = APIRouter()


@router.get("/computes")
def list_computes(request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage) -> JSONResponse:
    """List them by name."""
    with rooms.records.reading() as tx:
        page = computes.list_computes(tx, caller, limit=wanted.limit, token=wanted.token)
    values = [compute_to_arm(rooms.scope, stored.document, meta_of(stored)) for stored in page.items]
    return page_answer(request, values, page.next_token)


@router.get("/computes/{name}")
def show_compute(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one."""
    with rooms.records.reading() as tx:
        stored = computes.get(tx, caller, name)
    return resource(compute_to_arm(rooms.scope, stored.document, meta_of(stored)), stored)


@router.put("/computes/{name}", **told(body=ComputeBody))
def put_compute(
    name: str, body: Body, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn
) -> JSONResponse:
    """Make or change one."""
    compute = compute_from_arm(name, body)
    with rooms.records.writing() as tx:
        stored = computes.create_or_update(
            tx, caller, compute, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
    return resource(compute_to_arm(rooms.scope, stored.document, meta_of(stored)), stored, is_put=True)


@router.delete("/computes/{name}", **told(409))
def delete_compute(name: str, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn) -> Response:
    """Delete one."""
    with rooms.records.writing() as tx:
        was_there = computes.delete(
            tx,
            caller,
            name,
            read=read_definition,
            now=rooms.clock(),
            if_match=if_match,
            reason=why.reason,
            ticket=why.ticket,
        )
    return deleted(was_there=was_there)
