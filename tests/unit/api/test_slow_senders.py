"""Whoever sends slowly keeps nobody else waiting, and is not waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from batchyard.api.blob.arriving import chunks
from batchyard.domain.errors import CallerError

from .bench import BLOBS, HOST, Bench


def scope(bench: Bench, method: str, path: str) -> dict[str, Any]:
    """Give an ASGI request of the owner."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", HOST.encode()), (b"authorization", f"Bearer {bench.token}".encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8443),
    }


def test_uploads_that_stand_still_leave_the_other_routes_open(bench: Bench) -> None:
    async def run() -> list[int]:
        end = asyncio.Event()
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            await end.wait()
            return {"type": "http.disconnect"}

        async def ignore(_: Any) -> None:
            return None

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        stalled = [
            asyncio.create_task(bench.app(scope(bench, "PUT", f"{BLOBS}/slow/{n}"), receive, ignore)) for n in range(60)
        ]
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(bench.app(scope(bench, "GET", "/health"), receive, send), timeout=5)
        finally:
            end.set()
            await asyncio.gather(*stalled)
        return statuses

    assert asyncio.run(run()) == [200]


def test_a_sender_that_falls_silent_is_given_up() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"first"
        await anyio.sleep_forever()

    async def run() -> None:
        await anyio.to_thread.run_sync(lambda: list(chunks(silent(), silence_s=0.01)))

    with pytest.raises(CallerError, match="silent"):
        anyio.run(run)
