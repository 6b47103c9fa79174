"""Batch endpoints: made, changed, shown, listed, deleted; the switch of the default is a PUT of the endpoint."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from batchyard.api.answers import deleted, meta_of, resource
from batchyard.api.arm_paths import INVOKE
from batchyard.api.bodies import Body
from batchyard.api.operations import operation_uri
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, IfMatch, RoomsIn
from batchyard.api.told import told
from batchyard.control import endpoints
from batchyard.domain.access import Caller
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import DefaultChange, Endpoint
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Stored, Transaction
from batchyard.wire.endpoints import EndpointBody, endpoint_from_arm, endpoint_to_arm
from batchyard.wire.operations import with_operation_uri
from batchyard.wire.trees import patched

router = APIRouter()


@router.get("/batchEndpoints")
def list_endpoints(
    request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage, base_url: BaseUrl
) -> JSONResponse:
    """List them by name, without their deployments and the histories of their defaults."""
    with rooms.records.reading() as tx:
        page = endpoints.list_endpoints(tx, caller, limit=wanted.limit, token=wanted.token)
    values = [_arm(rooms.scope, stored, base_url) for stored in page.items]
    return page_answer(request, values, page.next_token)


@router.get("/batchEndpoints/{name}")
def show_endpoint(name: str, rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Show one, with its deployments and the history of its default."""
    with rooms.records.reading() as tx:
        stored = endpoints.get(tx, caller, name)
        arm = _whole_arm(tx, caller, rooms.scope, stored, base_url)
    return resource(arm, stored)


@router.put("/batchEndpoints/{name}", **told(body=EndpointBody))
def put_endpoint(
    name: str, body: Body, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn, base_url: BaseUrl
) -> JSONResponse:
    """Make or change one."""
    endpoint = endpoint_from_arm(name, body)
    with rooms.records.writing() as tx:
        stored = endpoints.create_or_update(
            tx, caller, endpoint, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
        arm = _whole_arm(tx, caller, rooms.scope, stored, base_url)
    arm = with_operation_uri(arm, operation_uri(base_url, rooms.scope, None))
    return resource(arm, stored, is_put=True)


@router.patch("/batchEndpoints/{name}", **told(body=EndpointBody))
def patch_endpoint(
    name: str, body: Body, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn, base_url: BaseUrl
) -> JSONResponse:
    """Change what is named of one, such as its default; null removes."""
    with rooms.records.writing() as tx:
        before = _arm(rooms.scope, endpoints.get(tx, caller, name), base_url)
        endpoint = endpoint_from_arm(name, patched(before, body))
        stored = endpoints.create_or_update(
            tx, caller, endpoint, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
        arm = _whole_arm(tx, caller, rooms.scope, stored, base_url)
    return resource(arm, stored)


@router.delete("/batchEndpoints/{name}")
def delete_endpoint(name: str, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn) -> Response:
    """Delete one with its deployments."""
    with rooms.records.writing() as tx:
        was_there = endpoints.delete(
            tx, caller, name, now=rooms.clock(), if_match=if_match, reason=why.reason, ticket=why.ticket
        )
    return deleted(was_there=was_there)


def _whole_arm(
    tx: Transaction, caller: Caller, scope: Scope, stored: Stored[Endpoint], base_url: str
) -> dict[str, object]:
    name = stored.key.name
    history = endpoints.default_history(tx, caller, name)
    return _arm(scope, stored, base_url, history=history, deployments=endpoints.deployments_of(tx, caller, name))


def _arm(
    scope: Scope,
    stored: Stored[Endpoint],
    base_url: str,
    *,
    history: list[DefaultChange] | None = None,
    deployments: list[Deployment] | None = None,
) -> dict[str, object]:
    return endpoint_to_arm(
        scope,
        stored.document,
        meta_of(stored),
        scoring_uri=f"{base_url}{INVOKE}{scope.child('batchEndpoints', stored.key.name)}/jobs",
        default_history=history,
        deployments=deployments,
    )
