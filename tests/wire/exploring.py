"""What the exploration of our OpenAPI document needs: who answered what, and requests as no client would send them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from tests.unit.api.bench import HOST, Bench

Operation = tuple[str, str]
_METHODS = ("get", "put", "post", "delete", "patch", "head")


@dataclass
class Seen:
    """An application that writes down what it answers, by the operations of a document.

    seen: every status of an operation. undocumented, wrong: what the document does not say, with the request.
    failed: every answer from 500 on, whether the document knows the path or not.
    """

    app: FastAPI
    document: dict[str, Any]
    seen: dict[Operation, set[int]] = field(default_factory=dict)
    undocumented: set[tuple[str, str, int]] = field(default_factory=set)
    wrong: dict[Operation, str] = field(default_factory=dict)
    failed: list[tuple[str, bytes, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        paths = self.document["paths"]
        self._templates = [(re.compile(_pattern(path)), path) for path in paths]

    def operations(self) -> Iterable[tuple[str, str, dict[str, Any]]]:
        """Give (method, path, operation) of all."""
        for path, ways in self.document["paths"].items():
            for method, operation in ways.items():
                if method in _METHODS:
                    yield method.upper(), path, operation

    def unseen(self) -> set[tuple[str, str, int]]:
        """Give the documented statuses that nobody has seen."""
        documented = {(m, p, int(s)) for m, p, one in self.operations() for s in one["responses"] if s.isdecimal()}
        return {(m, p, s) for m, p, s in documented if s not in self.seen.get((m, p), set())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and look at the answer; ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer: dict[str, Any] = {"body": b"", "headers": {}}

        async def look(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {k.lower(): v for k, v in message.get("headers", [])}
            else:
                answer["body"] += message.get("body", b"")
            await send(message)

        await self.app(scope, receive, look)
        self._judge(scope, answer)

    def _judge(self, scope: Scope, answer: dict[str, Any]) -> None:
        method, status = scope["method"], answer["status"]
        if status >= 500:
            self.failed.append((method, scope["raw_path"] + b"?" + scope["query_string"], status, answer["body"][:300]))
        path = next((path for pattern, path in self._templates if pattern.fullmatch(scope["path"])), None)
        operation = self.document["paths"].get(path, {}).get(method.lower())
        if path is None or operation is None:
            return
        self.seen.setdefault((method, path), set()).add(status)
        told = operation["responses"].get(str(status))
        if told is None:
            self.undocumented.add((method, path, status))
        elif (mistake := self._mistake(told, answer)) is not None:
            self.wrong.setdefault((method, path), f"{status}: {mistake}")

    def _mistake(self, told: dict[str, Any], answer: dict[str, Any]) -> str | None:
        kind = answer["headers"].get(b"content-type", b"").decode()
        schema = told.get("content", {}).get("application/json", {}).get("schema")
        if "content" in told and schema is None:
            return None if kind in told["content"] else f"{kind!r} instead of one of {sorted(told['content'])}"
        if schema is None or kind.startswith("application/xml"):
            return None
        try:
            jsonschema.validate(json.loads(answer["body"]), {**schema, "components": self.document["components"]})
        except (ValueError, jsonschema.ValidationError) as exc:
            return str(exc)[:300]
        return None


def _pattern(template: str) -> str:
    one_part = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
    return one_part.replace("blob/[^/]+", "blob/(?s:.+)")


class Raw:
    """Requests as they stand, over one event loop."""

    def __init__(self, bench: Bench, app: Seen) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._token = f"Bearer {bench.token}".encode("latin-1")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the loop and its threads."""
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def send(
        self,
        method: str,
        target: str | bytes,
        body: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        host: str = HOST,
        with_token: bool = True,
    ) -> int:
        """Send a request and give the status of its answer. target: path and query, percent-encoded."""
        path, _, query = (target.encode("ascii", "replace") if isinstance(target, str) else target).partition(b"?")
        all_headers = [(b"host", host.encode()), *headers]
        all_headers += [(b"authorization", self._token)] if with_token else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": all_headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8443),
            "state": {},
        }
        return self._loop.run_until_complete(self._answer(scope, body))

    async def _answer(self, scope: Scope, body: bytes) -> int:
        pieces: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        statuses: list[int] = []

        async def receive() -> Message:
            return pieces.pop(0) if pieces else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self._app(scope, receive, send)
        return statuses[0]
