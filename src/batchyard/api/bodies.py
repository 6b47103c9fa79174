"""JSON bodies: read with a limit, refused with a sentence when they are not what every handler may rely on."""

from __future__ import annotations

import json
import re
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from batchyard.api.foreign import refuse_foreign
from batchyard.api.rooms import Rooms
from batchyard.domain.errors import InvalidInput, Mistake

LONGEST_BODY_BYTES = 4 << 20
_DEEPEST = 100
# A text, even one without an end, or a comma with nothing behind it: whatever is read is read once.
_TEXT_OR_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*"?)|,(?=\s*[}\]])', re.DOTALL)

# Written as JSON writes it; two backslashes before it are a text of the user's that spells one.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


async def _json_object(request: Request) -> dict[str, object]:
    return _of_here(request, parse_json_object(await _read(request)))


async def _json_object_or_nothing(request: Request) -> dict[str, object]:
    content = await _read(request)
    return _of_here(request, parse_json_object(content)) if content.strip() else {}


Body = Annotated[dict[str, object], Depends(_json_object)]
OptionalBody = Annotated[dict[str, object], Depends(_json_object_or_nothing)]


def parse_json_object(content: bytes) -> dict[str, object]:
    """Read a JSON object. Raises: InvalidInput for anything else, and for text that no database would keep."""
    try:
        found = _loads(content)
        # `\\ud800` alone is legal JSON and no legal text, 1e999 is no number: they would fail only later.
        written = json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        is_storable = _NUL.search(written) is None
    except (ValueError, RecursionError) as exc:
        raise _refused(f"{_where(exc)}") from exc
    if not is_storable:
        raise _refused("a text with a NUL")
    if _is_deep(found):
        raise _refused("JSON that is nested too deeply")
    if not isinstance(found, dict):
        raise _refused(f"a JSON {_JSON_NAMES[type(found)]}")
    return found


def _is_deep(found: object) -> bool:
    """Say whether a value is nested deeper than all that will be done with it can follow."""
    level = [found]
    for _ in range(_DEEPEST):
        inside = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for ones in inside for one in ones]
        if not level:
            return False
    return True


def _loads(content: bytes) -> object:
    """Read JSON. # Azure: takes a comma behind the last entry, which its REST samples send."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except json.JSONDecodeError:
        text = content.decode()
        lenient = _TEXT_OR_LAST_COMMA.sub(lambda match: match[1] or "", text)
        if lenient == text:
            raise
    return json.loads(lenient, parse_constant=_refuse_constant)


def _of_here(request: Request, body: dict[str, object]) -> dict[str, object]:
    rooms: Rooms = request.state.rooms
    refuse_foreign(body, rooms.workspace)
    return body


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _where(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"text that is not JSON ({exc.msg} in line {exc.lineno}, column {exc.colno})"
    if isinstance(exc, UnicodeError):
        return "text that is not UTF-8"
    return "JSON that is nested too deeply" if isinstance(exc, RecursionError) else f"text that is not JSON ({exc})"


def _refused(found: str) -> InvalidInput:
    return InvalidInput("body", [Mistake("", found, "a JSON object in UTF-8")])


async def _read(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LONGEST_BODY_BYTES:
            raise HTTPException(413, f"The body is longer than {LONGEST_BODY_BYTES} bytes.")
    return bytes(content)
