"""Text of others made safe to print: signs that steer a terminal are shown as escapes instead of being obeyed."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Colours do no harm and mean nothing in a message; they are left out.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# All controls but tab and line feed, and what turns the direction of writing.
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Give text that a terminal only shows. Lines and tabs stay; `\\x1b[2J` is shown as these very letters."""
    return _STEERS.sub(lambda found: _escape(found[0]), _COLOUR.sub("", text))


def visible_result(value: object) -> object:
    """Give a command's result, JSON values, with all text in it visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return type(value)((visible(str(key)), visible_result(item)) for key, item in value.items())  # type: ignore[call-arg]  # dict or OrderedDict
    return [visible_result(item) for item in value] if isinstance(value, list) else value


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
