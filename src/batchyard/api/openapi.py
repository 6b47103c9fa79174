"""The OpenAPI document, made from the routes themselves: what a handler depends on says what it reads and refuses."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, get_args

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts

from batchyard.api.arm_paths import SUBSCRIPTIONS, WORKSPACE
from batchyard.api.bodies import Body, OptionalBody
from batchyard.api.caller import is_open
from batchyard.api.paging import WantedPage
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, IfMatch, RoomsIn
from batchyard.api.told import TEXT, Told, told, told_of
from batchyard.wire.json_schemas import body_schemas

PATH = "/openapi.json"

router = APIRouter()

Json = dict[str, Any]  # Any: a piece of the document

_ABOUT = (
    "Batch endpoints, deployments and jobs, in the language of Azure Machine Learning's REST. Paths are compared "
    "without case; `api-version` is accepted and ignored: each resource has one shape. Keys of bodies may be spelled "
    "in any case, and unknown ones are ignored. Every status from 400 on has the error envelope `Error`; below "
    "`/blob/` it is XML where the client asks for XML, with the code in `x-ms-error-code`. A 5xx is a failure of the "
    "server itself, never an answer to what a client sent."
)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a dependency of a handler means for its callers. headers, query: (name, sentence, schema)."""

    statuses: tuple[int, ...] = ()
    query: tuple[tuple[str, str, Json], ...] = ()
    headers: tuple[tuple[str, str, Json], ...] = ()
    has_body: bool = False


def _dependency(annotated: object) -> object:
    return get_args(annotated)[1].dependency


_PARTS = {
    _dependency(Body): _Part((400, 413), has_body=True),
    _dependency(OptionalBody): _Part((400, 413), has_body=True),
    _dependency(IfMatch): _Part((400, 412), headers=(("If-Match", "Only if the resource has this ETag still.", TEXT),)),
    _dependency(ReasonsIn): _Part(
        (400,),
        headers=(
            ("x-batchyard-reason", "Why, in a sentence, for the audit.", {**TEXT, "maxLength": 2000}),
            ("x-batchyard-ticket", "Where it was decided, for the audit.", {**TEXT, "maxLength": 2000}),
        ),
    ),
    _dependency(WantedPage): _Part(
        (400,),
        query=(
            ("$top", "How many at most, 1 to 1000.", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
            ("$skipToken", "From the `nextLink` of the page before.", TEXT),
        ),
    ),
    _dependency(CallerIn): _Part(),
    _dependency(RoomsIn): _Part(),
    _dependency(BaseUrl): _Part(),
}


@router.get(PATH, **told(answer="object"))
def show_openapi(request: Request, base_url: BaseUrl) -> JSONResponse:
    """Show this document. Like all routes it asks for a token."""
    return JSONResponse(document_of(request.app, server=base_url))


def document_of(app: FastAPI, *, server: str) -> Json:
    """Give the OpenAPI document of an application. server: its base URL."""
    paths: dict[str, Json] = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        path = re.sub(r"\{(\w+):path\}", r"{\1}", context.path or "")
        for method in sorted(context.methods or ()):
            paths.setdefault(path, {})[method.lower()] = _operation(method, path, route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "batchyard", "version": "1", "description": _ABOUT},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "query", "name": "sig"},
            },
            "schemas": {**_SCHEMAS, **body_schemas("#/components/schemas/{model}")},
        },
    }


def _operation(method: str, path: str, route: APIRoute) -> Json:
    one = told_of(route.openapi_extra)
    parts = [_PARTS[d.call] for d in route.dependant.dependencies if d.call in _PARTS]
    sentence, _, rest = (inspect.getdoc(route.endpoint) or "").partition("\n\n")
    operation: Json = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path.replace(WORKSPACE, "").replace(".", "_"))]),
        "tags": [route.endpoint.__module__.rpartition(".")[2]],
        "summary": " ".join(sentence.split()),
        "description": rest,
        "parameters": list(_parameters(path, one, parts)),
        "responses": _responses(method, path, one, parts),
    }
    if one.body is not None or any(part.has_body for part in parts):
        is_required = any(part.statuses and part.has_body for part in parts)
        operation["requestBody"] = {"content": _content(one), "required": is_required}
    if is_open(path.replace("{tenant}", "x")):
        operation["security"] = []
    elif path.startswith(_BLOBS):
        operation["security"] = [{"token": []}, {"signature": []}]
    return operation


def _parameters(path: str, one: Told, parts: Sequence[_Part]) -> Iterator[Json]:
    for name in re.findall(r"\{(\w+)\}", path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": _PATH_NAMES.get(name, "")}
    if SUBSCRIPTIONS in path:
        yield {"name": "api-version", "in": "query", "schema": TEXT, "description": "Accepted and ignored."}
    query = [*one.query, *(given for part in parts for given in part.query)]
    headers = [*one.headers, *(given for part in parts for given in part.headers)]
    for place, given in (("query", query), ("header", headers)):
        for name, sentence, schema in given:
            yield {"name": name, "in": place, "schema": schema, "description": sentence}


def _content(one: Told) -> Json:
    if isinstance(one.body, tuple):
        return {one.body[0]: {"schema": one.body[1]}}
    schema = _reference(one.body.__name__) if one.body is not None else {"type": "object"}
    return {"application/json": {"schema": schema}}


def _responses(method: str, path: str, one: Told, parts: Sequence[_Part]) -> Json:
    given = {status for status in one.statuses if status < 400}
    usual = {"PUT": {200, 201}, "DELETE": {200, 204}}.get(method, {200})
    refused = {status for status in one.statuses if status >= 400}.union(*(part.statuses for part in parts), {421})
    refused |= {401, 400} if not is_open(path.replace("{tenant}", "x")) else set()
    refused |= {400} if "{" in path else set()
    # Below a workspace that does not exist there is nothing.
    refused |= {404} if WORKSPACE + "/" in path else set()
    refused -= (
        {400} if "{" not in path and not any(part.has_body for part in parts) and 400 not in one.statuses else set()
    )
    answers = {str(status): _success(status, method, one, parts) for status in sorted(given or usual)}
    blob = method == "HEAD"
    errors = {str(s): {"description": HTTPStatus(s).phrase, **({} if blob else _ERROR)} for s in sorted(refused)}
    return {**answers, **errors, "5XX": {"description": "A failure of the server.", **({} if blob else _ERROR)}}


def _success(status: int, method: str, one: Told, parts: Sequence[_Part]) -> Json:
    answer = {"description": HTTPStatus(status).phrase}
    if status in (204, 302, 304) or method in ("HEAD", "DELETE") or one.answer == "nothing":
        return answer
    name = one.answer or ("Page" if any(part.query for part in parts) else "Resource")
    if "/" in name:
        return {**answer, "content": {kind: {} for kind in name.split()}}
    schema = {} if name == "object" else _reference(name)
    return {**answer, "content": {"application/json": {"schema": schema}}}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_BLOBS = "/blob/"
_PATH_NAMES = {
    "subscription": "Of the workspace.",
    "resource_group": "Of the workspace.",
    "workspace": "One that this server has; others are answered with 404.",
    "rest": "`ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`, slashes as they are.",
    "snapshot": "From the answer to `partial`.",
    "tenant": "Any: there is one.",
}
_ERROR = {"content": {"application/json": {"schema": _reference("Error")}}}
_SCHEMAS: Json = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": TEXT,
                    "message": TEXT,
                    "details": {
                        "type": "array",
                        "description": "One for each mistake; target: the dotted path of the field.",
                        "items": {
                            "type": "object",
                            "properties": {"code": TEXT, "message": TEXT, "target": TEXT},
                            "required": ["code", "message", "target"],
                        },
                    },
                },
            }
        },
    },
    "Resource": {
        "type": "object",
        "required": ["id", "name", "type", "properties"],
        "properties": {
            "id": TEXT,
            "name": TEXT,
            "type": TEXT,
            "properties": {"type": ["object", "null"], "description": "null: the one step of a batch job."},
            "systemData": {"type": "object"},
        },
    },
    "Page": {
        "type": "object",
        "required": ["value", "nextLink"],
        "properties": {
            "value": {"type": "array", "items": {"type": "object"}},
            "nextLink": {"type": ["string", "null"], "description": "The absolute link to the next page."},
        },
    },
}
