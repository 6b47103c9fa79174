"""The only HTTP of the command line: requests to one server, its errors as exceptions, retries where they are safe.

httpx2 is imported with the first request. No token, signed URL or header value is ever logged.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any  # JSON comes in untyped
from urllib.parse import quote, unquote, urlsplit

from batchyard.cli.failures import ServerError, Unreachable, UsageMistake

if TYPE_CHECKING:
    import httpx2

    from batchyard.domain.resource_ids import Scope
    from batchyard.settings import Settings

log = logging.getLogger("cli.batchyard.rest")

# One parameter of a query; a list is sent as the same name several times.
Param = str | int | list[str]

API_VERSION = "2024-01-01-preview"
# A server whose process was killed is back within a second or two; a caller should not notice.
_PAUSES_S = (0.1, 0.3, 0.8, 1.6, 3.2)
_CONNECT_S, _ANSWER_S = 10.0, 900.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the server is. ca_file: its CA, "" for the machine's own roots.

    reads_in_place: whether it is the embedded server of this very user, who may have local folders read in place.
    """

    url: str
    token: str
    ca_file: str = ""
    reads_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. body: parsed JSON, None when there is none; headers: names in lower case.

    is_unchanged: what was read is all there is, as a change turned out to be none.
    """

    status: int
    body: Any
    headers: Mapping[str, str]
    is_unchanged: bool = False


def is_healthy(connection: Connection) -> bool:
    """Whether the server at this place answers, with a certificate of the CA that is given."""
    import httpx2

    try:
        url = f"{connection.url}/health"
        answer = httpx2.get(url, verify=_trust(connection.ca_file), trust_env=False, timeout=2.0)
    except (httpx2.TransportError, OSError, Unreachable):
        return False
    return answer.status_code == 200


class Server:
    """One server as commands see it; contacted with the first request, not before."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        scope: Scope,
        settings: Settings,
        say: Callable[[str], None],
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        shows_progress: bool = True,
        is_format_asked: bool = False,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self.scope = scope
        #: Which parts of the scope a flag or a default of the user's named: subscription, resource_group, workspace.
        self.named = named
        self.settings = settings
        self.say = say
        self.sleep = sleep
        #: False under `--only-show-errors`.
        self.shows_progress = shows_progress
        #: Whether the user said how the result is to be printed, so that a command with a text of its own gives JSON.
        self.is_format_asked = is_format_asked
        #: What the command ends with although it gave a result, such as a job that was followed and failed.
        self.exit_code = 0
        self._connect = connect
        self._transport = transport
        self._connection: Connection | None = None
        self._client: httpx2.Client | None = None

    @property
    def connection(self) -> Connection:
        """Where the server is; found, and the embedded one started, on first use."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def path(self, *segments: str) -> str:
        """Give the ARM path of something in the workspace, each segment quoted.

        Raises: UsageMistake for a name that would not stay one segment on its way.
        """
        for segment in segments:
            # HTTP clients take `..` back out with the segment before it, quoted or not.
            if segment in ("", ".", "..") or set(segment) & set("/\\"):
                raise UsageMistake(f"{segment!r} cannot be a name: it must not be empty, '.' or '..', or hold a '/'.")
        return "/".join((self.scope.arm_id, *(quote(segment, safe="") for segment in segments)))

    def get(self, path: str, **params: Param) -> Answer:
        """Read one resource. Raises: ServerError, 404 included."""
        return self.request("GET", path, params=params)

    def find(self, path: str, **params: Param) -> Answer | None:
        """Read one resource, or None when there is none."""
        try:
            return self.get(path, **params)
        except ServerError as error:
            if error.status == 404:
                return None
            raise

    def put(self, path: str, body: object, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Write one resource whole; safe to repeat."""
        return self.request("PUT", path, body=body, headers=headers)

    def delete(self, path: str, *, headers: Mapping[str, str] | None = None, **params: str) -> None:
        """Delete one resource; that there was none is said, and no failure: scripts repeat what they delete."""
        answer = self.request("DELETE", path, params=params, headers=headers)
        if answer.status == 204:
            self.say(f"Nothing to delete: {unquote(path.rpartition('/')[2])!r} does not exist.")

    def list_all(self, path: str, *, limit: int | None = None, **params: Param) -> list[dict[str, Any]]:
        """Read a list over all its pages, at most `limit` entries."""
        found: list[dict[str, Any]] = []
        answer = self.get(path, **params)
        while True:
            found += answer.body.get("value") or []
            link = answer.body.get("nextLink")
            if not link or (limit is not None and len(found) >= limit):
                return found if limit is None else found[:limit]
            answer = self.get(link)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content: Callable[[], Iterator[bytes]] | None = None,
        params: Mapping[str, Param] | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool | None = None,
        is_signed: bool = False,
    ) -> Answer:
        """Send one request and read the whole answer.

        path: below the server, or an absolute URL that the server gave. content: makes the raw body anew for each try.
        is_repeatable: whether it may be sent again when the connection broke; by its method when None.
        is_signed: the URL carries its own permission, so that no token is sent.
        Raises: ServerError for 400 and above; Unreachable.
        """
        repeatable = method in ("GET", "HEAD", "PUT") if is_repeatable is None else is_repeatable
        sent = self._headers(path, headers, is_signed=is_signed)

        def once() -> Answer:
            import httpx2

            extra: dict[str, Any] = {"json": body} if body is not None else {}
            if content is not None:
                extra = {"content": content()}
            found = self._http().request(method, self._url(path), params=_query(path, params), headers=sent, **extra)
            _check(found.status_code, found.content, found.headers)
            return Answer(found.status_code, _json(found), httpx2.Headers(found.headers))

        return self._with_retries(once, method, path, is_repeatable=repeatable)

    def read_bytes(
        self, path: str, *, offset: int = 0, last: int | None = None, is_signed: bool = False, block: int = 1 << 20
    ) -> Iterator[bytes]:
        """Stream a body from a byte on, or its last bytes alone; nothing when there is nothing past it.

        Not retried: the caller knows how far it came. Raises: ServerError; Unreachable.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        headers = {"Range": f"bytes=-{last}"} if last else headers
        sent = self._headers(path, headers, is_signed=is_signed)
        url = self._url(path)
        try:
            with self._http().stream("GET", url, headers=sent) as found:
                if found.status_code == 416:
                    return
                if found.status_code >= 400:
                    _check(found.status_code, found.read(), found.headers)
                # A server that ignores ranges sends all: what was had before is skipped.
                skip = offset if found.status_code == 200 else 0
                for piece in found.iter_bytes(block):
                    if skip < len(piece):
                        yield piece[skip:]
                    skip = max(0, skip - len(piece))
        except _broken() as exc:
            raise self._unreachable(exc) from exc

    def _with_retries(self, once: Callable[[], Answer], method: str, path: str, *, is_repeatable: bool) -> Answer:
        import httpx2

        for pause in (*_PAUSES_S, None):
            try:
                answer = once()
            except _broken() as exc:
                # Nothing was sent when the connection itself failed: that may always be tried again.
                if pause is None or not (is_repeatable or isinstance(exc, httpx2.ConnectError)) or _is_hopeless(exc):
                    raise self._unreachable(exc) from exc
                log.debug("%s %s: %s, again in %s s", method, urlsplit(path).path, type(exc).__name__, pause)
                self.sleep(pause)
            else:
                log.debug("%s %s: %s", method, urlsplit(path).path, answer.status)
                return answer
        raise AssertionError("unreachable: the last try returns or raises")

    def _http(self) -> httpx2.Client:
        if self._client is None:
            import httpx2

            for name in ("httpx2", "httpcore2"):
                # They would log whole URLs, signatures included, under --debug.
                logging.getLogger(name).setLevel(logging.WARNING)
            connection = self.connection
            self._client = httpx2.Client(
                verify=_trust(connection.ca_file),
                transport=self._transport,
                timeout=httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S),
                # A proxy of the environment must never see what goes to our own machine.
                trust_env=not connection.reads_in_place,
                headers={"User-Agent": "batchyard-cli"},
            )
        return self._client

    def _url(self, path: str) -> str:
        return path if "://" in path else self.connection.url + path

    def _headers(self, path: str, given: Mapping[str, str] | None, *, is_signed: bool) -> dict[bytes, bytes]:
        # As bytes: HTTP itself knows Latin-1 alone, and a reason may be written in any language.
        headers = {name.encode(): value.encode() for name, value in (given or {}).items()}
        if not is_signed and self._is_ours(path):
            headers[b"Authorization"] = f"Bearer {self.connection.token}".encode()
        return headers

    def _is_ours(self, path: str) -> bool:
        # The token goes to the server it belongs to and nowhere else, whatever URL an answer names.
        return "://" not in path or urlsplit(path)[:2] == urlsplit(self.connection.url)[:2]

    def _unreachable(self, exc: Exception) -> Unreachable:
        connection = self.connection
        if _is_hopeless(exc):
            remedy = "Set BATCHYARD_CA to the file of the server's CA (tls/ca.pem in its home)."
        elif connection.reads_in_place:
            remedy = (
                "The next command starts it again, and jobs go on then; `batchyard server logs` tells what happened, "
                "and `batchyard doctor` checks the rest."
            )
        else:
            remedy = "Check BATCHYARD_URL and that the server runs; unset it to use the embedded server."
        return Unreachable(f"The server at {connection.url} does not answer ({exc or type(exc).__name__}). {remedy}")


def _query(path: str, params: Mapping[str, Param] | None) -> Mapping[str, Param] | None:
    # An absolute URL is the server's own, query included: it is followed as given.
    return (dict(params) if params else None) if "://" in path else {"api-version": API_VERSION, **(params or {})}


def _trust(ca_file: str) -> ssl.SSLContext:
    if ca_file and not os.path.exists(ca_file):
        raise Unreachable(f"The CA file {ca_file!r} does not exist. Set BATCHYARD_CA to the server's CA file.")
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as exc:
        raise Unreachable(f"The CA file {ca_file!r} holds no certificate ({exc.reason}). Set BATCHYARD_CA.") from exc


def _broken() -> tuple[type[Exception], ...]:
    import httpx2

    return (httpx2.TransportError,)


def _is_hopeless(exc: Exception) -> bool:
    """Whether trying again cannot help: the certificate is not from the CA that was given."""
    return "CERTIFICATE_VERIFY_FAILED" in str(exc)


def _json(found: Any) -> Any:
    if not found.content or "json" not in found.headers.get("content-type", ""):
        return found.text if found.content and "xml" in found.headers.get("content-type", "") else None
    return found.json()


def _check(status: int, content: bytes, headers: Mapping[str, str]) -> None:
    if status < 400:
        return
    from batchyard.wire.errors import error_from_arm

    code, message, details = error_from_arm(_parsed(content))
    if not message:
        code = code or headers.get("x-ms-error-code", "") or f"HTTP{status}"
        message = f"The server answered {status} without saying why."
    raise ServerError(status, code, message, [detail.message for detail in details])


def _parsed(content: bytes) -> object:
    import json

    try:
        return json.loads(content)
    except ValueError:
        return None
