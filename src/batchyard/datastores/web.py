"""Files of the web: https from public addresses, or whatever a setting lists, each up to a size.

Whoever may invoke an endpoint chooses the URL, and this process may reach what that person cannot: machines of the
local network, services of this host. So names are resolved here, every address is looked at, and the connection goes
to the very address that was looked at; each redirect begins anew.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from batchyard.datastores.disk import disk_errors, write_new
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.names import file_name_mistake

if TYPE_CHECKING:
    import httpx2

_REDIRECTS = 5
_TRIES = 3
_PAUSE_S = 1.0
_CONNECT_S, _SILENCE_S = 10.0, 60.0
# What `ipaddress` calls global has local addresses among it: those of old forms, and those that hold an IPv4 address.
_UNICAST, _TUNNEL, _GATEWAY = map(ipaddress.IPv6Network, ("2000::/3", "2002::/16", "64:ff9b::/96"))
_DEFAULT_PORTS = {"https": 443, "http": 80}


class _UnreachedError(Exception):
    """The host is not known, or not now; trying again may help."""


class _RefusedError(Exception):
    """This URL must not or cannot be fetched; trying again would not help."""


@dataclass(frozen=True, slots=True)
class WebFiles:
    """`ports.web.WebInputs`. hosts: `name` or `name:port` that may be http, private and of any size."""

    hosts: frozenset[str]
    largest_bytes: int

    def mistake(self, url: str) -> str | None:
        """Say why a URL will never be fetched, or None; nothing is contacted."""
        try:
            self._check(_split(url))
        except _RefusedError as exc:
            return str(exc)
        return None

    def fetch(self, url: str, folder: Path, *, meanwhile: Callable[[], None]) -> Path:
        """Download a file into a folder under its own name; see `ports.web.WebInputs.fetch`."""
        target = folder / _file_name(url)
        if target.exists():
            return target
        for attempt in range(1, _TRIES + 1):
            try:
                self._download(url, target, meanwhile)
                return target
            except (_RefusedError, ValueError, _no_url()) as exc:
                # Where a server leads with its redirects need not be a URL at all.
                raise _unreadable(url, str(exc)) from exc
            except (_UnreachedError, _transport_errors()) as exc:
                if attempt == _TRIES:
                    raise _unreadable(url, f"{type(exc).__name__}: {exc}") from exc
                time.sleep(_PAUSE_S * attempt)
        raise AssertionError("unreachable: the last try returns or raises")

    def _download(self, url: str, target: Path, meanwhile: Callable[[], None]) -> None:
        unfinished = target.with_name(f".{secrets.token_hex(8)}.unfinished")
        try:
            with disk_errors(f"fetch {_shown(url)}"):
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_new(unfinished, self._content(url, meanwhile))
                os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)

    def _content(self, url: str, meanwhile: Callable[[], None]) -> Iterator[bytes]:
        import httpx2

        timeout = httpx2.Timeout(_SILENCE_S, connect=_CONNECT_S)
        with httpx2.Client(verify=ssl.create_default_context(), trust_env=False, timeout=timeout) as client:
            for _ in range(_REDIRECTS + 1):
                parts = _split(url)
                is_listed = self._check(parts)
                with self._ask(client, parts, is_listed=is_listed) as answer:
                    if answer.is_redirect:
                        url = urljoin(url, answer.headers["location"])
                        continue
                    if answer.status_code != 200:
                        raise _RefusedError(f"its server answers {answer.status_code}")
                    for piece in self._bounded(answer, is_listed=is_listed):
                        meanwhile()
                        yield piece
                    return
        raise _RefusedError(f"it is redirected more than {_REDIRECTS} times")

    def _ask(self, client: httpx2.Client, parts: SplitResult, *, is_listed: bool) -> _Answer:
        address = _address(parts, must_be_public=not is_listed)
        host = f"[{address}]" if ":" in address else address
        path = parts.path or "/"
        url = f"{parts.scheme}://{host}:{_port(parts)}{path}{'?' + parts.query if parts.query else ''}"
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"}
        # The certificate is checked for the name, not for the address that the connection goes to.
        return client.stream("GET", url, headers=headers, extensions={"sni_hostname": parts.hostname})

    def _bounded(self, answer: httpx2.Response, *, is_listed: bool) -> Iterator[bytes]:
        size = 0
        for chunk in answer.iter_raw():  # As it comes: a server that drips bytes must not keep a cancel waiting.
            size += len(chunk)
            if size > self.largest_bytes and not is_listed:
                raise _RefusedError(f"it has more than {self.largest_bytes} bytes (BATCHYARD_WEB_INPUT_MAX_BYTES)")
            yield chunk

    def _check(self, parts: SplitResult) -> bool:
        """Give whether the host is listed. Raises: _RefusedError when it may not be fetched from."""
        if not parts.hostname or parts.username or parts.password:
            raise _RefusedError("it must name a host, and no user")
        if not _is_host(parts.hostname):
            raise _RefusedError("it has no name of a host, in ASCII")
        is_listed = bool(self.hosts & {parts.hostname, f"{parts.hostname}:{_port(parts)}"})
        if parts.scheme != "https" and not is_listed:
            raise _RefusedError("only https is read, unless BATCHYARD_WEB_INPUT_HOSTS lists the host")
        if not is_listed and _is_private_literal(parts.hostname):
            raise _RefusedError(_private(parts.hostname))
        return is_listed


if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    _Answer = AbstractContextManager[httpx2.Response]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises for a port that is none.
    except ValueError as exc:
        raise _RefusedError(f"it is no URL ({exc})") from exc
    if parts.scheme not in _DEFAULT_PORTS:
        raise _RefusedError("it is neither https nor http")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def _address(parts: SplitResult, *, must_be_public: bool) -> str:
    """Resolve the host and give one address. Raises: _RefusedError when any of them is not public; _UnreachedError."""
    try:
        found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    except OSError as exc:
        raise _UnreachedError(f"{parts.hostname}: {exc.strerror}") from exc
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        if must_be_public and not _is_public(address):
            raise _RefusedError(_private(f"{parts.hostname} ({address})"))
    return addresses[0]


def _is_host(text: str) -> bool:
    """Whether a host can be asked for; the resolver raises for an empty or an overlong part."""
    try:
        return text.isascii() and text.isprintable() and bool(text.encode("idna"))
    except UnicodeError:
        return False


def _is_private_literal(host: str) -> bool:
    try:
        return not _is_public(host)
    except ValueError:
        name = host.rstrip(".")
        return name == "localhost" or name.endswith(".localhost")


def _is_public(address: str) -> bool:
    """Say whether an address is one of the public internet, in whatever form. Raises: ValueError for what is none."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        # A gateway (or this kernel) takes such an address to the IPv4 address in it.
        inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF) if found in _GATEWAY else found.ipv4_mapped
        if inner is not None:
            return _is_public(str(inner))
        if found not in _UNICAST or found in _TUNNEL:
            return False
    return found.is_global and not found.is_multicast


def _private(host: str) -> str:
    return f"{host} is not a public address; list the host in BATCHYARD_WEB_INPUT_HOSTS to have it read"


def _file_name(url: str) -> str:
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return name if name and file_name_mistake(name, field="") is None else "input"


def _shown(url: str) -> str:
    # A query may hold somebody's signature.
    return repr(url.partition("?")[0])


def _unreadable(url: str, why: str) -> InvalidInput:
    found = f"{_shown(url)}, which cannot be read: {why}"
    return InvalidInput("The invocation", [Mistake("input", found, "a file of the web that can be read")])


def _no_url() -> type[Exception]:
    import httpx2

    return httpx2.InvalidURL


def _transport_errors() -> type[Exception]:
    import httpx2

    return httpx2.HTTPError
