"""From an error of ours to an HTTP answer: one table, one envelope, and nothing of a stack trace in it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from xml.sax.saxutils import escape

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from batchyard.domain import errors as tree
from batchyard.domain.errors import BatchyardError, InvalidInput, PlatformError
from batchyard.wire.errors import error_to_arm

log = logging.getLogger(__name__)

STATUS: Mapping[type[BatchyardError], int] = {
    tree.BatchyardError: 500,
    tree.CallerError: 400,
    tree.InvalidInput: 400,
    tree.PlaceRefused: 400,
    tree.Unauthenticated: 401,
    tree.Forbidden: 403,
    tree.NotFound: 404,
    tree.Conflict: 409,
    tree.PreconditionFailed: 412,
    tree.WrongHost: 421,
    tree.ScriptError: 400,
    tree.ContractBroken: 400,
    tree.PlatformError: 503,
    tree.LeaseLost: 503,
    tree.SandboxUnavailable: 503,
}

# Azure: what the storage SDK looks for in `x-ms-error-code`.
_BLOB_CODES: Mapping[int, str] = {
    400: "InvalidInput",
    401: "NoAuthenticationInformation",
    403: "AuthorizationFailure",
    404: "BlobNotFound",
    409: "BlobAlreadyExists",
    412: "ConditionNotMet",
    413: "RequestBodyTooLarge",
    416: "InvalidRange",
    503: "ServerBusy",
}


def status_of(error: BatchyardError) -> int:
    """Give the status of an error: that of its own class, else of the nearest one above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def error_answer(request: Scope, error: BatchyardError) -> Response:
    """Give the answer to an error. request: the ASGI scope; the blob gateway's errors have a form of their own."""
    status = status_of(error)
    if isinstance(error, PlatformError):
        log.error("platform error", extra={"code": error.code, "path": request["path"]}, exc_info=error)
    mistakes = error.mistakes if isinstance(error, InvalidInput) else ()
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if is_blob_path(request["path"]):
        return blob_error(request, status, str(error), headers=headers)
    return JSONResponse(error_to_arm(error.code, str(error), mistakes), status, headers)


def blob_error(request: Scope, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Give an error of the gateway: a code in a header, as storage has it, and XML for clients that ask for it.

    # Azure: the storage SDK sends `Accept: application/xml`; others read the envelope of all other routes.
    """
    code = _BLOB_CODES.get(status, "InternalError")
    all_headers = {"x-ms-error-code": code, **(headers or {})}
    if "xml" not in Headers(scope=request).get("accept", ""):
        return JSONResponse(error_to_arm(code, _encodable(message)), status, all_headers)
    body = f"<Error><Code>{code}</Code><Message>{escape(_encodable(message))}</Message></Error>"
    content = f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode()
    return Response(content, status, all_headers, media_type="application/xml")


def _encodable(message: str) -> str:
    # Names of files need not be UTF-8; an answer has to be.
    return message.encode(errors="replace").decode()


def is_blob_path(path: str) -> bool:
    """Whether a request is for the blob gateway."""
    return path.startswith("/blob/")


def install_error_handlers(app: FastAPI) -> None:
    """Answer each of our errors, and those of the framework, with the envelope."""

    # FastAPI runs plain handlers in a thread; these only build an answer.
    async def ours(request: Request, error: Exception) -> Response:
        if not isinstance(error, BatchyardError):
            raise error
        return error_answer(request.scope, error)

    async def framework(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return _http_error(request, error)

    async def unreadable(request: Request, error: Exception) -> Response:
        mistakes = _mistakes_of(error)
        return error_answer(request.scope, InvalidInput("request", mistakes))

    async def gone(request: Request, error: Exception) -> Response:
        # Nobody reads this; what the request was writing has been undone by the exception on its way here.
        log.info("client went away", extra={"method": request.method, "reason": type(error).__name__})
        return Response(status_code=400)

    app.add_exception_handler(BatchyardError, ours)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, unreadable)


def _http_error(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if is_blob_path(request.url.path):
        return blob_error(request.scope, error.status_code, str(error.detail), headers=headers)
    phrase = HTTPStatus(error.status_code).phrase
    message = {
        404: f"There is nothing at {request.url.path!r}.",
        405: f"{request.method} is not possible at {request.url.path!r}.",
    }.get(error.status_code, str(error.detail))
    return JSONResponse(error_to_arm(phrase.title().replace(" ", ""), message), error.status_code, headers)


def _mistakes_of(error: Exception) -> list[tree.Mistake]:
    if not isinstance(error, RequestValidationError):
        raise error
    return [
        tree.Mistake(".".join(map(str, one["loc"])), repr(one.get("input")), str(one["msg"])) for one in error.errors()
    ]


class UnexpectedErrors:
    """Outermost: an error that nobody foresaw is logged with its stack, and answered with an id to find it by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; ASGI."""
        has_begun = False

        async def watch(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as exc:
            correlation = secrets.token_hex(8)
            fields = {"correlation_id": correlation, "method": scope.get("method"), "path": scope.get("path")}
            log.error("unexpected error", extra=fields, exc_info=exc)
            if scope["type"] != "http" or has_begun:
                raise
            await _unexpected(correlation)(scope, receive, send)


def _unexpected(correlation: str) -> Response:
    message = f"Something unexpected happened in the server. Its log tells more under the correlation id {correlation}."
    return JSONResponse(error_to_arm("InternalError", message), 500, {"x-ms-correlation-request-id": correlation})
