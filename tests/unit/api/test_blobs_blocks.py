"""Blobs that arrive in blocks."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from batchyard.api.blob.blocks import limited, parse_block_list
from batchyard.domain.errors import CallerError, InvalidInput

from .bench import BLOBS, Bench


def id_of(number: int) -> str:
    return base64.b64encode(f"{number:06d}".encode()).decode()


def put_block(bench: Bench, name: str, number: int, content: bytes, headers: dict[str, str] | None = None) -> Any:
    query = f"comp=block&blockid={quote(id_of(number))}"
    return bench.client.put(f"{BLOBS}/{name}?{query}", content=content, headers=headers or {})


def commit(bench: Bench, name: str, numbers: list[int], headers: dict[str, str] | None = None) -> Any:
    ids = "".join(f"<Latest>{id_of(number)}</Latest>" for number in numbers)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{ids}</BlockList>'
    return bench.client.put(f"{BLOBS}/{name}?comp=blocklist", content=body.encode(), headers=headers or {})


def staged(bench: Bench) -> list[Path]:
    return [path for path in (bench.home / "blob-blocks").rglob("*") if path.is_file()]


def listing(bench: Bench) -> str:
    return bench.client.get(f"{BLOBS}?comp=list").text


def test_blocks_sent_at_once_become_a_blob_in_the_order_of_the_list(bench: Bench) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: put_block(bench, "big", n, b"%d" % n * 1000), range(40)))
    before = bench.client.get(f"{BLOBS}/big").status_code
    order = [*range(20, 40), *range(20)]

    done = commit(bench, "big", order, {"x-ms-meta-name": "n"})

    assert {answer.status_code for answer in answers} == {201}
    assert (before, done.status_code) == (404, 201)
    assert done.headers["etag"] == bench.client.head(f"{BLOBS}/big").headers["etag"]
    assert bench.client.get(f"{BLOBS}/big").content == b"".join(b"%d" % n * 1000 for n in order)
    assert bench.client.head(f"{BLOBS}/big").headers["x-ms-meta-name"] == "n"


def test_blocks_are_never_listed_and_gone_after_the_commit(bench: Bench) -> None:
    put_block(bench, "folder/big", 1, b"one")
    put_block(bench, "folder/big", 2, b"left out")
    before = listing(bench)
    commit(bench, "folder/big", [1])

    assert "big" not in before
    assert "folder/big" in listing(bench)
    assert list((bench.home / "blob-blocks").iterdir()) == []


def test_a_block_sent_again_takes_the_place_of_the_first(bench: Bench) -> None:
    put_block(bench, "big", 1, b"first")
    put_block(bench, "big", 1, b"second")
    commit(bench, "big", [1, 1])

    assert bench.client.get(f"{BLOBS}/big").content == b"secondsecond"


def test_blocks_of_one_blob_are_none_of_another(bench: Bench) -> None:
    put_block(bench, "a", 1, b"x")

    refused = commit(bench, "b", [1])

    assert refused.status_code == 400
    assert "not uploaded" in refused.text
    assert bench.client.get(f"{BLOBS}/b").status_code == 404
    assert commit(bench, "a", [1]).status_code == 201


def test_a_wrong_md5_of_a_block_or_a_list_leaves_nothing(bench: Bench) -> None:
    wrong = {"Content-MD5": base64.b64encode(hashlib.md5(b"hello").digest()).decode()}

    assert put_block(bench, "a", 1, b"hallo", wrong).status_code == 400
    assert staged(bench) == []
    put_block(bench, "a", 1, b"hello", wrong)
    assert commit(bench, "a", [1], wrong).status_code == 400
    assert bench.client.get(f"{BLOBS}/a").status_code == 404
    assert len(staged(bench)) == 1


def test_no_answer_carries_a_content_md5(bench: Bench) -> None:
    assert "content-md5" not in put_block(bench, "a", 1, b"x").headers
    assert "content-md5" not in commit(bench, "a", [1]).headers


def test_a_commit_that_may_only_create_never_replaces_and_keeps_its_blocks(bench: Bench) -> None:
    bench.upload("a", "first")
    put_block(bench, "a", 1, b"second")

    refused = commit(bench, "a", [1], {"If-None-Match": "*"})

    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (409, "BlobAlreadyExists")
    assert bench.client.get(f"{BLOBS}/a").content == b"first"
    assert commit(bench, "a", [1]).status_code == 201
    assert bench.client.get(f"{BLOBS}/a").content == b"second"


def test_a_commit_sent_again_after_its_answer_was_lost_is_told_that_the_blob_exists(bench: Bench) -> None:
    put_block(bench, "a", 1, b"x")
    commit(bench, "a", [1], {"If-None-Match": "*"})

    assert commit(bench, "a", [1], {"If-None-Match": "*"}).status_code == 409


def test_an_empty_list_makes_an_empty_blob(bench: Bench) -> None:
    assert commit(bench, "empty", []).status_code == 201
    assert bench.client.head(f"{BLOBS}/empty").headers["content-length"] == "0"


def test_a_signed_url_sends_blocks_into_its_own_container_alone(bench: Bench) -> None:
    query = bench.identity.sign_url("/code-1", expires_at=2e9, permission="w", is_folder=True)
    block = f"comp=block&blockid={quote(id_of(1))}&{query}"

    assert bench.stranger.put(f"/blob/u.blob.core.windows.net/code-1/a?{block}", content=b"x").status_code == 201
    assert bench.stranger.put(f"/blob/u.blob.core.windows.net/code-2/a?{block}", content=b"x").status_code == 401
    assert bench.stranger.put(f"{BLOBS}/a?{block}", content=b"x").status_code == 401


@pytest.mark.parametrize(
    "query", ["comp=block", "comp=block&blockid=", "comp=block&blockid=%3F", "comp=block&blockid=" + "QUFB" * 22]
)
def test_a_block_without_a_good_id_is_refused(bench: Bench, query: str) -> None:
    assert bench.client.put(f"{BLOBS}/a?{query}", content=b"x").status_code == 400
    assert staged(bench) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<BlockList>",
        b"<Other/>",
        b"<BlockList><Latest>?</Latest></BlockList>",
        b"<BlockList><Latest></Latest></BlockList>",
        b"<BlockList><Committed>YQ==</Committed></BlockList>",
        b"<BlockList><Latest><Latest>YQ==</Latest></Latest></BlockList>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><BlockList/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><BlockList/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="no-such"?><BlockList/>',
        b"<BlockList>" * 5000,
        b"<BlockList><Latest>" + b"A" * 10_000,
    ],
)
def test_what_is_no_list_of_blocks_is_refused(bench: Bench, body: bytes) -> None:
    assert bench.client.put(f"{BLOBS}/a?comp=blocklist", content=body).status_code == 400
    assert bench.client.get(f"{BLOBS}/a").status_code == 404


def test_a_list_may_say_latest_and_uncommitted() -> None:
    body = [b"<BlockList><Latest>YQ==</Latest>", b"\n <Uncommitted> Yg==", b"</Uncommitted></BlockList>"]

    assert parse_block_list(body) == [b"a", b"b"]


def test_a_body_may_not_be_longer_than_its_limit() -> None:
    with pytest.raises(CallerError):
        list(limited([b"ab", b"cd"], most_bytes=3))
    with pytest.raises(InvalidInput):
        parse_block_list([b"<BlockList>" + b"<Latest>YQ==</Latest>" * 50_001 + b"</BlockList>"])


def test_a_block_that_breaks_off_leaves_nothing(bench: Bench) -> None:
    bench.raw("PUT", f"{BLOBS}/a".encode(), b"half", breaks_off=True)

    assert staged(bench) == []
