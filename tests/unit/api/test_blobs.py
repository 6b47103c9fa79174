"""The blob gateway."""

from __future__ import annotations

import base64
import hashlib
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from batchyard.api.blob.listing import BlobQuery, page_to_xml, take_page
from batchyard.api.blob.paths import datastore_uri, parse_blob_path
from batchyard.api.blob.ranges import ByteRange, UnsatisfiableError, wanted_range
from batchyard.ports.datastore import Entry

from .bench import BLOBS, Bench


def on_disk(bench: Bench, path: str) -> Path:
    return bench.home / "datastores/workspaceblobstore" / path


def listed(bench: Bench, query: str = "") -> list[str]:
    answer = bench.client.get(f"{BLOBS}?restype=container&comp=list{query}")
    assert answer.status_code == 200, answer.text
    return [element.text or "" for element in ElementTree.fromstring(answer.content).iter("Name")]


def test_a_blob_is_written_read_and_described(bench: Bench) -> None:
    put = bench.client.put(f"{BLOBS}/a/b.txt", content=b"hello", headers={"x-ms-blob-type": "BlockBlob"})
    got = bench.client.get(f"{BLOBS}/a/b.txt")
    head = bench.client.head(f"{BLOBS}/a/b.txt")

    assert put.status_code == 201
    assert put.headers["etag"] == head.headers["etag"] == got.headers["etag"]
    assert "content-md5" not in put.headers
    assert (got.status_code, got.content) == (200, b"hello")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    assert head.headers["x-ms-blob-type"] == "BlockBlob"
    assert "last-modified" in head.headers


@pytest.mark.parametrize("name", ["a b.txt", "ä/ö.txt", "a+b#c?d%41.txt", "a%2fb", "100%.txt", "a\nb", "\x7f", "汉字"])
def test_names_keep_every_character(bench: Bench, name: str) -> None:
    path = f"{BLOBS}/{quote(name)}"

    assert bench.client.put(path, content=b"x").status_code == 201
    assert on_disk(bench, name).read_bytes() == b"x"
    assert bench.client.get(path).content == b"x"
    assert listed(bench) in ([name], [quote(name)])


def test_the_logs_of_a_job_are_those_of_its_child_too(bench: Bench) -> None:
    for job in ("one", "two-batchscoring"):
        log = bench.home / f"datastores/workspaceartifactstore/ExperimentRun/dcid.{job}/logs/a.txt"
        log.parent.mkdir(parents=True)
        log.write_text(job)
    logs = BLOBS.replace("azureml-blobstore", "azureml")

    def listed_below(job: str) -> list[str]:
        answer = bench.client.get(f"{logs}?restype=container&comp=list&prefix=ExperimentRun/dcid.{job}/")
        return [element.text or "" for element in ElementTree.fromstring(answer.content).iter("Name")]

    for job, of in (("one-batchscoring", "one"), ("two-batchscoring", "two-batchscoring"), ("one", "one")):
        (path,) = listed_below(job)
        assert path == f"ExperimentRun/dcid.{job}/logs/a.txt"
        assert bench.client.get(f"{logs}/{path}").text == of
    assert listed_below("none-batchscoring") == []


def test_a_name_that_is_not_utf_8_is_served(bench: Bench) -> None:
    on_disk(bench, "").mkdir(parents=True)
    on_disk(bench, "caf\udce9").write_bytes(b"x")

    assert bench.client.get(f"{BLOBS}/caf%E9").content == b"x"
    assert listed(bench) == ["caf%E9"]


@pytest.mark.parametrize(
    "path",
    [
        "../token",
        "%2e%2e/token",
        "%2e%2e%2ftoken",
        "a/../../token",
        "a/%2e%2e/%2e%2e/%2e%2e/token",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "a%00b",
        "a//b",
        "./a",
        "a/.",
        "a/",
        "",
        "x" * 300,
        "y/" * 600 + "y",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_no_path_leaves_the_datastore(bench: Bench, path: str, method: str) -> None:
    before = sorted(bench.home.rglob("*"))

    status = bench.raw(method, f"{BLOBS}/{path}".encode(), b"evil")

    assert status in (400, 404)
    assert sorted(bench.home.rglob("*")) == before


def test_a_link_out_of_the_datastore_is_not_followed(bench: Bench) -> None:
    on_disk(bench, "").mkdir(parents=True)
    on_disk(bench, "link").symlink_to(bench.home)

    assert bench.client.get(f"{BLOBS}/link/token").status_code == 400
    assert bench.client.put(f"{BLOBS}/link/new", content=b"x").status_code == 400


def test_if_none_match_star_never_replaces(bench: Bench) -> None:
    first = bench.client.put(f"{BLOBS}/a", content=b"1", headers={"If-None-Match": "*"})
    second = bench.client.put(f"{BLOBS}/a", content=b"2", headers={"If-None-Match": "*"})

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["x-ms-error-code"] == "BlobAlreadyExists"
    assert bench.client.get(f"{BLOBS}/a").content == b"1"


def test_a_put_without_a_condition_replaces(bench: Bench) -> None:
    bench.upload("a", "1")
    bench.upload("a", "2")

    assert bench.client.get(f"{BLOBS}/a").content == b"2"


def test_a_body_with_another_md5_leaves_nothing(bench: Bench) -> None:
    good = base64.b64encode(hashlib.md5(b"hello").digest()).decode()

    bad = bench.client.put(f"{BLOBS}/a", content=b"hallo", headers={"Content-MD5": good})

    assert bad.status_code == 400
    assert listed(bench) == []
    assert bench.client.put(f"{BLOBS}/a", content=b"hello", headers={"Content-MD5": good}).status_code == 201
    assert bench.client.put(f"{BLOBS}/a", content=b"hello", headers={"Content-MD5": "?"}).status_code == 400


def test_a_body_comes_in_pieces_without_a_length(bench: Bench) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 65_536

    assert bench.client.put(f"{BLOBS}/big", content=pieces()).status_code == 201
    assert on_disk(bench, "big").stat().st_size == 64 * 65_536


def test_an_upload_that_breaks_off_leaves_nothing_and_is_no_error_of_ours(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.raw("PUT", f"{BLOBS}/a".encode(), b"half", breaks_off=True)

    assert listed(bench) == []
    assert not any(record.levelname == "ERROR" for record in caplog.records)
    assert not any(on_disk(bench, "").iterdir())


@pytest.mark.parametrize("query", ["comp=", "comp=page", "comp=appendblock", "comp=lease", "comp=blocks"])
def test_other_puts_are_refused_instead_of_writing_a_blob(bench: Bench, query: str) -> None:
    assert bench.client.put(f"{BLOBS}/a?{query}", content=b"x").status_code == 400
    assert listed(bench) == []


def test_notes_on_a_blob_are_given_back_until_it_is_written_again(bench: Bench) -> None:
    bench.upload("a", "1")
    noted = bench.client.put(f"{BLOBS}/a?comp=metadata", headers={"x-ms-meta-upload_status": "completed"})
    head = bench.client.head(f"{BLOBS}/a")
    bench.upload("a", "22")
    after = bench.client.head(f"{BLOBS}/a")

    assert noted.status_code == 200
    assert head.headers["x-ms-meta-upload_status"] == "completed"
    assert "x-ms-meta-upload_status" not in after.headers
    assert listed(bench) == ["a"]


def test_notes_come_with_a_put_too_and_new_ones_replace_all(bench: Bench) -> None:
    bench.client.put(f"{BLOBS}/a", content=b"1", headers={"x-ms-meta-one": "1", "x-ms-meta-two": "2"})
    bench.client.put(f"{BLOBS}/a?comp=metadata", headers={"x-ms-meta-one": "3"})

    headers = bench.client.get(f"{BLOBS}/a").headers

    assert headers["x-ms-meta-one"] == "3"
    assert "x-ms-meta-two" not in headers


def test_notes_are_listed_where_they_are_asked_for(bench: Bench) -> None:
    bench.client.put(f"{BLOBS}/a", content=b"1", headers={"x-ms-meta-b": "<2>", "x-ms-meta-a": "1"})
    bench.upload("b", "1")

    def notes(query: str) -> list[dict[str, str | None]]:
        root = ElementTree.fromstring(bench.client.get(f"{BLOBS}?comp=list{query}").content)
        return [{note.tag: note.text for note in blob.iterfind("Metadata/*")} for blob in root.iter("Blob")]

    assert notes("&include=metadata") == [{"a": "1", "b": "<2>"}, {}]
    assert notes("&include=snapshots,metadata") == [{"a": "1", "b": "<2>"}, {}]
    assert notes("") == [{}, {}]


@pytest.mark.parametrize("name", ["1a", "a-b", "a.b", "", "a b"])
def test_a_note_whose_name_no_list_could_hold_is_refused(bench: Bench, name: str) -> None:
    bench.upload("a", "1")

    answer = bench.client.put(f"{BLOBS}/a?comp=metadata", headers={f"x-ms-meta-{name}": "1"})

    assert answer.status_code == 400


def test_notes_on_nothing_or_too_many_are_refused(bench: Bench) -> None:
    bench.upload("a", "1")

    assert bench.client.put(f"{BLOBS}/b?comp=metadata", headers={"x-ms-meta-one": "3"}).status_code == 404
    assert bench.client.put(f"{BLOBS}/a?comp=metadata", headers={"x-ms-meta-one": "x" * 9000}).status_code == 400


@pytest.mark.parametrize("query", ["", "?comp=block&blockid=MQ%3D%3D", "?comp=blocklist"])
def test_a_copy_from_elsewhere_is_refused_instead_of_emptying_the_blob(bench: Bench, query: str) -> None:
    bench.upload("a", "kept")

    copied = bench.client.put(f"{BLOBS}/a{query}", headers={"x-ms-copy-source": f"https://elsewhere{BLOBS}/b"})

    assert copied.status_code == 400
    assert "x-ms-copy-source" in copied.text
    assert bench.client.get(f"{BLOBS}/a").content == b"kept"


def test_other_kinds_of_blobs_are_refused(bench: Bench) -> None:
    assert bench.client.put(f"{BLOBS}/a", content=b"x", headers={"x-ms-blob-type": "PageBlob"}).status_code == 400


@pytest.mark.parametrize("header", ["x-ms-range", "Range"])
def test_a_range_is_answered_with_206(bench: Bench, header: str) -> None:
    bench.upload("a", "0123456789")

    answer = bench.client.get(f"{BLOBS}/a", headers={header: "bytes=2-4"})

    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["content-range"] == "bytes 2-4/10"


def test_a_range_of_an_empty_blob_is_416_and_the_blob_itself_200(bench: Bench) -> None:
    bench.upload("a", "")

    ranged = bench.client.get(f"{BLOBS}/a", headers={"x-ms-range": "bytes=0-33554431"})
    whole = bench.client.get(f"{BLOBS}/a")

    assert (ranged.status_code, ranged.headers["x-ms-error-code"]) == (416, "InvalidRange")
    assert (whole.status_code, whole.content) == (200, b"")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-3", ByteRange(0, 3)),
        ("bytes=8-99", ByteRange(8, 9)),
        ("bytes=4-", ByteRange(4, 9)),
        ("bytes=-3", ByteRange(7, 9)),
        ("bytes=-30", ByteRange(0, 9)),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=-", None),
        ("", None),
        (None, None),
    ],
)
def test_ranges_are_read_as_http_says(header: str | None, expected: ByteRange | None) -> None:
    assert wanted_range(header, size_bytes=10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_had(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        wanted_range(header, size_bytes=10)


def test_blobs_are_listed_by_prefix_sorted_by_bytes(bench: Bench) -> None:
    for name in ("b/2", "a", "b/10", "c/x"):
        bench.upload(name, "x")

    assert listed(bench) == ["a", "b/10", "b/2", "c/x"]
    assert listed(bench, "&prefix=b/") == ["b/10", "b/2"]
    assert listed(bench, "&prefix=b/1&include=metadata") == ["b/10"]


def test_a_delimiter_folds_folders(bench: Bench) -> None:
    for name in ("a", "b/1", "b/2", "c/d/e"):
        bench.upload(name, "x")

    assert listed(bench, "&delimiter=/") == ["a", "b/", "c/"]
    assert listed(bench, "&delimiter=/&prefix=c/") == ["c/d/"]


@pytest.mark.parametrize("delimiter", ["", "&delimiter=/"])
def test_lists_go_on_from_their_marker(bench: Bench, delimiter: str) -> None:
    for name in ("a", "b&b", "c c", "ü"):
        bench.upload(name, "x")
    found, marker = [], ""
    for _ in range(4):
        answer = bench.client.get(f"{BLOBS}?comp=list&maxresults=1&marker={quote(marker)}{delimiter}")
        root = ElementTree.fromstring(answer.content)
        found += [element.text for element in root.iter("Name")]
        marker = root.findtext("NextMarker") or ""

    assert (found, marker) == (["a", "b&b", "c c", "ü"], "")


@pytest.mark.parametrize("delimiter", ["/", "-"])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_with_a_delimiter_give_each_name_once(bench: Bench, delimiter: str, size: int) -> None:
    for name in ("a/1", "a/2", "a-1", "a.txt", "a0", "b/c/d", "b-c-d", "b-d", "c"):
        bench.upload(name, "x")
    bench.home.joinpath("datastores/workspaceblobstore/empty/folder").mkdir(parents=True)
    found, marker = [], ""
    for _ in range(20):
        query = f"comp=list&maxresults={size}&delimiter={delimiter}&marker={quote(marker)}"
        root = ElementTree.fromstring(bench.client.get(f"{BLOBS}?{query}").content)
        found += [element.text for element in root.iter("Name")]
        marker = root.findtext("NextMarker") or ""
        if not marker:
            break

    by_slash = ["a-1", "a.txt", "a/", "a0", "b-c-d", "b-d", "b/", "c"]
    assert found == (by_slash if delimiter == "/" else ["a-", "a.txt", "a/1", "a/2", "a0", "b-", "b/c/d", "c"])


def test_links_are_listed_unless_they_lead_out_or_nowhere(bench: Bench) -> None:
    bench.upload("real", "x")
    on_disk(bench, "inside").symlink_to(on_disk(bench, "real"))
    on_disk(bench, "outside").symlink_to(bench.home / "token")
    on_disk(bench, "nowhere").symlink_to(bench.home / "no-such-file")
    on_disk(bench, "folder").symlink_to(bench.home)
    os.mkfifo(on_disk(bench, "pipe"))

    assert listed(bench) == ["inside", "real"]
    assert listed(bench, "&delimiter=/") == ["inside", "real"]
    for name in ("outside", "folder/token"):
        assert bench.client.get(f"{BLOBS}/{name}").status_code == 400


def test_a_list_that_leaves_the_datastore_is_refused(bench: Bench) -> None:
    for prefix in ("../", "/", "/e", "/etc/", "//", "//etc/", "a/../../"):
        for delimiter in ("", "&delimiter=/", "&delimiter=e"):
            answer = bench.client.get(f"{BLOBS}?comp=list&maxresults=3&prefix={prefix}{delimiter}")
            assert (answer.status_code, "<Blob" in answer.text) == (400, False), (prefix, delimiter)
    assert bench.client.get(f"{BLOBS}?comp=list&maxresults=0").status_code == 400


def test_an_unknown_container_is_named_with_the_known_ones(bench: Bench) -> None:
    answer = bench.client.get("/blob/x.blob.core.windows.net/unknown/a")

    assert answer.status_code == 404
    assert "azureml-blobstore" in answer.text


@pytest.mark.parametrize("path", ["/blob/x", "/blob/x/y/z", "/blob/x.blob.core.windows.net", "/blob//y/z"])
def test_other_paths_of_the_gateway_are_refused(bench: Bench, path: str) -> None:
    assert bench.client.get(path).status_code == 400


def test_names_that_xml_cannot_hold_are_percent_encoded() -> None:
    entries: list[Entry | str] = [Entry("a\x01b", 1, 0.0, '"e"'), Entry("a<&>b", 1, 0.0, '"e"')]
    query = BlobQuery("", "", "", 10)

    xml = page_to_xml(take_page(entries, query), query, container="c").decode()

    assert '<Name Encoded="true">a%01b</Name>' in xml
    assert "<Name>a&lt;&amp;&gt;b</Name>" in xml
    ElementTree.fromstring(xml)


def test_urls_of_the_gateway_become_places_in_datastores() -> None:
    base = "https://localhost:1/blob/x.blob.core.windows.net"

    assert datastore_uri(f"{base}/code-1/a%20b") == "azureml://datastores/code-1/paths/a b"
    assert datastore_uri(f"{base}/azureml-blobstore/a") == "azureml://datastores/workspaceblobstore/paths/a"
    for other in ("azureml://datastores/d/paths/p", "https://x.blob.core.windows.net/c/p", "file:///blob/a", "x"):
        assert datastore_uri(other) == other


def test_a_raw_path_is_decoded_once() -> None:
    path = parse_blob_path(b"/blob/a.blob.core.windows.net/c/x%2520y")

    assert path.name == "x%20y"


def test_a_file_where_a_folder_is_and_the_reverse_is_a_conflict(bench: Bench) -> None:
    bench.upload("file", "x")
    bench.upload("folder/file", "x")

    assert bench.client.put(f"{BLOBS}/file/below", content=b"x").status_code == 409
    assert bench.client.put(f"{BLOBS}/folder", content=b"x").status_code == 409
    assert bench.client.put(f"{BLOBS}/folder", content=b"x", headers={"If-None-Match": "*"}).status_code == 409
    assert bench.client.get(f"{BLOBS}/folder").status_code == 404
    assert listed(bench) == ["file", "folder/file"]
