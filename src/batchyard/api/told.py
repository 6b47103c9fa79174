"""What a route tells of itself in the OpenAPI document, beyond what its parameters say already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from batchyard.wire.shapes import ArmShape


@dataclass(frozen=True, slots=True)
class Told:
    """statuses: those that this route adds to what all of its kind answer; a success among them replaces the usual.

    query, headers: (name, sentence, JSON schema). body: the shape that reads it, or a schema with its media type.
    answer: the schema of a success by name, `object` for any JSON, media types for what is none, or `nothing`.
    """

    statuses: tuple[int, ...] = ()
    query: tuple[tuple[str, str, dict[str, Any]], ...] = ()  # Any: JSON schemas
    headers: tuple[tuple[str, str, dict[str, Any]], ...] = ()  # Any: JSON schemas
    body: type[ArmShape] | tuple[str, dict[str, Any]] | None = None  # Any: a JSON schema
    answer: str = ""


_KEY = "x-told"

TEXT: dict[str, Any] = {"type": "string"}  # Any: a JSON schema
TRUTH: dict[str, Any] = {"type": "string", "enum": ["true", "false"]}  # Any: a JSON schema
VIEW = ("listViewType", "ActiveOnly, ArchivedOnly or All.", {"type": "string"})


def told(
    *statuses: int,
    query: Sequence[tuple[str, str, dict[str, Any]]] = (),  # Any: JSON schemas
    headers: Sequence[tuple[str, str, dict[str, Any]]] = (),  # Any: JSON schemas
    body: type[ArmShape] | tuple[str, dict[str, Any]] | None = None,  # Any: a JSON schema
    answer: str = "",
) -> dict[str, Any]:  # Any: keyword arguments of FastAPI's decorators
    """Give the keyword arguments that carry it: `@router.put(path, **told(409, body=ComputeBody))`. See `Told`."""
    return {"openapi_extra": {_KEY: Told(statuses, tuple(query), tuple(headers), body, answer)}}


def told_of(extra: dict[str, Any] | None) -> Told:  # Any: FastAPI's `openapi_extra`
    """Give what a route tells, read back from the route."""
    found = (extra or {}).get(_KEY, Told())
    return found if isinstance(found, Told) else Told()
