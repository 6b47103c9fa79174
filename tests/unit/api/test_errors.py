"""From errors to answers."""

from __future__ import annotations

import json
import logging

import pytest

from batchyard.api.bodies import LONGEST_BODY_BYTES
from batchyard.api.errors import STATUS, status_of
from batchyard.domain import errors as tree
from batchyard.domain.errors import BatchyardError

from .bench import BLOBS, WS, Bench


def all_errors(kind: type[BatchyardError] = BatchyardError) -> list[type[BatchyardError]]:
    return [kind, *(deeper for below in kind.__subclasses__() for deeper in all_errors(below))]


def test_every_class_of_the_error_tree_has_a_status() -> None:
    of_the_tree = {kind for kind in all_errors() if kind.__module__ == tree.__name__}

    assert of_the_tree == set(STATUS)
    assert len(of_the_tree) >= 12


def test_an_error_of_another_module_takes_the_status_of_the_nearest_class_above() -> None:
    class SpecialConflict(tree.Conflict):
        """A conflict of some adapter."""

    assert status_of(SpecialConflict("x")) == 409


def test_no_user_error_is_a_server_error() -> None:
    assert {STATUS[kind] // 100 for kind in STATUS if issubclass(kind, tree.CallerError)} == {4}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "array"),
        (b'"x"', "string"),
        (b"NaN", "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": "\\ud800"}', "UTF-8"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_a_sentence(bench: Bench, body: bytes, words: str) -> None:
    answer = bench.client.put(f"{WS}/computes/cpu", content=body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_a_text_that_only_spells_a_nul_is_none(bench: Bench) -> None:
    body = b'{"properties": {"trigger": {"x": "[^\\\\u0000]"}, "action": {"y": 1}}}'
    assert body.count(b"\\") == 2

    assert bench.client.put(f"{WS}/schedules/s", content=body).status_code == 201


def test_a_body_that_is_too_long_is_refused(bench: Bench) -> None:
    body = json.dumps({"a": "x" * LONGEST_BODY_BYTES}).encode()

    answer = bench.client.put(f"{WS}/computes/cpu", content=body)

    assert answer.status_code == 413
    assert "longer than" in answer.json()["error"]["message"]


def test_all_mistakes_of_a_body_are_told_at_once(bench: Bench) -> None:
    scale = {"minNodeCount": -1, "maxNodeCount": 0}
    body = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "s", "scaleSettings": scale}}}

    error = bench.client.put(f"{WS}/computes/1", json=body).json()["error"]

    assert error["code"] == "ValidationError"
    assert len(error["details"]) == 3
    assert all(detail["message"] and detail["code"] for detail in error["details"])


def test_a_missing_thing_is_told_with_near_names(bench: Bench) -> None:
    bench.compute("cpu-cluster")

    answer = bench.client.get(f"{WS}/computes/cpu-clustr")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"
    assert "'cpu-cluster'" in answer.json()["error"]["message"]


def test_a_missing_route_and_a_wrong_method_get_the_envelope(bench: Bench) -> None:
    missing = bench.client.get("/nothing")
    wrong = bench.client.patch(f"{WS}/computes/cpu")

    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NotFound")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "MethodNotAllowed")


def test_blob_errors_speak_as_storage_does(bench: Bench) -> None:
    answer = bench.client.get(f"{BLOBS}/missing<&>.txt", headers={"Accept": "application/xml"})

    assert answer.status_code == 404
    assert answer.headers["x-ms-error-code"] == "BlobNotFound"
    assert "<Code>BlobNotFound</Code>" in answer.text
    assert "&lt;&amp;&gt;" in answer.text


def test_blob_errors_are_the_usual_envelope_for_whoever_wants_no_xml(bench: Bench) -> None:
    answer = bench.client.get(f"{BLOBS}/caf%E9")

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    assert "caf" in answer.json()["error"]["message"]


def test_an_unexpected_error_is_logged_with_its_stack_and_told_without(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    shared = list(bench.app.router.routes)  # By the applications of all tests.

    @bench.app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    try:
        with caplog.at_level(logging.ERROR):
            answer = bench.client.get("/broken")
    finally:
        bench.app.router.routes[:] = shared

    assert answer.status_code == 500
    error = answer.json()["error"]
    assert "hunter2" not in answer.text
    record = next(record for record in caplog.records if record.message == "unexpected error")
    assert record.__dict__["correlation_id"] in error["message"]
    assert record.exc_info is not None


def test_a_platform_error_is_answered_as_ours(bench: Bench) -> None:
    (bench.home / "batchyard.db").unlink()

    answer = bench.client.get(f"{WS}/computes")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "PlatformError"
