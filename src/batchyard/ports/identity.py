"""Who is at the door."""

from __future__ import annotations

from typing import Protocol

from batchyard.domain.access import Caller


class Identity(Protocol):
    """Knows callers by what they present."""

    def authenticate(self, token: str) -> Caller:
        """Give the caller of a bearer token. Compares in constant time. Raises: Unauthenticated."""

    def sign_url(self, path: str, *, expires_at: float, permission: str) -> str:
        """Give the query string that lets its bearer use one path until then. permission: "r" or "w"."""

    def check_url(self, path: str, query: str, *, now: float, permission: str) -> None:
        """Let a signed path (or anything below a signed folder path) pass. Raises: Unauthenticated."""
