"""The error envelope of every answer that is not a success."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchyard.domain.errors import Mistake


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One line of an error's details. target: dotted path of the field, "" for the whole."""

    code: str
    message: str
    target: str


def error_to_arm(code: str, message: str, mistakes: Iterable[Mistake] = ()) -> dict[str, object]:
    """Give `{"error": {code, message, details}}` with one detail for each mistake."""
    details = [{"code": "InvalidField", "message": str(m), "target": m.field} for m in mistakes]
    return {"error": {"code": code, "message": message, "details": details}}


def error_from_arm(body: object) -> tuple[str, str, tuple[ErrorDetail, ...]]:
    """Read an error answer back: (code, message, details); an unreadable body gives ("", "", ())."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", "", ()
    details = error.get("details")
    lines = details if isinstance(details, list) else []
    return _text(error, "code"), _text(error, "message"), tuple(_detail(d) for d in lines if isinstance(d, Mapping))


def _detail(line: Mapping[str, object]) -> ErrorDetail:
    return ErrorDetail(_text(line, "code"), _text(line, "message"), _text(line, "target"))


def _text(of: Mapping[str, object], key: str) -> str:
    value = of.get(key)
    return value if isinstance(value, str) else ""
