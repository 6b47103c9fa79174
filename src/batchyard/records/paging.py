"""Page tokens: the position of the last item given, so that what changes between two pages shifts nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from batchyard.domain.errors import InvalidInput, Mistake

Position = Sequence[str | int]


def make_token(position: Position) -> str:
    """Give an opaque token, safe in a URL."""
    return base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")


def read_token(token: str, *shape: type) -> list[str | int]:
    """Give the position in a token of ours; shape: the types of its parts. Raises: InvalidInput for any other text."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if not isinstance(position, list) or [type(part) for part in position] != list(shape):
        mistake = Mistake("token", repr(token), "a token given with a page of this list", "Start with the first page.")
        raise InvalidInput("List", [mistake])
    if any(isinstance(part, int) and abs(part) >= 1 << 63 for part in position):
        raise InvalidInput("List", [Mistake("token", repr(token), "a token given with a page of this list")])
    return position
