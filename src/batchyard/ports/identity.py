"""Who is at the door."""

from __future__ import annotations

from typing import Protocol

from batchyard.domain.access import AccessToken, Caller


class Identity(Protocol):
    """Knows callers by what they present."""

    def authenticate(self, token: str, *, now: float) -> Caller:
        """Give the caller of a bearer token. Compares in constant time. Raises: Unauthenticated, old ones too."""

    def managed_identity_token(self, header: str, audience: str, *, now: float) -> AccessToken:
        """Issue a token for one audience and one hour to whoever knows the secret header of the home.

        Compares in constant time. Raises: Unauthenticated; CallerError for an unknown audience.
        """

    def client_secret_token(self, secret: str, audience: str, *, now: float) -> AccessToken:
        """Issue such a token to whoever knows the server's token.

        Compares in constant time. Raises: Unauthenticated; CallerError for an unknown audience.
        """

    def sign_url(self, path: str, *, expires_at: float, permission: str, is_folder: bool = False) -> str:
        """Give the query string that lets its bearer use one blob, or all below a folder or container, until then.

        permission: "r" or "w", which reads too.
        """

    def check_url(self, path: str, query: str, *, now: float, permission: str) -> None:
        """Let a signed path, or anything below a signed folder, pass. Raises: Unauthenticated."""
