"""What registered versions were made of: nothing changes there any more."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from .bench import BASE, BLOBS, WS, Bench

STORE = "azureml://datastores/workspaceblobstore/paths"
ID = base64.b64encode(b"1").decode()


def register(bench: Bench, collection: str, uri: str) -> None:
    bodies = {
        "models": {"modelUri": uri, "modelType": "custom_model"},
        "data": {"dataUri": uri, "dataType": "uri_folder"},
    }
    answer = bench.client.put(f"{WS}/{collection}/one/versions/1", json={"properties": bodies[collection]})
    assert answer.status_code == 201, answer.text


def put_in_a_block(bench: Bench, name: str, content: bytes) -> Any:
    bench.client.put(f"{BLOBS}/{name}?comp=block&blockid={quote(ID)}", content=content)
    body = f"<BlockList><Latest>{ID}</Latest></BlockList>"
    return bench.client.put(f"{BLOBS}/{name}?comp=blocklist", content=body.encode())


@pytest.mark.parametrize("collection", ["models", "data"])
def test_the_upload_that_a_version_was_made_of_never_changes(bench: Bench, collection: str) -> None:
    bench.upload("LocalUpload/hash/m/a", "good")
    register(bench, collection, f"{STORE}/LocalUpload/hash/m/")

    refused = [
        bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"evil"),
        bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"goo"),
        bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"good and more"),
        bench.client.put(f"{BLOBS}/LocalUpload/hash/m/new", content=b"evil"),
        bench.client.put(f"{BLOBS}/LocalUpload/hash/m/folder/new", content=b"evil"),
        put_in_a_block(bench, "LocalUpload/hash/m/a", b"evil"),
        bench.client.delete(f"{BLOBS}/LocalUpload/hash/m/a"),
    ]

    assert [answer.status_code for answer in refused] == [409] * 7
    assert f"{collection}/one/versions/1" in refused[0].text
    assert bench.client.get(f"{BLOBS}/LocalUpload/hash/m/a").content == b"good"
    assert bench.client.get(f"{BLOBS}/LocalUpload/hash/m/new").status_code == 404


def test_the_same_bytes_may_be_sent_again_and_noted_on(bench: Bench) -> None:
    bench.upload("LocalUpload/hash/m/a", "good")
    register(bench, "models", f"{STORE}/LocalUpload/hash/m")
    before = bench.client.head(f"{BLOBS}/LocalUpload/hash/m/a").headers["etag"]

    whole = bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"good", headers={"x-ms-meta-a": "1"})
    blocks = put_in_a_block(bench, "LocalUpload/hash/m/a", b"good")
    only_new = bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"good", headers={"If-None-Match": "*"})

    assert (whole.status_code, blocks.status_code, only_new.status_code) == (201, 201, 409)
    assert whole.headers["etag"] == blocks.headers["etag"] == before
    assert bench.client.head(f"{BLOBS}/LocalUpload/hash/m/a").headers["x-ms-meta-a"] == "1"


@pytest.mark.parametrize("place", ["LocalUpload/hash/m/out.csv", "LocalUpload//hash/./m/new/out.csv"])
def test_no_job_publishes_into_what_a_version_was_made_of(bench: Bench, place: str) -> None:
    bench.ready()
    bench.upload("LocalUpload/hash/m/a", "good")
    register(bench, "data", f"{STORE}/LocalUpload/hash/m")

    refused = [
        bench.invoke(outputData={"score": {"jobOutputType": "UriFile", "uri": f"{STORE}/{place}"}}),
        bench.invoke(outputData={"score": {"jobOutputType": "UriFolder", "uri": f"{STORE}/{place}"}}),
    ]

    assert [answer.status_code for answer in refused] == [400] * 2
    assert all("data/one/versions/1, which never changes" in answer.text for answer in refused)
    free = {"score": {"jobOutputType": "UriFolder", "uri": f"{STORE}/LocalUpload/hash/out"}}
    assert bench.invoke(outputData=free).status_code == 201


def test_other_uploads_and_the_users_own_folders_stay_open(bench: Bench) -> None:
    for name in ("LocalUpload/hash/m/a", "LocalUpload/hash/file", "daily/a"):
        bench.upload(name, "x")
    register(bench, "models", f"{STORE}/LocalUpload/hash/m")
    register(bench, "data", f"{STORE}/daily/")

    for name in ("LocalUpload/hash/m2/a", "LocalUpload/hash/file", "LocalUpload/h/m/a", "daily/a", "daily/b"):
        assert bench.client.put(f"{BLOBS}/{name}", content=b"new").status_code == 201, name
    assert bench.client.delete(f"{BLOBS}/daily/a").status_code == 202


def test_a_registration_that_fails_seals_nothing(bench: Bench) -> None:
    bench.upload("LocalUpload/hash/m/a", "x")
    body = {"properties": {"modelUri": f"{STORE}/LocalUpload/hash/m", "modelType": "custom_model"}}

    assert bench.client.put(f"{WS}/models/bad%20name/versions/1", json=body).status_code == 400
    assert bench.client.put(f"{BLOBS}/LocalUpload/hash/m/a", content=b"new").status_code == 201


def test_the_url_for_a_code_upload_is_closed_when_the_code_is_registered(bench: Bench) -> None:
    pending = bench.client.post(f"{WS}/codes/c/versions/1/startPendingUpload", json={}).json()
    place = pending["blobReferenceForConsumption"]
    path, query = place["credential"]["sasUri"].removeprefix(BASE).split("?")
    blob = f"{path}/src/score.py?{query}"
    assert bench.stranger.put(blob, content=b"print(1)").status_code == 201
    assert bench.stranger.head(blob).status_code == 200
    body = {"properties": {"codeUri": f"{place['blobUri']}/src"}}
    assert bench.client.put(f"{WS}/codes/c/versions/1", json=body).status_code == 201

    assert bench.stranger.put(blob, content=b"print(2)").status_code == 403
    assert bench.stranger.put(f"{blob}&comp=block&blockid={quote(ID)}", content=b"print(2)").status_code == 403
    assert bench.stranger.put(f"{path}/other?{query}", content=b"print(2)").status_code == 403
    assert bench.stranger.get(blob).status_code == 403
    assert bench.client.put(f"{path}/src/score.py", content=b"print(2)").status_code == 409
    assert bench.client.get(f"{path}/src/score.py").content == b"print(1)"
