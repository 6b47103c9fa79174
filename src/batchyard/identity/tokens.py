"""Who knocks at an embedded server: its owner, by one of the home's secrets; and URLs that let their bearer use one
path for a while."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from batchyard.domain.access import AccessToken, Caller
from batchyard.domain.errors import Unauthenticated
from batchyard.identity.access_tokens import AccessTokens
from batchyard.identity.owner_files import create_once, read_private

TOKEN_FILE = "token"
IDENTITY_HEADER_FILE = "identity-header"
URL_KEY_FILE = "url.key"
# The key before it: what it signed stays good until it expires, or until this file is deleted.
RETIRING_URL_KEY_FILE = "url.key.retiring"

_PERMISSIONS = ("r", "w")
_SIGNED_FIELDS = ("sp", "se", "sr", "sdd", "si")
_REFUSED_URL = "The signed URL is not valid for this path, has been changed, or has expired. Ask for a new one."


class HomeIdentity:
    """Knows one caller: the owner of the home, by the token that only the owner can read, or by a token for Azure's
    clients that was issued for it.

    All secrets are made once, at the first use of the home, and kept in it.
    """

    def __init__(self, home: Path) -> None:
        self._token = create_once(home / TOKEN_FILE, lambda: secrets.token_urlsafe(32).encode()).strip()
        current = create_once(home / URL_KEY_FILE, lambda: secrets.token_hex(32).encode()).strip()
        self._url_key_id = _key_id(current)
        self._url_keys = {self._url_key_id: current, **_retiring(home)}
        self._identity_header = create_once(
            home / IDENTITY_HEADER_FILE, lambda: secrets.token_urlsafe(32).encode()
        ).strip()
        self._access_tokens = AccessTokens(home)
        self._owner = Caller(_user_name(), frozenset({"Owner"}), is_owner=True)

    def authenticate(self, token: str, *, now: float) -> Caller:
        """Give the owner for the home's token, or for one that was issued. Raises: Unauthenticated."""
        if token.count(".") == 2:
            self._access_tokens.verify(token, now=now)
        elif not _is_same(token, self._token):
            raise Unauthenticated("The token is not one of this server. It stands in the file 'token' of its home.")
        return self._owner

    def managed_identity_token(self, header: str, audience: str, *, now: float) -> AccessToken:
        """Issue a token to whoever knows the home's X-IDENTITY-HEADER. Raises: Unauthenticated; CallerError."""
        if not _is_same(header, self._identity_header):
            raise Unauthenticated("The header X-IDENTITY-HEADER is not the one of this home; see `batchyard env`.")
        return self._access_tokens.issue(audience, subject=self._owner.name, now=now)

    def client_secret_token(self, secret: str, audience: str, *, now: float) -> AccessToken:
        """Issue a token for the home's own token, given as a client's secret. Raises: Unauthenticated; CallerError."""
        if not _is_same(secret, self._token):
            raise Unauthenticated("The client secret is not the token of this server.")
        return self._access_tokens.issue(audience, subject=self._owner.name, now=now)

    def sign_url(self, path: str, *, expires_at: float, permission: str, is_folder: bool = False) -> str:
        """Give the query string that lets its bearer use one blob, or all below a folder or container, until then.

        path: decoded, '/'-separated. permission: "r" reads; "w" writes, and reads back what was written.
        """
        if permission not in _PERMISSIONS:
            raise ValueError(f"permission is {permission!r}, must be one of {_PERMISSIONS}")
        parts = _parts(path)
        # Azure: only these names outlive the storage SDK, which takes unknown ones out of a URL (sp, se, sr, sdd, si).
        grant = {
            "sp": permission,
            "se": str(int(expires_at)),
            "sr": "d" if is_folder else "b",
            "sdd": str(len(parts)),
            "si": self._url_key_id,
        }
        return urlencode({**grant, "sig": _signature(self._url_keys[self._url_key_id], grant, parts)})

    def check_url(self, path: str, query: str, *, now: float, permission: str) -> None:
        """Let a signed path, or anything below a signed folder, pass. Raises: Unauthenticated."""
        fields = parse_qs(query, keep_blank_values=True)
        grant = {name: _single(fields, name) for name in _SIGNED_FIELDS}
        depth, expiry, parts = grant["sdd"], grant["se"], _parts(path)
        key = self._url_keys.get(grant["si"])
        if key is None or not _is_number(depth, digits=4) or not _is_number(expiry, digits=12):
            raise Unauthenticated(_REFUSED_URL)
        covers = int(depth) == len(parts) if grant["sr"] == "b" else 0 < int(depth) <= len(parts)
        # `..` below a signed folder would leave it; the datastore refuses it too, but nothing may rest on that.
        covers = covers and not {".", ".."} & set(parts)
        expected = _signature(key, grant, parts[: int(depth)])
        is_ours = hmac.compare_digest(_single(fields, "sig").encode(errors="surrogateescape"), expected.encode())
        is_granted = grant["sp"] in _PERMISSIONS and permission in (grant["sp"], "r")
        if not (is_ours and covers and is_granted and now < int(expiry)):
            raise Unauthenticated(_REFUSED_URL)


def _signature(key: bytes, grant: Mapping[str, str], parts: list[str]) -> str:
    # Neither a field nor a path part ever holds a NUL, so no two different grants give the same text.
    text = "\0".join((*(grant[name] for name in _SIGNED_FIELDS), *parts))
    return hmac.new(key, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"batchyard url key " + key).hexdigest()[:16]


def _retiring(home: Path) -> dict[str, bytes]:
    try:
        key = read_private(home / RETIRING_URL_KEY_FILE).strip()
    except FileNotFoundError:
        return {}
    return {_key_id(key): key}


def _is_number(text: str, *, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


def _is_same(given: str, secret: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _single(fields: dict[str, list[str]], name: str) -> str:
    values = fields.get(name, [])
    return values[0] if len(values) == 1 else ""


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # Containers often run under a number that has no entry.
        return f"uid-{os.getuid()}"
