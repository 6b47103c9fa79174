"""Schedules: made, changed, shown, listed, deleted."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from batchyard.api.answers import deleted, meta_of, resource
from batchyard.api.bodies import Body
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import CallerIn, IfMatch, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import schedules
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.wire.schedules import ScheduleBody, schedule_from_arm, schedule_to_arm

router = APIRouter()

_QUERY = (("listViewType", "EnabledOnly, DisabledOnly or All.", TEXT),)
_VIEWS = {"enabledonly": True, "disabledonly": False, "all": None}


@router.get("/schedules", **told(query=_QUERY))
def list_schedules(request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage) -> JSONResponse:
    """List them by name; with `listViewType` EnabledOnly or DisabledOnly a page may hold fewer than were asked for."""
    view = request.query_params.get("listViewType", "All").lower()
    if view not in _VIEWS:
        raise InvalidInput("list", [Mistake("listViewType", repr(view), "EnabledOnly, DisabledOnly or All")])
    with rooms.records.reading() as tx:
        page = schedules.list_schedules(tx, caller, limit=wanted.limit, token=wanted.token)
    values = [
        schedule_to_arm(rooms.scope, stored.document, meta_of(stored))
        for stored in page.items
        if _VIEWS[view] in (None, stored.document.is_enabled)
    ]
    return page_answer(request, values, page.next_token)


@router.get("/schedules/{name}")
def show_schedule(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one."""
    with rooms.records.reading() as tx:
        stored = schedules.get(tx, caller, name)
    return resource(schedule_to_arm(rooms.scope, stored.document, meta_of(stored)), stored)


@router.put("/schedules/{name}", **told(body=ScheduleBody))
def put_schedule(
    name: str, body: Body, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn
) -> JSONResponse:
    """Make or change one."""
    schedule = schedule_from_arm(name, body)
    with rooms.records.writing() as tx:
        stored = schedules.create_or_update(
            tx, caller, schedule, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
    return resource(schedule_to_arm(rooms.scope, stored.document, meta_of(stored)), stored, is_put=True)


@router.delete("/schedules/{name}")
def delete_schedule(name: str, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn) -> Response:
    """Delete one."""
    with rooms.records.writing() as tx:
        was_there = schedules.delete(
            tx, caller, name, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
    return deleted(was_there=was_there)
