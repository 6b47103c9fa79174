"""Metadata of blobs: `x-ms-meta-` headers of a request, given back with HEAD and GET."""

from __future__ import annotations

import re
from collections.abc import Iterable

from batchyard.domain.errors import InvalidInput, Mistake

NOTE_PREFIX = "x-ms-meta-"
_MOST_BYTES = 8192
_NAME = re.compile("[a-z_][a-z0-9_]*", re.ASCII)


def notes_of(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give the notes in a request's headers. Raises: InvalidInput when they are more than storage takes."""
    names = ((name.lower(), value) for name, value in headers)
    notes = {name.removeprefix(NOTE_PREFIX): value for name, value in names if name.startswith(NOTE_PREFIX)}
    # They become names of elements in lists.
    bad = [name for name in notes if _NAME.fullmatch(name) is None]
    if bad:
        allowed = "a name of letters, digits and '_' that does not begin with a digit"
        raise InvalidInput("blob", [Mistake(f"header {NOTE_PREFIX}{name}", repr(name), allowed) for name in bad])
    size = sum(len(name) + len(value) for name, value in notes.items())
    if size > _MOST_BYTES:
        found = f"{size} bytes"
        raise InvalidInput("blob", [Mistake(f"headers {NOTE_PREFIX}*", found, f"at most {_MOST_BYTES} bytes in all")])
    return notes
