"""What no client of ours sends is refused with a sentence: numbers, names and paths that nothing can hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .bench import BLOBS, INPUT, WS, Bench

HUGE = 10**400
A_STORE = "azureml://datastores/workspaceblobstore/paths"


def scale(**settings: Any) -> dict[str, Any]:
    """Give the properties of a compute."""
    return {"properties": {"computeType": "AmlCompute", "properties": {"scaleSettings": settings}}}


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", *("[" * deep + "]" * deep for deep in (110, 300, 900)), '{"a":' * 300 + "1" + "}" * 300],
)
def test_a_definition_that_no_answer_could_hold_is_refused(bench: Bench, text: str) -> None:
    step = json.dumps(bench.step())[:-1]
    bodies = {
        "schedules/s": f'{{"properties": {{"trigger": {{"x": {text}}}, "action": {{"y": 1}}}}}}',
        "components/c/versions/1": f'{{"properties": {{"componentSpec": {step}, "_x": {text}}}}}}}',
    }
    for path, body in bodies.items():
        assert bench.client.put(f"{WS}/{path}", content=body.encode()).status_code == 400
        kept = bench.client.put(f"{WS}/{path}", content=body.replace(text, "[" * 50 + "]" * 50).encode())
        assert (kept.status_code, bench.client.get(f"{WS}/{path}").status_code) == (201, 200)


@pytest.mark.parametrize(
    "settings",
    [
        {"nodeIdleTimeBeforeScaleDown": HUGE},
        {"nodeIdleTimeBeforeScaleDown": "P" + "9" * 400 + "D"},
        {"maxNodeCount": HUGE},
        {"maxNodeCount": 1e300},
        {"minNodeCount": -HUGE},
    ],
)
def test_a_number_that_nothing_can_hold_is_a_mistake(bench: Bench, settings: dict[str, Any]) -> None:
    answer = bench.client.put(f"{WS}/computes/cpu", json=scale(**settings))

    assert answer.status_code == 400, answer.text
    assert next(iter(settings)) in answer.json()["error"]["details"][0]["target"]


@pytest.mark.parametrize("uri", ["https://[bad/blob/x", "http://[::1"])
def test_a_url_that_is_none_is_no_place_of_a_model(bench: Bench, uri: str) -> None:
    body = {"properties": {"modelType": "custom_model", "modelUri": uri}}

    answer = bench.client.put(f"{WS}/models/net/versions/1", json=body)

    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("path", ["a" * 5000, "a/" * 3000 + "b", "a" * 256])
def test_a_path_that_no_disk_can_hold_is_refused_wherever_it_is_given(bench: Bench, path: str) -> None:
    bench.ready()
    body = {"properties": {"modelType": "custom_model", "modelUri": f"{A_STORE}/{path}"}}

    answers = [
        bench.client.put(f"{WS}/models/other/versions/1", json=body),
        bench.client.get(f"{BLOBS}?restype=container&comp=list&prefix={path}/"),
        bench.invoke(uri=f"{A_STORE}/{path}"),
        bench.invoke(uri=f"file:///{path}"),
        bench.invoke(outputData={"o": {"jobOutputType": "UriFolder", "uri": f"{A_STORE}/{path}"}}),
    ]

    assert [answer.status_code for answer in answers] == [400] * len(answers)


def test_a_local_path_with_a_nul_is_refused(bench: Bench) -> None:
    bench.ready()

    assert bench.invoke(uri="file:///tmp/%00").status_code == 400


def test_a_job_name_must_leave_room_for_the_names_made_of_it(bench: Bench) -> None:
    bench.ready()
    bench.upload("in/a.txt", "1")

    assert bench.invoke(uri=INPUT, name="j" * 255).status_code == 400
    assert bench.invoke(uri=INPUT, name="j" * 200).status_code == 201


def test_a_name_cannot_smuggle_a_slash_into_the_path(bench: Bench) -> None:
    bench.ready()
    bench.deployment("green")

    answer = bench.raw("DELETE", f"{WS}/batchEndpoints/digits%2Fdeployments%2Fgreen".encode())

    assert answer == 400
    assert bench.client.get(f"{WS}/batchEndpoints/digits/deployments/green").status_code == 200


def test_an_empty_etag_matches_nothing(bench: Bench) -> None:
    bench.compute()

    answer = bench.client.put(f"{WS}/computes/cpu", json=scale(maxNodeCount=9), headers={"If-Match": '""'})

    assert answer.status_code == 412


def test_a_signed_url_of_a_file_reads_no_blob_above_it(bench: Bench) -> None:
    bench.upload("a", "of somebody else")
    query = bench.identity.sign_url("/azureml-blobstore/a/b", expires_at=2e9, permission="r")

    answer = bench.stranger.get(f"{BLOBS}/a?{query}&comp=list&prefix=b/")

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["out/" + "f" * 201, "/".join(["d" * 200] * 6)])
def test_an_output_must_leave_room_for_the_names_beside_it(bench: Bench, path: str) -> None:
    bench.ready()

    answer = bench.invoke(outputData={"o": {"jobOutputType": "UriFolder", "uri": f"{A_STORE}/{path}"}})

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"][0]["target"] == "output_path"
