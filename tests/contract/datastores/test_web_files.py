"""Files of the web, against a real server of this machine; what must never be contacted."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchyard.datastores.web import WebFiles
from batchyard.domain.errors import InvalidInput

CONTENT = b"1\n" * 100_000


def nothing() -> None:
    """Nothing goes on beside."""


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves a file, redirects, refuses; counts what it was asked."""

    asked: list[str]
    wait = threading.Event()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/away?to="))
            self.end_headers()
            return
        if self.path.startswith("/drip"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:10])
            self.wait.wait(30)
            return
        if self.path.startswith("/torn"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
            return
        is_there = self.path.startswith("/data")
        self.send_response(200 if is_there else 404)
        self.send_header("Content-Length", str(len(CONTENT) if is_there else 0))
        self.end_headers()
        self.wfile.write(CONTENT if is_there else b"")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def pages() -> Iterator[tuple[str, list[str]]]:
    """Give `host:port` of a server and the paths that it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (Pages,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_listed_hosts_file_is_fetched_once_under_its_own_name(pages: tuple[str, list[str]], tmp_path: Path) -> None:
    host, asked = pages
    web = WebFiles(frozenset({host}), largest_bytes=10)

    first = web.fetch(f"http://{host}/data/big%20one.csv?sig=secret", tmp_path / "input", meanwhile=nothing)
    again = web.fetch(f"http://{host}/data/big%20one.csv?sig=secret", tmp_path / "input", meanwhile=nothing)

    assert (first, first.name, first.read_bytes()) == (again, "big one.csv", CONTENT)
    assert asked == ["/data/big%20one.csv?sig=secret"]
    assert [path.name for path in first.parent.iterdir()] == ["big one.csv"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/x.csv", "only https is read"),
        ("https://127.0.0.1/x.csv", "not a public address"),
        ("https://localhost/x.csv", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("https://[::1]/x.csv", "not a public address"),
        ("https://10.1.2.3/x.csv", "not a public address"),
        ("https://[::ffff:10.1.2.3]/x.csv", "not a public address"),
        ("https://[64:ff9b::a01:203]/x.csv", "not a public address"),
        ("https://[64:ff9b:1::a01:203]/x.csv", "not a public address"),
        ("https://[2002:a01:203::1]/x.csv", "not a public address"),
        ("https://[::10.1.2.3]/x.csv", "not a public address"),
        ("https://[fec0::1]/x.csv", "not a public address"),
        ("https://[fe80::1%251]/x.csv", "not a public address"),
        ("https://100.64.1.2/x.csv", "not a public address"),
        ("https://224.0.0.1/x.csv", "not a public address"),
        ("https://localhost./x.csv", "not a public address"),
        ("https://user:word@example.org/x.csv", "no user"),
        ("https:///x.csv", "must name a host"),
        ("https://example.org:99999/x.csv", "no URL"),
        ("ftp://example.org/x.csv", "neither https nor http"),
    ],
)
def test_what_must_not_be_read_is_refused_before_anything_is_contacted(url: str, why: str) -> None:
    found = WebFiles(frozenset(), largest_bytes=10).mistake(url)

    assert found is not None
    assert why in found


@pytest.mark.parametrize("address", ["8.8.8.8", "[2001:4860:4860::8888]", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]"])
def test_public_addresses_may_be_read_in_all_their_forms(address: str) -> None:
    assert WebFiles(frozenset(), largest_bytes=10).mistake(f"https://{address}/x.csv") is None


def test_a_name_that_leads_to_this_machine_is_not_followed(pages: tuple[str, list[str]], tmp_path: Path) -> None:
    host, asked = pages
    port = host.partition(":")[2]
    web = WebFiles(frozenset({"elsewhere"}), largest_bytes=10)

    with pytest.raises(InvalidInput, match="not a public address"):
        web.fetch(f"https://ip6-localhost.localhost:{port}/data.csv", tmp_path, meanwhile=nothing)

    assert asked == []


def test_a_redirect_is_looked_at_like_a_url_of_its_own(pages: tuple[str, list[str]], tmp_path: Path) -> None:
    host, _ = pages
    port = host.partition(":")[2]
    web = WebFiles(frozenset({host}), largest_bytes=10)

    with pytest.raises(InvalidInput, match="only https is read"):
        web.fetch(f"http://{host}/away?to=http://localhost:{port}/data.csv", tmp_path, meanwhile=nothing)
    assert web.fetch(f"http://{host}/away?to=/data.csv", tmp_path, meanwhile=nothing).read_bytes() == CONTENT
    with pytest.raises(InvalidInput, match="redirected more than 5 times"):
        web.fetch(
            f"http://{host}/away?to=/away?to=/away?to=/away?to=/away?to=/away?to=/away?to=/data",
            tmp_path / "b",
            meanwhile=nothing,
        )
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["away"]


@pytest.mark.parametrize(
    "path",
    [
        "/data\x7f.csv",
        "/away?to=http://[::1/data",
        "/away?to=http://a..b/data",
        f"/away?to=https://{'a' * 64}.org/data",
    ],
)
def test_a_url_that_is_none_after_all_is_told_and_not_an_error_of_ours(
    pages: tuple[str, list[str]], tmp_path: Path, path: str
) -> None:
    host, _ = pages

    with pytest.raises(InvalidInput, match="cannot be read"):
        WebFiles(frozenset({host, "a..b"}), 10).fetch(f"http://{host}{path}", tmp_path, meanwhile=nothing)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".org", "münchen.example"])
def test_a_host_that_no_name_can_be_is_refused_before_anything_is_contacted(host: str) -> None:
    assert "no name of a host" in str(WebFiles(frozenset(), 10).mistake(f"https://{host}/x.csv"))


def test_too_large_and_missing_files_are_refused_and_leave_nothing(
    pages: tuple[str, list[str]], tmp_path: Path
) -> None:
    host, _ = pages

    for web, path, why in (
        (WebFiles(frozenset({host}), 10), "missing.csv", "answers 404"),
        (WebFiles(frozenset({host}), 10), "torn.csv", "torn.csv"),
    ):
        with pytest.raises(InvalidInput, match=why) as caught:
            web.fetch(f"http://{host}/{path}?sig=secret", tmp_path, meanwhile=nothing)
        assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_a_host_that_is_not_listed_is_bounded() -> None:
    web = WebFiles(frozenset(), largest_bytes=10)

    class Answer:
        def iter_raw(self) -> Iterator[bytes]:
            yield from (b"12345", b"67890", b"1")

    pieces = web._bounded(Answer(), is_listed=False)
    assert [next(pieces), next(pieces)] == [b"12345", b"67890"]
    with pytest.raises(Exception, match="more than 10 bytes"):
        next(pieces)


def test_a_download_that_is_no_longer_wanted_ends_with_its_first_bytes(
    pages: tuple[str, list[str]], tmp_path: Path
) -> None:
    host, _ = pages

    def unwanted() -> None:
        raise KeyError("cancelled")

    with pytest.raises(KeyError, match="cancelled"):
        WebFiles(frozenset({host}), largest_bytes=10).fetch(f"http://{host}/drip.csv", tmp_path, meanwhile=unwanted)
    Pages.wait.set()
    assert list(tmp_path.iterdir()) == []
