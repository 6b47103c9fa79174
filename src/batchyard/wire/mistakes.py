"""What pydantic found wrong, as mistakes in the words of the document; the only place where its errors are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import ErrorDetails, PydanticCustomError

from batchyard.domain.errors import Mistake, merged, near_names

__all__ = ["dotted", "merged", "mistake_of", "refusal", "renamed", "shown", "unknown_key"]

_LONGEST_FOUND = 80
_CUSTOM = "mistake"
# What pydantic's own types are called in front of people; everything else is checked by validators of ours.
_ALLOWED = {
    "missing": "a value",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


def refusal(allowed: str, remedy: str = "") -> PydanticCustomError:
    """Make the error a validator raises. allowed: what would have been right, as in `Mistake.allowed`."""
    return PydanticCustomError(_CUSTOM, "{allowed}", {"allowed": allowed, "remedy": remedy})


def mistake_of(error: ErrorDetails, *, prefix: str, known: Sequence[str]) -> Mistake:
    """Translate one error. prefix: where the shape stands in the document; known: keys allowed where it happened."""
    field = prefix + dotted(error["loc"])
    context = error.get("ctx", {})
    if error["type"] == _CUSTOM:
        return Mistake(field, shown(error["input"]), str(context["allowed"]), str(context["remedy"]))
    if error["type"] == "extra_forbidden":
        return unknown_key(field, str(error["loc"][-1]), known)
    return Mistake(field, shown(error["input"]), _ALLOWED.get(error["type"], error["msg"]))


def unknown_key(field: str, key: str, known: Sequence[str]) -> Mistake:
    """Say that a key is not known, naming the near ones, or all."""
    near = near_names(key, known, limit=3)
    remedy = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Take it out."
    return Mistake(field, "an unknown key", "one of " + ", ".join(sorted(known)), remedy)


def shown(value: object) -> str:
    """Give a value as messages show it: its repr, cut where it is long."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


def dotted(path: Iterable[str | int]) -> str:
    """Give a path as documents write it: `inputs.data.path`."""
    return ".".join(str(part) for part in path)


def renamed(mistakes: Iterable[Mistake], names: Mapping[str, str]) -> list[Mistake]:
    """Give the mistakes with fields as another dialect names them. names: field, or its first part, to new name."""
    return [Mistake(_renamed(m.field, names), m.found, m.allowed, m.remedy) for m in mistakes]


def _renamed(field: str, names: Mapping[str, str]) -> str:
    for length in range(len(parts := field.split(".")), 0, -1):
        head = ".".join(parts[:length])
        if head in names:
            return ".".join((names[head], *parts[length:]))
    return field
