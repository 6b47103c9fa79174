"""Batch deployments: made, changed, shown, listed, deleted. A PUT that must build something begins an operation."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from batchyard.api.answers import deleted, meta_of, resource
from batchyard.api.bodies import Body
from batchyard.api.operations import operation_headers, operation_uri
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import Reasons, ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, IfMatch, Rooms, RoomsIn
from batchyard.api.told import TRUTH, told
from batchyard.control import deployments, endpoints
from batchyard.domain.access import Caller
from batchyard.domain.deployments import Deployment, DeploymentDraft, DeploymentKind
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Operation, Stored, Transaction
from batchyard.wire.deployments import DeploymentBody, deployment_from_arm, deployment_to_arm
from batchyard.wire.operations import with_operation_uri
from batchyard.wire.pipelines.definitions import read_definition
from batchyard.wire.trees import patched

router = APIRouter()
_LONGEST_REVISION = 9
_ONE = "/batchEndpoints/{endpoint}/deployments/{name}"


@router.get("/batchEndpoints/{endpoint}/deployments")
def list_deployments(
    endpoint: str, request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage
) -> JSONResponse:
    """List an endpoint's deployments by name."""
    with rooms.records.reading() as tx:
        page = deployments.list_deployments(tx, caller, endpoint, limit=wanted.limit, token=wanted.token)
        values = [_arm(tx, caller, rooms.scope, stored) for stored in page.items]
    return page_answer(request, values, page.next_token)


@router.get(_ONE, **told(query=[("revision", "An older revision.", {"type": "integer", "minimum": 1})]))
def show_deployment(endpoint: str, name: str, request: Request, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one, its newest revision or with `revision=N` an older one."""
    revision = _revision(request.query_params.get("revision"))
    with rooms.records.reading() as tx:
        stored = deployments.get(tx, caller, endpoint, name, revision=revision)
        arm = _arm(tx, caller, rooms.scope, stored)
    return resource(arm, stored)


@router.put(_ONE, **told(body=DeploymentBody))
def put_deployment(
    endpoint: str,
    name: str,
    body: Body,
    rooms: RoomsIn,
    caller: CallerIn,
    if_match: IfMatch,
    why: ReasonsIn,
    base_url: BaseUrl,
) -> JSONResponse:
    """Make or change one; where an environment must be built, the answer names the operation to poll."""
    draft = deployment_from_arm(endpoint, name, body)
    with rooms.records.writing() as tx:
        stored, operation = _store(tx, rooms, caller, draft, if_match, why)
        arm = _arm(tx, caller, rooms.scope, stored)
    arm = with_operation_uri(arm, operation_uri(base_url, rooms.scope, operation))
    return resource(arm, stored, is_put=True, headers=operation_headers(base_url, rooms.scope, operation))


@router.patch(_ONE, **told(body=DeploymentBody))
def patch_deployment(
    endpoint: str,
    name: str,
    body: Body,
    rooms: RoomsIn,
    caller: CallerIn,
    if_match: IfMatch,
    why: ReasonsIn,
    base_url: BaseUrl,
) -> JSONResponse:
    """Change what is named of one; null takes the default. Answers as a PUT does."""
    with rooms.records.writing() as tx:
        before = _arm(tx, caller, rooms.scope, deployments.get(tx, caller, endpoint, name))
        draft = deployment_from_arm(endpoint, name, patched(before, body))
        stored, operation = _store(tx, rooms, caller, draft, if_match, why)
        arm = _arm(tx, caller, rooms.scope, stored)
    arm = with_operation_uri(arm, operation_uri(base_url, rooms.scope, operation))
    return resource(arm, stored, headers=operation_headers(base_url, rooms.scope, operation))


@router.delete(_ONE, **told(409, query=[("force", "Also the endpoint's default.", TRUTH)]))
def delete_deployment(
    endpoint: str, name: str, request: Request, rooms: RoomsIn, caller: CallerIn, if_match: IfMatch, why: ReasonsIn
) -> Response:
    """Delete one; with `force=true` also the endpoint's default."""
    with rooms.records.writing() as tx:
        was_there = deployments.delete(
            tx,
            caller,
            endpoint,
            name,
            now=rooms.clock(),
            force=request.query_params.get("force", "").lower() == "true",
            if_match=if_match,
            reason=why.reason,
            ticket=why.ticket,
        )
    return deleted(was_there=was_there)


def _store(
    tx: Transaction, rooms: Rooms, caller: Caller, draft: DeploymentDraft, if_match: str | None, why: Reasons
) -> tuple[Stored[Deployment], Operation | None]:
    if draft.kind is DeploymentKind.PIPELINE:
        return deployments.create_or_update_pipeline(
            tx,
            caller,
            draft,
            read=read_definition,
            now=rooms.clock(),
            new_id=rooms.new_id(),
            if_match=if_match,
            reason=why.reason,
            ticket=why.ticket,
        )
    return deployments.create_or_update(
        tx,
        caller,
        draft,
        sealed=rooms.sealed,
        tables=rooms.tables,
        now=rooms.clock(),
        new_id=rooms.new_id(),
        if_match=if_match,
        reason=why.reason,
        ticket=why.ticket,
    )


def _arm(tx: Transaction, caller: Caller, scope: Scope, stored: Stored[Deployment]) -> dict[str, object]:
    deployment = stored.document
    default = endpoints.get(tx, caller, deployment.endpoint).document.default_deployment
    serving = deployments.serving(tx, deployment.endpoint, deployment.name)
    return deployment_to_arm(
        scope,
        deployment,
        meta_of(stored),
        is_default=default == deployment.name,
        serving_revision=None if serving is None else serving.revision,
        failed_operation=deployments.failed_operation(tx, stored),
    )


def _revision(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_REVISION):
        raise InvalidInput("deployment", [Mistake("revision", repr(text[:80]), "the number of a revision")])
    return int(text)
