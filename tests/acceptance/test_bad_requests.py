"""Bad requests: refused with 4xx and every mistake in the envelope, never with 500, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.server_home import WS, ServerHome

# One home and one set-up for the whole file.
pytestmark = pytest.mark.xdist_group("bad-input")

ECHO = "def run(mini_batch):\n    return list(mini_batch)\n"


@dataclass
class Ground:
    """A home with one good deployment, `door/good`, its scoring URI, and a client."""

    home: ServerHome
    client: httpx2.Client
    url: str


@pytest.fixture(scope="module")
def ground(served: ServerHome) -> Iterator[Ground]:
    served.deploy("door", "good", ECHO)
    url = served.json("batch-endpoint", "show", "--name", "door")["scoring_uri"]
    with served.rest() as client:
        yield Ground(served, client, url)


def test_rest_refuses_a_bad_script_of_registered_code_before_making_a_deployment(ground: Ground) -> None:
    good = ground.client.get(f"{WS}/batchEndpoints/door/deployments/good").json()["properties"]
    code = {**good["codeConfiguration"], "scoringScript": "scor.py"}
    body = {"properties": {**good, "codeConfiguration": code}}
    answer = ground.client.put(f"{WS}/batchEndpoints/door/deployments/bad", json=body)
    assert answer.status_code == 400
    assert "'score.py'" in answer.text
    assert ground.client.get(f"{WS}/batchEndpoints/door/deployments/bad").status_code == 404


def test_rest_names_every_mistake_in_details_and_ignores_unknown_keys(ground: Ground) -> None:
    good = ground.client.get(f"{WS}/batchEndpoints/door/deployments/good").json()["properties"]
    extra = {**good, "somethingNew": {"from": "a later api-version"}, "miniBatchSize": 7}
    answer = ground.client.put(f"{WS}/batchEndpoints/door/deployments/newer", json={"kind": "x", "properties": extra})
    assert answer.status_code == 201, answer.text
    bad = {**good, "miniBatchSize": 0, "errorThreshold": -5, "loggingLevel": "Chatty", "compute": "nowhere"}
    answer = ground.client.put(f"{WS}/batchEndpoints/door/deployments/bad", json={"properties": bad})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "ValidationError"
    targets = {detail["target"] for detail in error["details"]}
    assert {"properties.miniBatchSize", "properties.errorThreshold", "properties.loggingLevel"} <= targets
    assert all(detail["code"] and detail["message"] for detail in error["details"])
    assert ground.client.get(f"{WS}/batchEndpoints/door/deployments/bad").status_code == 404


def test_rest_refuses_who_is_not_known_and_what_is_not_asked_of_this_server(ground: Ground) -> None:
    path = f"{WS}/batchEndpoints"
    with ground.home.rest(with_token=False) as stranger:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
            answer = stranger.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"]
    for host in ("evil.example", "evil.example:443", f"localhost.evil.example:{urlsplit(ground.url).port}"):
        assert ground.client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"properties": NaN}', b'{"properties": "\\u0000"}', b"[" * 9999],
    ids=["cut", "array", "null", "text", "not utf-8", "nan", "nul", "deep"],
)
def test_rest_refuses_a_body_that_is_no_json_object(ground: Ground, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for method, path in (("PUT", f"{WS}/batchEndpoints/bodies"), ("POST", ground.url)):
        answer = ground.client.request(method, path, content=content, headers=headers)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "properties",
    [
        {"inputData": 5},
        {"inputData": {"a": []}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": {"x": 1}}}},
        {"inputData": {"a": {"jobInputType": "Literal", "value": "5"}}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "https://example.com/x"}}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "file:///no/such/place"}}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "file://other-host/tmp"}}},
        {"inputData": {"a": {"jobInputType": "UriFolder", "uri": "file:///tmp/%00x"}}},
        {"retrySettings": {"timeout": "five"}, "miniBatchSize": 10**30},
        {"miniBatchSize": 1.5},
        {"miniBatchSize": True},
        [],
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_rest_refuses_an_invocation_of_any_other_shape_with_400(ground: Ground, properties: Any) -> None:
    answer = ground.client.post(ground.url, json={"properties": properties})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"]


def test_rest_refuses_the_home_itself_as_input(ground: Ground) -> None:
    for folder in (ground.home.home, ground.home.home / "tls", ground.home.folder):
        source = {"jobInputType": "UriFolder", "uri": folder.as_uri()}
        answer = ground.client.post(ground.url, json={"properties": {"inputData": {"data": source}}})
        assert answer.status_code == 400, f"{folder}: {answer.text}"


def test_rest_refuses_paths_that_climb(ground: Ground) -> None:
    store = ground.client.get(f"{WS}/datastores/workspaceblobstore").json()["properties"]
    base = f"/blob/{store['accountName']}.blob.core.windows.net/{store['containerName']}"
    token = (ground.home.home / "token").read_text().strip()
    for path in (
        f"{base}/%2e%2e/%2e%2e/token",
        f"{base}/..%2f..%2ftoken",
        f"{base}/x/%2e%2e/%2e%2e/%2e%2e/token",
        f"{base}//token",
        f"{WS}/batchEndpoints/..%2f..%2fjobs",
        f"{WS}/jobs/%2e%2e%2f%2e%2e",
        f"{WS}/models/..%2Fx/versions/1",
    ):
        answer = ground.client.get(path)
        assert 400 <= answer.status_code < 500, f"{path}: {answer.status_code}"
        assert token not in answer.text
    put = ground.client.put(f"{base}/x/%2e%2e/%2e%2e/planted", content=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    assert 400 <= put.status_code < 500
    assert not list(ground.home.folder.rglob("planted"))


def test_a_write_with_an_old_etag_is_refused_with_412_and_changes_nothing(ground: Ground) -> None:
    path = f"{WS}/batchEndpoints/tagged"
    made = ground.client.put(path, json={"properties": {"description": "one"}})
    old = made.headers["etag"]
    body = {"properties": {"description": "two"}}
    new = ground.client.put(path, json=body, headers={"If-Match": old})
    assert new.status_code == 200
    assert new.headers["etag"] != old
    refused = ground.client.put(path, json={"properties": {"description": "three"}}, headers={"If-Match": old})
    assert refused.status_code == 412
    assert refused.json()["error"]["code"] == "PreconditionFailed"
    assert ground.client.delete(path, headers={"If-Match": old}).status_code == 412
    assert ground.client.get(path).json()["properties"]["description"] == "two"
    absent = f"{WS}/batchEndpoints/never-tagged"
    assert ground.client.put(absent, json=body, headers={"If-Match": '"x"'}).status_code == 412
    assert ground.client.delete(path, headers={"If-Match": new.headers["etag"]}).status_code == 200


def test_no_bad_request_has_left_a_stack_in_the_servers_log(ground: Ground) -> None:
    for path in ("/no/such/route", f"{WS}/unknown", f"{WS}/jobs/none", f"{WS}/jobs", f"{WS}/models/x"):
        answer = ground.client.get(path, params={"status": "Odd"})
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["message"]
    assert ground.client.request("PATCH", f"{WS}/computes/cpu", json={}).status_code == 405
    assert "unexpected error" not in (ground.home.home / "logs" / "doors.log").read_text()
