"""Pages: what a request asks of a list, and the absolute link to the next page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from batchyard.api.rooms import base_url
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.wire.envelopes import page_to_arm

_TOKEN = "$skiptoken"
# The pager of the SDK puts its own api-version on each link it follows.
_LEFT_OUT = {_TOKEN, "api-version"}
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page is asked for. limit: 1 to 1000. token: opaque, from the link of the page before."""

    limit: int
    token: str | None


async def _wanted(request: Request) -> Wanted:
    given = {name.lower(): value for name, value in request.query_params.items()}
    # Azure: `count` is what its datastores take for `$top`.
    text = given.get("$top") or given.get("count") or str(_MOST)
    if not (text.isascii() and text.isdecimal() and int(text[:9]) >= 1 and len(text) <= 9):
        raise InvalidInput("list", [Mistake("$top", repr(text), f"a number from 1 to {_MOST}")])
    return Wanted(min(int(text), _MOST), given.get(_TOKEN) or None)


WantedPage = Annotated[Wanted, Depends(_wanted)]


def page_answer(request: Request, values: Sequence[dict[str, object]], next_token: str | None) -> JSONResponse:
    """Answer with a page and the link to the next one, which repeats the filters of this one."""
    return JSONResponse(page_to_arm(values, None if next_token is None else _next_link(request, next_token)))


def _next_link(request: Request, token: str) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name.lower() not in _LEFT_OUT]
    query = urlencode([*kept, ("$skipToken", token)], safe="$")
    return f"{base_url(request)}{quote(request.scope['path'])}?{query}"
