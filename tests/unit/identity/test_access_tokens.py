"""Tokens for Azure's clients: what is issued, and everything that is not one of ours."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from batchyard.domain.errors import CallerError, Unauthenticated
from batchyard.identity.access_tokens import AUDIENCES, KEY_FILE, VALID_S, AccessTokens
from batchyard.identity.tokens import HomeIdentity

NOW = 1_800_000_000.0
ML = "https://ml.azure.com"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


def key_of(home: Path) -> Any:
    return load_pem_private_key((home / KEY_FILE).read_bytes(), password=None)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(NOW)
    good = {"iss": "batchyard", "sub": "me", "aud": ML, "iat": now, "exp": now + 60}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


@pytest.mark.parametrize("audience", [*AUDIENCES, "https://management.azure.com/"])
def test_a_token_for_each_audience_is_accepted_and_says_whose_it_is(home: Path, audience: str) -> None:
    tokens = AccessTokens(home)

    issued = tokens.issue(audience, subject="me", now=NOW)

    tokens.verify(issued.text, now=NOW)
    said = jwt.decode(issued.text, options={"verify_signature": False})
    assert (said["aud"], said["sub"], said["exp"] - said["iat"]) == (audience, "me", VALID_S)


@pytest.mark.parametrize("audience", ["", "https://graph.microsoft.com", "https://ml.azure.com.evil.example"])
def test_other_audiences_get_no_token(home: Path, audience: str) -> None:
    with pytest.raises(CallerError, match=r"ml\.azure\.com"):
        AccessTokens(home).issue(audience, subject="me", now=NOW)


def test_a_token_outlives_the_process_and_not_its_hour(home: Path) -> None:
    now = NOW
    good = AccessTokens(home).issue(ML, subject="me", now=now)
    old = AccessTokens(home).issue(ML, subject="me", now=now - VALID_S - 1)

    AccessTokens(home).verify(good.text, now=NOW)
    with pytest.raises(Unauthenticated):
        AccessTokens(home).verify(old.text, now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [{"aud": "https://graph.microsoft.com"}, {"iss": "sts.windows.net"}, {"exp": None}, {"sub": None}, {"aud": None}],
)
def test_our_own_signature_under_other_claims_is_refused(home: Path, wrong: dict[str, Any]) -> None:
    tokens = AccessTokens(home)

    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(claims(**wrong), key_of(home), algorithm="EdDSA"), now=NOW)


def test_alg_none_is_refused(home: Path) -> None:
    tokens = AccessTokens(home)
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims())]
    unsigned = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    for text in (f"{unsigned}.", f"{unsigned}.x", jwt.encode(claims(), None, algorithm="none")):
        with pytest.raises(Unauthenticated):
            tokens.verify(text, now=NOW)


def test_the_public_key_is_no_password(home: Path) -> None:
    tokens = AccessTokens(home)
    public = key_of(home).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(claims(), public.hex(), algorithm="HS256"), now=NOW)


def test_another_key_and_a_changed_token_are_refused(home: Path) -> None:
    tokens = AccessTokens(home)
    strange = jwt.encode(claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA")
    head, body, signature = tokens.issue(ML, subject="me", now=NOW).text.split(".")

    for text in (strange, f"{head}.{body[:-2]}.{signature}", f"{head}.{body}.", "..", "a.b.c"):
        with pytest.raises(Unauthenticated):
            tokens.verify(text, now=NOW)


def test_a_token_is_issued_for_the_secret_alone_and_makes_its_bearer_the_owner(home: Path) -> None:
    identity = HomeIdentity(home)
    header, token = ((home / name).read_text() for name in ("identity-header", "token"))

    for issued in (
        identity.managed_identity_token(header, ML, now=NOW),
        identity.client_secret_token(token, ML, now=NOW),
    ):
        assert identity.authenticate(issued.text, now=NOW) == identity.authenticate(token, now=NOW)
    for wrong in ("", token, header + "x"):
        with pytest.raises(Unauthenticated):
            identity.managed_identity_token(wrong, ML, now=NOW)
    for wrong in ("", header, token + "x"):
        with pytest.raises(Unauthenticated):
            identity.client_secret_token(wrong, ML, now=NOW)
