"""Whether a text or a value of JSON is of a declared type, and which types hold which: no rows are changed here."""

from __future__ import annotations

import datetime
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHOLE = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_INTEGER = re.compile(r"u?int(?:8|16|32|64)")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?inf(?:inity)?|nan", re.ASCII | re.I)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)?(.*)", re.ASCII)
_OFFSET = re.compile(r"[-+][0-9]{2}:?[0-9]{2}|Z", re.ASCII | re.I)
_LONGEST_SHOWN = 80
# Types of pyarrow, as it writes them, in our words.
_ARROW = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float32",
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "binary_view": "binary",
    "date32[day]": "date",
    "date64[ms]": "date",
}
_ARROW_LIST = re.compile(r"(?:large_)?list<[^:]*: (.*?)(?: not null)?>")
_ARROW_DICTIONARY = re.compile(r"dictionary<values=(.*), indices=.*>")


def fits(text: str, kind: str) -> bool:
    """Whether a text says a value of a type, such as a cell of a CSV file."""
    if kind == "string":
        return True
    text = text.strip()
    if kind == "bool":
        return text.lower() in ("true", "false")
    if _INTEGER.fullmatch(kind):
        return _WHOLE.fullmatch(text) is not None and _in_range(int(text), kind)
    if kind.startswith("float"):
        return _DECIMAL.fullmatch(text) is not None
    if kind == "date":
        return _DATE.fullmatch(text) is not None and _is_day(text)
    return kind.startswith("timestamp") and _is_moment(text, is_utc="UTC" in kind)


def fits_json(value: Any, kind: str) -> bool:  # Any: JSON
    """Whether a value of JSON is of a type; null is of every one."""
    if value is None:
        return True
    if kind.startswith("list<"):
        return isinstance(value, list) and all(fits_json(one, kind[5:-1]) for one in value)
    if kind == "object":
        return isinstance(value, dict)
    if kind == "bool":
        return isinstance(value, bool)
    if _INTEGER.fullmatch(kind):
        return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, kind)
    if kind.startswith("float"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    # A text of base64 is all that JSON has for bytes.
    return isinstance(value, str) and (kind == "binary" or fits(value, kind))


def from_arrow(name: str) -> str:
    """Give the type that pyarrow calls so."""
    inner = _ARROW_DICTIONARY.fullmatch(name)
    if inner:
        return from_arrow(inner[1])
    inner = _ARROW_LIST.fullmatch(name)
    if inner:
        return "list<%s>" % from_arrow(inner[1])
    if name.startswith("timestamp["):
        return "timestamp[us, UTC]" if "tz=" in name else "timestamp[us]"
    return "object" if name.startswith(("struct<", "map<")) else _ARROW.get(name, name)


def shown(value: Any) -> str:  # Any: a value of a script or of JSON
    """Give a value as messages show it: its repr, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _in_range(number: int, kind: str) -> bool:
    least, most = _range(kind)
    return least <= number <= most


def _range(kind: str) -> tuple[int, int]:
    bits = int(kind.lstrip("uint"))
    return (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_moment(text: str, *, is_utc: bool) -> bool:
    found = _MOMENT.fullmatch(text)
    if found is None or bool(_OFFSET.fullmatch(found[3])) != is_utc or (found[3] and not is_utc):
        return False
    try:
        datetime.datetime.fromisoformat("%sT%s" % (found[1], found[2]))
    except ValueError:
        return False
    return True
