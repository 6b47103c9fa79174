"""Bodies of uploads as they arrive: read from a worker thread, few at a time, and never waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import anyio
from anyio import from_thread
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from batchyard.domain.errors import CallerError

# Of the 40 threads that all routes share; a sender that stands still must not take the last one.
MOST_AT_ONCE = 24
SILENCE_S = 60.0


async def in_turn(request: Request, receive: Callable[[], Response]) -> Response:
    """Run what receives a body in a thread, when it is its turn among the uploads."""
    turns: asyncio.Semaphore = request.app.state.uploads
    async with turns:
        return await run_in_threadpool(receive)


def chunks(stream: AsyncIterator[bytes], *, silence_s: float = SILENCE_S) -> Iterator[bytes]:
    """Give a body piece by piece; called in a worker thread, where waiting holds up nobody.

    Raises: CallerError when nothing arrives for `silence_s`.
    """

    async def following() -> bytes | None:
        with anyio.fail_after(silence_s):
            return await anext(stream, None)

    while True:
        try:
            chunk = from_thread.run(following)
        except TimeoutError as exc:
            raise CallerError(f"The sender was silent for {silence_s:g} s in the middle of the body.") from exc
        if chunk is None:
            return
        yield chunk
