"""Record what azure-ai-ml sends and what it is answered: its requests go straight into the application of a bench."""

from __future__ import annotations

import getpass
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import requests
from urllib3 import HTTPResponse

from tests.unit.api.bench import BASE, HOST, Bench

from .behind import Engine

PAIRS = Path(__file__).parent / "pairs"

_REQUEST_HEADERS = (
    *("content-type", "if-match", "if-none-match", "content-md5", "x-ms-blob-type", "x-ms-range", "range"),
    *("azureml-model-deployment", "repeatability_request-id", "accept"),
)
_RESPONSE_HEADERS = (
    *("content-type", "location", "azure-asyncoperation", "retry-after", "x-ms-error-code", "content-range", "etag"),
    "x-ms-blob-type",
)
_NOTES = "x-ms-meta-"
_SDK = "azure-ai-ml/"

# What no two recordings have in common. A numbered one is the same wherever its number is.
_WILD = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "{time}"),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "{time}"),
)
_NUMBERED = (
    (re.compile(r"\b(sdd|se|si|sig|sp|sr|sv)=[^&\"\s]+(&(sdd|se|si|sig|sp|sr|sv)=[^&\"\s]+)+"), "signature"),
    (re.compile(r"(?<=\")[0-9a-f]{16}-[0-9a-f]+-[0-9a-f]+(?=\\?\")"), "etag"),
    (re.compile(r"\b(?!0{8})[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "guid"),
    (re.compile(r"\bid-\d+\b"), "id"),
    (re.compile(r"(?<=\")[0-9a-f]{16,40}(?=\\?\")"), "etag"),
)


class Recorder:
    """Gathers pairs in the order in which they are sent, and writes each to a file of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.engine = Engine(bench)
        self.operation = ""
        self._steps: list[tuple[str, dict[str, Any]]] = []  # Any: JSON
        self._numbers: dict[str, str] = {}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Lead every request that the SDK makes here."""

        def send(_self: Any, request: requests.PreparedRequest, **_more: Any) -> requests.Response:  # Any: requests'
            return self._send(request)

        with patch.object(requests.adapters.HTTPAdapter, "send", send):
            yield

    def behind(self, step: str, job: str = "") -> None:
        """Have something done by the engine, and note it, so that a replay has it done at the same place."""
        self.engine.do(step, job)
        self._steps.append((f"engine-{step}", {"engine": step, "job": job}))

    def write(self, folder: Path) -> int:
        """Write all, in place of what was there, and give their number."""
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
        for number, (name, step) in enumerate(self._steps, 1):
            text = self._scrubbed(json.dumps(step, indent=1, ensure_ascii=False))
            (folder / f"{number:03}-{name}.json").write_text(text + "\n")
        return len(self._steps)

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        url, body = str(request.url), _bytes_of(request.body)
        if not url.startswith(BASE):
            raise requests.ConnectionError(f"{url} is not here")
        given_headers = {k.lower(): v if isinstance(v, str) else v.decode() for k, v in request.headers.items()}
        headers = {name: value for name, value in given_headers.items() if name != "host"}
        answer = self.bench.stranger.request(
            str(request.method), url, content=body, headers=headers, follow_redirects=False
        )
        self._steps.append((self.operation, _pair(str(request.method), url, headers, body, answer)))
        if request.method == "PUT" and "/deployments/" in url:
            # The SDK polls from a thread of its own: what it meets must not depend on who is faster.
            self.behind("provision")
        given = requests.Response()
        given.status_code, given.url, given.request = answer.status_code, url, request
        given.headers.update(answer.headers)
        given.reason = answer.reason_phrase
        given.raw = HTTPResponse(
            io.BytesIO(answer.content),
            headers=dict(answer.headers),
            status=answer.status_code,
            preload_content=False,
            request_method=request.method,
        )
        return given

    def _scrubbed(self, text: str) -> str:
        text = text.replace(HOST, "{host}").replace(json.dumps(getpass.getuser()), '"{user}"')
        for pattern, name in _WILD:
            text = pattern.sub(name, text)
        for pattern, kind in _NUMBERED:
            text = pattern.sub(lambda found, kind=kind: self._number(kind, found[0]), text)
        return text

    def _number(self, kind: str, value: str) -> str:
        if value not in self._numbers:
            count = sum(1 for name in self._numbers.values() if name.startswith("{" + kind))
            self._numbers[value] = f"{{{kind}-{count + 1}}}"
        return self._numbers[value]


def _pair(method: str, url: str, headers: dict[str, str], body: bytes, answer: Any) -> dict[str, Any]:  # Any: JSON
    path, _, query = url.removeprefix(BASE).partition("?")
    sent = chosen(headers, _REQUEST_HEADERS)
    if _SDK in headers.get("user-agent", ""):
        sent["user-agent"] = _SDK
    signed = "authorization" not in headers
    return {
        "request": {
            "method": method,
            "path": path,
            "query": query,
            "headers": sent,
            "with_token": not signed,
            "body": readable(body, sent.get("content-type", "")),
        },
        "response": {
            "status": answer.status_code,
            "headers": chosen(dict(answer.headers), _RESPONSE_HEADERS),
            "body": readable(answer.content, answer.headers.get("content-type", "")),
        },
    }


def chosen(headers: dict[str, str], names: tuple[str, ...] = _RESPONSE_HEADERS) -> dict[str, str]:
    """Give the headers that are written down, in small letters."""
    small = {name.lower(): value for name, value in headers.items()}
    return {name: small[name] for name in sorted(small) if name in names or name.startswith(_NOTES)}


def readable(content: bytes, kind: str) -> Any:  # Any: JSON
    """Give a body as JSON where it is some, else as text; None for none."""
    if not content:
        return None
    if "json" in kind:
        return json.loads(content)
    return content.decode()


def _bytes_of(body: Any) -> bytes:  # Any: whatever requests takes
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    return bytes(body.read()) if hasattr(body, "read") else b"".join(body)
