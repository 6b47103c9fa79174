"""Reading answers of the server: values at a path of nested objects, and sorted output."""

from __future__ import annotations

from collections.abc import Mapping


def at(document: object, *path: str) -> object:
    """Give the value at a path, None where any part of it is missing."""
    for part in path:
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def text_at(document: object, *path: str) -> str:
    """Give the text at a path, "" where there is none."""
    value = at(document, *path)
    return value if isinstance(value, str) else ""


def mapping_at(document: object, *path: str) -> dict[str, object]:
    """Give a copy of the mapping at a path, empty where there is none."""
    value = at(document, *path)
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def rows_at(document: object, *path: str) -> list[dict[str, object]]:
    """Give copies of the mappings in the list at a path, none where there is no list."""
    value = at(document, *path)
    return [mapping_at(row) for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def without_empty(document: Mapping[str, object]) -> dict[str, object]:
    """Leave out what says nothing: None, "", and empty mappings."""
    return {key: value for key, value in document.items() if value is not None and value != "" and value != {}}


def sorted_keys(document: Mapping[str, object]) -> dict[str, object]:
    """Give the document with the keys of every mapping in it sorted."""
    return {key: _sorted(document[key]) for key in sorted(document)}


def patched(arm: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """Merge a patch into a resource as RFC 7386 says, with keys of either case; null removes."""
    merged = dict(arm)
    spelling = {key.lower(): key for key in merged}
    for given, value in patch.items():
        key = spelling.get(given.lower(), given)
        before = merged.get(key)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = patched(mapping_at(before), value) if isinstance(value, Mapping) else value
    return merged


def creation_context(arm: Mapping[str, object]) -> dict[str, object]:
    """Give systemData as the command line prints it."""
    names = {
        "created_at": "createdAt",
        "created_by": "createdBy",
        "created_by_type": "createdByType",
        "last_modified_at": "lastModifiedAt",
        "last_modified_by": "lastModifiedBy",
    }
    return {name: at(arm, "systemData", key) for name, key in names.items()}


def _sorted(value: object) -> object:
    if isinstance(value, Mapping):
        return sorted_keys({str(key): item for key, item in value.items()})
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value
