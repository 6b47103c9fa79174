"""Domain values as JSON for files of a job: enums by value, mappings as objects, keys sorted."""

from __future__ import annotations

import json
from enum import Enum


def to_json(document: object, *, indent: int | None = 2) -> bytes:
    """Give a document (dicts, lists, results of `dataclasses.asdict`) as UTF-8 JSON with sorted keys and a newline."""
    return (json.dumps(document, indent=indent, sort_keys=True, default=_plain) + "\n").encode()


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return dict(value)  # type: ignore[call-overload]  # the only other kind in our values is a read-only mapping
