"""Metadata of blobs: `x-ms-meta-` headers of a request, given back with HEAD and GET."""

from __future__ import annotations

from collections.abc import Iterable

from batchyard.domain.errors import InvalidInput, Mistake

NOTE_PREFIX = "x-ms-meta-"
_MOST_BYTES = 8192


def notes_of(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give the notes in a request's headers. Raises: InvalidInput when they are more than storage takes."""
    names = ((name.lower(), value) for name, value in headers)
    notes = {name.removeprefix(NOTE_PREFIX): value for name, value in names if name.startswith(NOTE_PREFIX)}
    size = sum(len(name) + len(value) for name, value in notes.items())
    if size > _MOST_BYTES:
        found = f"{size} bytes"
        raise InvalidInput("blob", [Mistake(f"headers {NOTE_PREFIX}*", found, f"at most {_MOST_BYTES} bytes in all")])
    return notes
