"""Who knocks: the Host allow-list and the token, checked before any route is looked at."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from batchyard.api.blob.paths import signed_path
from batchyard.api.errors import error_answer, is_blob_path
from batchyard.domain.access import Caller
from batchyard.domain.errors import BatchyardError, CallerError, Unauthenticated, WrongHost
from batchyard.ports.identity import Identity

# Everything that is answered without a token; a test walks all routes and compares. Those that give tokens out check
# a secret of their own.
OPEN_PATHS = frozenset(
    {"/health", "/discovery", "/metadata/endpoints", "/msi/token", "/adfs/.well-known/openid-configuration"}
)
_OPEN_TENANT_PATHS = re.compile(r"/[^/]+/(v2\.0/\.well-known/openid-configuration|oauth2/v2\.0/token)")

_PERMISSIONS = {"GET": "r", "HEAD": "r", "PUT": "w"}
_NO_TOKEN = "This needs a token: send the header 'Authorization: Bearer TOKEN'."


def is_open(path: str) -> bool:
    """Whether a path is answered without a token."""
    return path in OPEN_PATHS or _OPEN_TENANT_PATHS.fullmatch(path) is not None


def is_local(request: Scope) -> bool:
    """Whether a request was sent by a process of this machine. request: its ASGI scope."""
    if "x-forwarded-for" in Headers(scope=request):
        # A proxy in front of us makes strangers look local.
        return False
    client = request.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


class Doorkeeper:
    """Lets a request in with `state.caller` set, or answers it.

    A caller with a signed URL has no roles and `state.is_signed`; only the blob gateway knows what to do with one.
    """

    def __init__(
        self, app: ASGIApp, *, identity: Identity, allowed_hosts: Collection[str], clock: Callable[[], float]
    ) -> None:
        self._app = app
        self._identity = identity
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it; ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There are no web sockets here; closing one unanswered refuses it.
            return
        try:
            self._let_in(scope)
        except BatchyardError as error:
            await error_answer(scope, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _let_in(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        if "\0" in scope["path"]:
            raise CallerError("The path holds a NUL.")
        state = scope.setdefault("state", {})
        state["is_signed"] = False
        if is_open(scope["path"]):
            state["caller"] = Caller("anonymous", frozenset())
            return
        token = _bearer(headers)
        if token is None and is_blob_path(scope["path"]) and b"sig=" in scope["query_string"]:
            self._check_signature(scope)
            state["is_signed"] = True
            state["caller"] = Caller("signed-url", frozenset())
            return
        if token is None:
            raise Unauthenticated(_NO_TOKEN)
        state["caller"] = _as_seen_from(scope, self._identity.authenticate(token, now=self._clock()))

    def _check_host(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._allowed_hosts:
            # A page of another site that had its name point at us ends here (DNS rebinding).
            raise WrongHost(f"This server does not serve the host {', '.join(hosts)!r}.")

    def _check_signature(self, scope: Scope) -> None:
        # No URL is ever signed for anything else, such as deleting.
        permission = _PERMISSIONS.get(scope["method"], "none")
        query = scope["query_string"].decode("latin-1")
        self._identity.check_url(signed_path(scope["raw_path"]), query, now=self._clock(), permission=permission)


def _bearer(headers: Headers) -> str | None:
    given = headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _as_seen_from(scope: Scope, caller: Caller) -> Caller:
    """Take the owner's local rights away from a caller that is not of this machine."""
    return caller if is_local(scope) else replace(caller, is_owner=False)
