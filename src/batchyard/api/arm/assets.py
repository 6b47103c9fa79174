"""Models, environments, data and components: containers and versions. Code versions have a file of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from batchyard.api.answers import meta_of, resource
from batchyard.api.arm.sealing import seal_ahead
from batchyard.api.blob.paths import datastore_uri
from batchyard.api.bodies import Body
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import Reasons, ReasonsIn
from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.api.told import VIEW, told
from batchyard.control import assets, components, jobs, pipeline_jobs
from batchyard.domain.access import Caller
from batchyard.domain.assets import AssetKind
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Stored
from batchyard.wire.assets import container_to_arm
from batchyard.wire.data import DataBody, data_from_arm, data_to_arm
from batchyard.wire.environments import EnvironmentBody, environment_from_arm, environment_to_arm
from batchyard.wire.models import ModelBody, model_from_arm, model_to_arm
from batchyard.wire.pipelines.components import ComponentBody, component_from_arm, component_to_arm
from batchyard.wire.pipelines.definitions import read_definition
from batchyard.wire.pipelines.jobs import source_job_of

router = APIRouter()

# Azure: by this word its clients ask for the newest version.
_NEWEST_LABELS = {"latest", "azureml_default"}
_TO_ARM: dict[AssetKind, Callable[..., dict[str, object]]] = {
    AssetKind.MODEL: model_to_arm,
    AssetKind.ENVIRONMENT: environment_to_arm,
    AssetKind.DATA: data_to_arm,
    AssetKind.COMPONENT: component_to_arm,
}


async def _kind(request: Request, rooms: RoomsIn) -> AssetKind:
    collection = request.scope["path"].removeprefix(rooms.scope.arm_id + "/").partition("/")[0]
    return AssetKind(collection)


KindIn = Annotated[AssetKind, Depends(_kind)]


@router.get("/models", **told(query=[VIEW], answer="Page"))
@router.get("/environments", **told(query=[VIEW], answer="Page"))
@router.get("/data", **told(query=[VIEW], answer="Page"))
@router.get("/components", **told(query=[VIEW], answer="Page"))
def list_containers(kind: KindIn, request: Request, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """List the names of a kind."""
    view = _view(request)
    with rooms.records.reading() as tx:
        current = assets.list_containers(tx, caller, kind)
        every = assets.list_containers(tx, caller, kind, include_archived=True) if view != "activeonly" else current
    current_names = {one.name for one in current}
    found = [one for one in every if view != "archivedonly" or one.name not in current_names]
    values = [container_to_arm(rooms.scope, kind, one.name, one.latest_version, one.next_version) for one in found]
    return page_answer(request, values, None)


@router.get("/models/{name}")
@router.get("/environments/{name}")
@router.get("/data/{name}")
@router.get("/components/{name}")
def show_container(kind: KindIn, name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show the newest and the next version of a name."""
    with rooms.records.reading() as tx:
        found = assets.container(tx, caller, kind, name)
    return JSONResponse(container_to_arm(rooms.scope, kind, name, found.latest_version, found.next_version))


@router.put("/models/{name}", **told(200))
@router.put("/environments/{name}", **told(200))
@router.put("/data/{name}", **told(200))
@router.put("/components/{name}", **told(200))
def put_container(
    kind: KindIn, name: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    """Archive all versions of a name, or bring them back: the one thing that changes of a container."""
    properties = body.get("properties")
    is_archived = properties.get("isArchived") if isinstance(properties, dict) else None
    if not isinstance(is_archived, bool):
        raise InvalidInput(f"{kind.noun} {name!r}", [Mistake("properties.isArchived", repr(is_archived), "a boolean")])
    with rooms.records.writing() as tx:
        found = assets.set_archived(
            tx,
            caller,
            kind,
            name,
            is_archived=is_archived,
            now=rooms.clock(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return JSONResponse(container_to_arm(rooms.scope, kind, name, found.latest_version, found.next_version))


@router.get("/models/{name}/versions", **told(query=[VIEW]))
@router.get("/environments/{name}/versions", **told(query=[VIEW]))
@router.get("/data/{name}/versions", **told(query=[VIEW]))
@router.get("/components/{name}/versions", **told(query=[VIEW]))
def list_versions(
    kind: KindIn, name: str, request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage
) -> JSONResponse:
    """List the versions of a name, newest first, which is the only order there is."""
    view = _view(request)
    with rooms.records.reading() as tx:
        page = assets.list_versions(
            tx,
            caller,
            kind,
            name,
            include_archived=view != "activeonly",
            limit=wanted.limit,
            token=wanted.token,
        )
    kept = [stored for stored in page.items if view != "archivedonly" or stored.document.is_archived]
    return page_answer(request, [_arm(rooms.scope, kind, stored) for stored in kept], page.next_token)


@router.get("/models/{name}/versions/{version}")
@router.get("/environments/{name}/versions/{version}")
@router.get("/data/{name}/versions/{version}")
@router.get("/components/{name}/versions/{version}")
def show_version(kind: KindIn, name: str, version: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one version, or the newest by its label."""
    label = "latest" if version in _NEWEST_LABELS else None
    with rooms.records.reading() as tx:
        stored = assets.get_version(tx, caller, kind, name, None if label else version, label)
    return resource(_arm(rooms.scope, kind, stored), stored)


@router.put("/models/{name}/versions/{version}", **told(409, body=ModelBody))
def put_model(name: str, version: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register a model version, or change what may change of one."""
    return _register_model(rooms, caller, why, name, version, body)


@router.post("/models/{name}/versions", **told(201, body=ModelBody))
def post_model(name: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register a model under the next number (ours: Azure's clients ask for the number first, and may collide)."""
    return _register_model(rooms, caller, why, name, None, body)


@router.put("/environments/{name}/versions/{version}", **told(409, body=EnvironmentBody))
def put_environment(
    name: str, version: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    """Register an environment version, or change what may change of one."""
    return _register_environment(rooms, caller, why, name, version, body)


@router.post("/environments/{name}/versions", **told(201, body=EnvironmentBody))
def post_environment(name: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register an environment under the next number (ours)."""
    return _register_environment(rooms, caller, why, name, None, body)


@router.put("/data/{name}/versions/{version}", **told(409, body=DataBody))
def put_data(name: str, version: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register a data asset's version, or change what may change of one."""
    return _register_data(rooms, caller, why, name, version, body)


@router.post("/data/{name}/versions", **told(201, body=DataBody))
def post_data(name: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register a data asset under the next number (ours)."""
    return _register_data(rooms, caller, why, name, None, body)


@router.put("/components/{name}/versions/{version}", **told(409, body=ComponentBody))
def put_component(
    name: str, version: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn
) -> JSONResponse:
    """Register a component's version, or change what may change of one."""
    component, source = component_from_arm(name, version, body), source_job_of(body)
    with rooms.records.writing() as tx:
        if source is not None:
            made = pipeline_jobs.component_of(tx, jobs.get(tx, caller, source))
            component = replace(component, spec=made.document.spec)
        stored = components.register(
            tx,
            caller,
            component,
            read=read_definition,
            now=rooms.clock(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return resource(_arm(rooms.scope, AssetKind.COMPONENT, stored), stored, is_put=True)


def _register_data(
    rooms: Rooms, caller: Caller, why: Reasons, name: str, version: str | None, body: dict[str, object]
) -> JSONResponse:
    data = data_from_arm(name, version, with_datastore_uri(body, "dataUri"))
    with rooms.records.writing() as tx:
        stored = assets.register_data(tx, caller, data, now=rooms.clock(), reason=why.reason, ticket=why.ticket)
    return resource(_arm(rooms.scope, AssetKind.DATA, stored), stored, is_put=True)


def _register_model(
    rooms: Rooms, caller: Caller, why: Reasons, name: str, version: str | None, body: dict[str, object]
) -> JSONResponse:
    draft = model_from_arm(name, version, with_datastore_uri(body, "modelUri"))
    sealed = seal_ahead(rooms, caller, AssetKind.MODEL, draft.name, draft.version, draft.uri)
    with rooms.records.writing() as tx:
        stored = assets.register_model(
            tx, caller, draft, sealed=sealed, now=rooms.clock(), reason=why.reason, ticket=why.ticket
        )
    return resource(_arm(rooms.scope, AssetKind.MODEL, stored), stored, is_put=True)


def _register_environment(
    rooms: Rooms, caller: Caller, why: Reasons, name: str, version: str | None, body: dict[str, object]
) -> JSONResponse:
    environment = environment_from_arm(name, version, body)
    with rooms.records.writing() as tx:
        stored = assets.register_environment(
            tx,
            caller,
            environment,
            mistakes=rooms.environments.mistakes,
            now=rooms.clock(),
            reason=why.reason,
            ticket=why.ticket,
        )
    return resource(_arm(rooms.scope, AssetKind.ENVIRONMENT, stored), stored, is_put=True)


def with_datastore_uri(body: dict[str, object], field: str) -> dict[str, object]:
    """Give a body in which the URL of an upload to our gateway has become a place in a datastore."""
    properties = body.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get(field), str):
        return body
    return {**body, "properties": {**properties, field: datastore_uri(properties[field])}}


def _view(request: Request) -> str:
    view = request.query_params.get("listViewType", "ActiveOnly").lower()
    if view not in ("activeonly", "all", "archivedonly"):
        raise InvalidInput("list", [Mistake("listViewType", repr(view), "ActiveOnly, ArchivedOnly or All")])
    return view


def _arm(scope: Scope, kind: AssetKind, stored: Stored[Any]) -> dict[str, object]:  # Any: the asset of the kind
    return _TO_ARM[kind](scope, stored.document, meta_of(stored))
