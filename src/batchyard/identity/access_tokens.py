"""Tokens for Azure's own clients: JWTs that this home signs and nobody else, each for one audience and one hour."""

from __future__ import annotations

import secrets
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from batchyard.domain.access import AccessToken
from batchyard.domain.errors import CallerError, Unauthenticated
from batchyard.identity.owner_files import create_once

KEY_FILE = "access-tokens.key"
VALID_S = 3600

# Azure: what its SDK asks tokens for (management: ARM and history; ml: invoke and list-jobs; storage: blobs).
AUDIENCES = ("https://management.azure.com", "https://ml.azure.com", "https://storage.azure.com")

_ALGORITHM = "EdDSA"
_ISSUER = "batchyard"
_CLAIMS = ("aud", "exp", "iat", "iss", "sub")
_REFUSED = "The token is not one of this server, or has expired. Ask for a new one."


class AccessTokens:
    """Signs and verifies with one Ed25519 key, made at the first use of the home and kept in it."""

    def __init__(self, home: Path) -> None:
        key = serialization.load_pem_private_key(create_once(home / KEY_FILE, _new_key), password=None)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise ValueError(f"{KEY_FILE} holds no Ed25519 key")
        self._key = key
        self._public_key = key.public_key()

    def issue(self, audience: str, *, subject: str, now: float) -> AccessToken:
        """Give a token for one of `AUDIENCES`; a '/' at its end is kept as it was asked for.

        Raises: CallerError for another audience, naming the known ones.
        """
        if audience.rstrip("/") not in AUDIENCES:
            raise CallerError(f"No tokens are issued for {audience!r}; known: {', '.join(AUDIENCES)}.")
        expires_at = int(now) + VALID_S
        claims = {
            "iss": _ISSUER,
            "sub": subject,
            "aud": audience,
            # Azure: the SDK adds the tenant to links to the studio.
            "tid": "local",
            "iat": int(now),
            "exp": expires_at,
            "jti": secrets.token_hex(8),
        }
        return AccessToken(jwt.encode(claims, self._key, algorithm=_ALGORITHM), expires_at)

    def verify(self, token: str, *, now: float) -> None:
        """Pass for a token that this home issued and that has not expired. Raises: Unauthenticated."""
        accepted = [*AUDIENCES, *(f"{audience}/" for audience in AUDIENCES)]
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                # The one algorithm; what a token's own header claims (`none` above all) never decides.
                algorithms=[_ALGORITHM],
                audience=accepted,
                issuer=_ISSUER,
                # The times are judged below, by the caller's clock.
                options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError as exc:
            raise Unauthenticated(_REFUSED) from exc
        if not isinstance(claims["exp"], int) or now >= claims["exp"]:
            raise Unauthenticated(_REFUSED)


def _new_key() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
