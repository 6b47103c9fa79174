"""Conditional headers of the blob gateway."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from .bench import BLOBS, Bench


def etag(bench: Bench, name: str = "a") -> str:
    return str(bench.client.head(f"{BLOBS}/{name}").headers["etag"])


def time_of(bench: Bench, offset_s: int) -> str:
    modified = (bench.home / "datastores/workspaceblobstore/a").stat().st_mtime
    return formatdate(modified + offset_s, usegmt=True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reader_who_has_the_bytes_is_told_so(bench: Bench, method: str) -> None:
    bench.upload("a", "1")

    for headers in (
        {"If-None-Match": etag(bench)},
        {"If-None-Match": f'"other", {etag(bench)}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": time_of(bench, 0)},
    ):
        answer = bench.client.request(method, f"{BLOBS}/a", headers=headers)
        assert (answer.status_code, answer.content) == (304, b""), headers
        assert answer.headers["etag"] == etag(bench)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reader_of_other_bytes_is_refused(bench: Bench, method: str) -> None:
    bench.upload("a", "1")

    for headers in ({"If-Match": '"other"'}, {"If-Match": ""}, {"If-Unmodified-Since": time_of(bench, -10)}):
        answer = bench.client.request(method, f"{BLOBS}/a", headers=headers)
        assert answer.status_code == 412, headers
        assert answer.headers["x-ms-error-code"] == "ConditionNotMet"


def test_conditions_that_hold_change_nothing(bench: Bench) -> None:
    bench.upload("a", "1")

    for headers in (
        {"If-Match": etag(bench)},
        {"If-Match": "*"},
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": time_of(bench, -10)},
        {"If-Unmodified-Since": time_of(bench, 0)},
        {"If-None-Match": '"other"', "If-Modified-Since": time_of(bench, 10)},
    ):
        assert bench.client.get(f"{BLOBS}/a", headers=headers).content == b"1", headers


def test_a_write_over_a_version_that_is_no_longer_there_is_refused(bench: Bench) -> None:
    bench.upload("a", "1")
    seen = etag(bench)
    bench.upload("a", "2")

    for headers in (
        {"If-Match": seen},
        {"If-None-Match": etag(bench)},
        {"If-Unmodified-Since": time_of(bench, -10)},
        {"If-Modified-Since": time_of(bench, 10)},
    ):
        answer = bench.client.put(f"{BLOBS}/a", content=b"3", headers=headers)
        assert answer.status_code == 412, headers
    assert bench.client.put(f"{BLOBS}/new", content=b"3", headers={"If-Match": "*"}).status_code == 412
    assert bench.client.get(f"{BLOBS}/a").content == b"2"
    assert bench.client.put(f"{BLOBS}/a", content=b"3", headers={"If-Match": etag(bench)}).status_code == 201


def test_each_version_of_a_blob_has_its_own_etag(bench: Bench) -> None:
    seen = set()
    for number in range(5):
        bench.upload("a", str(number))
        seen.add(etag(bench))

    assert len(seen) == 5


def test_a_time_that_is_none_is_refused(bench: Bench) -> None:
    bench.upload("a", "1")

    assert bench.client.get(f"{BLOBS}/a", headers={"If-Modified-Since": "soon"}).status_code == 400


def test_a_blob_is_deleted_once(bench: Bench) -> None:
    bench.upload("a", "1")

    kept = bench.client.delete(f"{BLOBS}/a", headers={"If-Match": '"other"'})
    first = bench.client.delete(f"{BLOBS}/a", headers={"If-Match": etag(bench)})
    second = bench.client.delete(f"{BLOBS}/a")

    assert (kept.status_code, first.status_code, second.status_code) == (412, 202, 404)
    assert bench.client.get(f"{BLOBS}/a").status_code == 404


def test_a_signed_url_deletes_nothing(bench: Bench) -> None:
    bench.upload("a", "1")

    for permission in ("r", "w"):
        query = bench.identity.sign_url("/azureml-blobstore/a", expires_at=2e9, permission=permission)
        assert bench.stranger.delete(f"{BLOBS}/a?{query}").status_code == 401
    assert bench.client.get(f"{BLOBS}/a").content == b"1"
