"""A server in memory at the edge of `rest.py`: documents by path, ETags, blobs, and answers a test wants instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest

from batchyard.cli import main as cli_main
from batchyard.cli.rest import Connection, Server
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.settings import Settings

URL = "https://localhost:8443"
WS = DEFAULT_SCOPE.arm_id
Handler = Callable[[httpx2.Request], httpx2.Response]
Rule = Callable[[httpx2.Request, str], httpx2.Response | None]


@dataclass
class MemoryServer:
    """ARM paths without the workspace -> documents. wanted: (method, path) -> what to answer instead, first come.

    rules: asked before the documents; the first that answers counts.
    """

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    wanted: dict[tuple[str, str], list[Handler]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)
    etags: int = 0

    def put(self, path: str, properties: dict[str, Any], **rest: Any) -> None:
        """Have a document without a request."""
        self.etags += 1
        identity = {"id": f"{WS}/{path}", "name": path.rsplit("/", 1)[-1], "etag": f"e{self.etags}"}
        self.documents[path] = {**identity, "properties": properties, **rest}

    def answer_with(self, method: str, path: str, *handlers: Handler) -> None:
        """Answer the next requests of a kind so, once each."""
        self.wanted.setdefault((method, path), []).extend(handlers)

    def sent(self, method: str) -> list[str]:
        """Give the paths of the requests of a method, without the workspace."""
        return [self._short(r.url.path) for r in self.requests if r.method == method]

    def body(self, method: str, path: str) -> Any:
        """Give the JSON body of the last request of a kind."""
        found = [r for r in self.requests if r.method == method and self._short(r.url.path) == path]
        return json.loads(found[-1].content)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        path = self._short(request.url.path)
        queue = self.wanted.get((request.method, path))
        if queue:
            return queue.pop(0)(request)
        for rule in self.rules:
            if (found := rule(request, path)) is not None:
                return found
        if path.startswith("/blob/"):
            return self._blob(request, path)
        return self._document(request, path)

    def _document(self, request: httpx2.Request, path: str) -> httpx2.Response:
        known = self.documents.get(path)
        if request.method == "PUT":
            match = request.headers.get("if-match")
            if match is not None and (known is None or match != known["etag"]):
                return failure(412, "PreconditionFailed", "It changed since it was read.")
            given = json.loads(request.content)
            properties = {"provisioningState": "Succeeded", **given.get("properties", {})}
            if path.startswith("batchEndpoints/") and "/deployments/" not in path:
                properties["scoringUri"] = f"{URL}/invoke/{path}/jobs"
            self.put(path, properties, tags=given.get("tags") or {})
            return self._answer(path)
        if request.method == "DELETE":
            return httpx2.Response(200 if self.documents.pop(path, None) else 204)
        if known is not None:
            return self._answer(path)
        depth = path.count("/") + 1
        children = [d for p, d in self.documents.items() if p.startswith(f"{path}/") and p.count("/") == depth]
        if children or depth in (1,):
            return httpx2.Response(200, json={"value": children, "nextLink": None})
        return failure(404, "ResourceNotFound", f"The thing {path!r} does not exist.")

    def _answer(self, path: str) -> httpx2.Response:
        found = self.documents[path]
        return httpx2.Response(200, json=found, headers={"ETag": found["etag"]})

    def _blob(self, request: httpx2.Request, path: str) -> httpx2.Response:
        query = request.url.params
        if query.get("comp") == "list":
            return httpx2.Response(200, content=self._listing(path, query["prefix"]), headers=XML)
        if query.get("comp") == "metadata":
            self.marks[path] = request.headers["x-ms-meta-upload_status"]
            return httpx2.Response(200)
        if request.method == "PUT":
            if path in self.blobs and request.headers.get("if-none-match") == "*":
                return failure(409, "BlobAlreadyExists", "It is there.")
            self.blobs[path] = request.content
            return httpx2.Response(201)
        if path not in self.blobs:
            return httpx2.Response(404, headers={"x-ms-error-code": "BlobNotFound"})
        content = self.blobs[path]
        headers = {"x-ms-meta-upload_status": self.marks[path]} if path in self.marks else {}
        if request.method == "HEAD":
            return httpx2.Response(200, headers={**headers, "Content-Length": str(len(content))})
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and start >= len(content):
            return httpx2.Response(416)
        return httpx2.Response(206 if start else 200, content=content[start:])

    def _listing(self, container: str, prefix: str) -> str:
        names = sorted(p.removeprefix(f"{container}/") for p in self.blobs if p.startswith(f"{container}/{prefix}"))
        blob = "<Blob><Name>{}</Name><Properties><Content-Length>{}</Content-Length></Properties></Blob>"
        rows = "".join(blob.format(n, len(self.blobs[f"{container}/{n}"])) for n in names)
        return f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker/></EnumerationResults>"

    @staticmethod
    def _short(path: str) -> str:
        return unquote(path).removeprefix(f"{WS}/")


XML = {"Content-Type": "application/xml"}


def failure(status: int, code: str, message: str, *details: str) -> httpx2.Response:
    """Give an error envelope."""
    lines = [{"code": "InvalidField", "message": text, "target": ""} for text in details]
    return httpx2.Response(status, json={"error": {"code": code, "message": message, "details": lines}})


@dataclass
class Terminal:
    """Runs commands against the server in memory."""

    azure: MemoryServer
    home: Path
    capsys: pytest.CaptureFixture[str]
    reads_in_place: bool = True
    waits: list[float] = field(default_factory=list)
    out: str = ""
    err: str = ""

    def run(self, *args: str) -> int:
        """Run one command and give its exit code; what it printed is in out and err."""
        settings = Settings(home=self.home)
        code = cli_main.run(list(args), settings, open_server=lambda cli: self._server(cli, settings))
        self.out, self.err = self.capsys.readouterr()
        return code

    def json(self, *args: str) -> Any:
        """Run a command that succeeds and give its result."""
        assert self.run(*args) == 0, self.err
        return json.loads(self.out) if self.out else None

    def _server(self, cli: cli_main.BatchyardCLI, settings: Settings) -> Server:
        return Server(
            lambda: Connection(URL, "secret-token", reads_in_place=self.reads_in_place),
            scope=DEFAULT_SCOPE,
            settings=settings,
            say=cli.say,
            transport=httpx2.MockTransport(self.azure.handle),
            sleep=self.waits.append,
            shows_progress=not cli.only_show_errors,
            is_format_asked=cli.is_format_asked,
        )
