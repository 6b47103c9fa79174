"""Random requests for every operation: schemathesis makes what its schema allows and forbids; the odd ones are ours."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import quote, unquote

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from batchyard.domain.resource_ids import DEFAULT_SCOPE
from tests.unit.api.bench import BASE

from .exploring import Raw, Seen

_WORKSPACE = {
    "subscription": DEFAULT_SCOPE.subscription,
    "resource_group": DEFAULT_SCOPE.resource_group,
    "workspace": DEFAULT_SCOPE.workspace,
}
# Names that exist, so that what lies behind a 404 is reached.
_KNOWN = ("digits", "blue", "net", "src", "env", "cpu", "1", "nightly", "workspaceblobstore", "job-1")
_ODD_PIECES = (
    *("..", ".", "%2e%2e", "%00", "%2f", "%5c", "%c0%af", "%ff", "%", "%zz", "%u002e", "%F0%9F%92%A9", "%ED%A0%80"),
    *("", "~", "a" * 300, "9" * 400, "-1", "%0a", "%0d%0a", "%7F", ";", "@latest", "%252f", "%25", "$", "%20", "."),
)
_HUGE = "9" * 4400
_ODD_BODIES = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"NaN",
    b"{",
    b"\xff\xfe{",
    b"\x00",
    b'{"properties":null}',
    b'{"properties":[]}',
    b'{"properties":{"properties":{"properties":1}}}',
    b'{"properties":' * 3000 + b"1" + b"}" * 3000,
    b"[" * 100_000,
    b'{"properties":{"miniBatchSize":%s}}' % _HUGE.encode(),
    b'{"properties":{"scaleSettings":{"maxNodeCount":-1e308}},"tags":{"a":"\\ud800"}}',
    b'{"tags":{"a":"\\u0000"},"properties":{"description":"\\u0000"}}',
    b'{"properties":{"description":"' + b"x" * 70_000 + b'"}}',
    b"grant_type=client_credentials&grant_type=2&client_secret=%00&scope=%ff",
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><BlockList><Latest>&b;</Latest></BlockList>',
)
_ODD_TYPES = (b"application/json", b"text/plain", b"application/xml", b"multipart/form-data; boundary=x", b"\xff", b"")
_ODD_QUERY_NAMES = (
    *("$top", "$skipToken", "count", "listViewType", "api-version", "status", "endpoint", "revision", "force", "hash"),
    *("comp", "restype", "prefix", "marker", "maxresults", "include", "delimiter", "blockid", "sig", "se", "resource"),
    *("item", "itemPercentEncoded", "isDefault", "$orderBy"),
)
_ODD_HEADERS = (
    *(b"if-match", b"if-none-match", b"if-modified-since", b"range", b"x-ms-range", b"content-md5", b"x-ms-blob-type"),
    *(b"x-batchyard-reason", b"azureml-model-deployment", b"repeatability_request-id", b"x-ms-meta-a", b"accept"),
    *(b"content-length", b"x-identity-header", b"x-forwarded-for", b"content-encoding", b"expect"),
)
_ODD_VALUES = (
    *("", "0", "-1", "9" * 400, "%00", "%ff", "a" * 3000, "null", "true", "ActiveOnly", "list", "block", "metadata"),
    *("blocklist", "bytes=0-", "bytes=-0", "bytes=9-1", "%F0%9F%92%A9", "'", '"', "*", "W/", "%zz", "MQ==", "Sun, 99"),
)


def send_random_requests(seen: Seen, raw: Raw, *, examples: int, seed: int) -> None:
    """Send so many requests of each sort to each operation, the same for the same seed."""
    _send_odd(seen, raw, examples=examples, seeded=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(seen.document)
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _send_generated(operation, mode, raw, examples=examples, seeded=seed)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _send_generated(operation: Any, mode: GenerationMode, raw: Raw, *, examples: int, seeded: int) -> None:
    strategy = operation.as_strategy(generation_mode=mode)

    @seed(seeded)
    @_settings(examples)
    @given(strategy, st.booleans(), st.sampled_from(_KNOWN), st.sampled_from(_KNOWN))
    def run(case: Any, is_known: bool, first: str, second: str) -> None:  # Any: schemathesis tells no narrower type
        known = {} if operation.path.endswith("/{workspace}") and not is_known else dict(_WORKSPACE)
        if is_known:
            names = [name for name in case.path_parameters or {} if name not in _WORKSPACE and name != "rest"]
            known |= dict(zip(names, (first, second), strict=False))
        path = operation.path
        for name, value in {**(case.path_parameters or {}), **known}.items():
            path = path.replace("{" + name + "}", value if "%" in str(value) else quote(str(value), safe=""))
        prepared = _prepared(case, path)
        if prepared is None:
            return
        headers = [(k.lower().encode("latin-1"), _latin(v)) for k, v in prepared.headers.items()]
        body = prepared.body or b""
        raw.send(
            case.method.upper(),
            (prepared.url or BASE).removeprefix(BASE),
            body if isinstance(body, bytes) else str(body).encode(),
            [(k, v) for k, v in headers if k not in (b"host", b"authorization")],
        )

    try:
        run()
    except Exception as exc:
        if type(exc).__name__ != "Unsatisfiable":
            raise


def _prepared(case: Any, path: str) -> requests.PreparedRequest | None:  # Any: schemathesis tells no narrower type
    kwargs = case.as_transport_kwargs(base_url=BASE)
    wanted = {k: v for k, v in kwargs.items() if k in ("method", "headers", "params", "json", "data", "files")}
    try:
        return requests.Request(url=BASE + path, **wanted).prepare()
    except (ValueError, requests.RequestException):
        # What its library refuses to send.
        return None


def _latin(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def _send_odd(seen: Seen, raw: Raw, *, examples: int, seeded: int) -> None:
    operations = [(method, path) for method, path, _one in seen.operations()]
    pieces = st.one_of(st.sampled_from(_KNOWN), st.sampled_from(_ODD_PIECES), st.text(max_size=8).map(quote))
    values = st.one_of(st.sampled_from(_ODD_VALUES), st.text(max_size=8).map(quote))
    queries = st.lists(st.tuples(st.sampled_from(_ODD_QUERY_NAMES), values), max_size=3)
    headers = st.lists(st.tuples(st.sampled_from(_ODD_HEADERS), values), max_size=3)

    @seed(seeded)
    @_settings(examples * len(operations))
    @given(
        st.sampled_from(operations),
        st.lists(pieces, min_size=8, max_size=8),
        queries,
        headers,
        st.one_of(st.sampled_from(_ODD_BODIES), st.binary(max_size=40)),
        st.sampled_from(_ODD_TYPES),
        st.integers(0, 30),
    )
    def run(
        operation: tuple[str, str],
        names: list[str],
        query: list[tuple[str, str]],
        given_headers: list[tuple[bytes, str]],
        body: bytes,
        kind: bytes,
        odd_method: int,
    ) -> None:
        method, path = operation
        for name, value in _WORKSPACE.items():
            path = path.replace("{" + name + "}", value)
        for name in names:
            path = path[: path.index("{")] + name + path[path.index("}") + 1 :] if "{" in path else path
        target = path + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else "")
        sent = [(k, unquote(v, "latin-1").encode("latin-1", "replace")) for k, v in given_headers]
        raw.send(method if odd_method else "PATCH", target, body, [*sent, (b"content-type", kind)])

    run()
