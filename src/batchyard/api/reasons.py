"""Why somebody changes something: two headers that go into the audit row of the change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from batchyard.api.rooms import header_text


@dataclass(frozen=True, slots=True)
class Reasons:
    """reason: a sentence; ticket: where it was decided. "" where the caller gave none."""

    reason: str
    ticket: str


async def _reasons(request: Request) -> Reasons:
    return Reasons(header_text(request, "x-batchyard-reason"), header_text(request, "x-batchyard-ticket"))


ReasonsIn = Annotated[Reasons, Depends(_reasons)]
