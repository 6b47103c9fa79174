"""Whatever stands in a raw path: nothing is read or written outside a container, and nothing is an error of ours."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchyard.records.database import migrate

from .bench import BLOBS, Bench

SECRET = b"the secret of another place"
BODY = b"what was put"

# What has led out of folders elsewhere: dots in every spelling, overlong UTF-8, NULs, backslashes, links, double codes.
PIECES = [
    *(b"..", b".", b"%2e%2e", b"%2E.", b"%252e%252e", b"%c0%ae%c0%ae", b"%e0%80%ae", b"..%00", b"%00", b"..;"),
    *(b"/", b"//", b"%2f", b"%2F", b"%5c", b"\\", b"..\\", b"%c0%af", b"%252f", b"%ff", b"%", b"%zz", b"%u002e"),
    *(b"a", b"link", b"folder", b"token", b"etc/passwd", b"azureml", b"x" * 256, b"y/" * 700, b"?", b"#", b"~", b" "),
]
# The web server itself refuses what is not ASCII.
others = st.binary(max_size=6).map(lambda text: bytes(letter & 0x7F for letter in text))
paths = st.lists(st.one_of(st.sampled_from(PIECES), others), min_size=1, max_size=8).map(b"".join)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Bench]:
    """Give one workspace for all examples, with secrets and links around its datastore."""
    home = Path(tempfile.mkdtemp(prefix="batchyard-fuzz-")) / "home"
    home.mkdir(mode=0o700)
    migrate(f"sqlite:///{home / 'batchyard.db'}")
    bench = Bench(home)
    store = home / "datastores/workspaceblobstore"
    (store / "folder").mkdir(parents=True)
    (home / "datastores/secret").write_bytes(SECRET)
    (home / "datastores/workspaceartifactstore").mkdir()
    (store / "link").symlink_to(home)
    (store / "folder/link").symlink_to(home / "datastores/secret")
    yield bench
    shutil.rmtree(home.parent)


def around(bench: Bench) -> dict[str, bytes]:
    """Give what lies outside the container, but for the database that reading opens."""
    inside = bench.home / "datastores/workspaceblobstore"
    kept = (path for path in bench.home.rglob("*") if inside not in path.parents)
    names = {str(path): path for path in kept if not path.name.startswith("batchyard.db") and path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if "blob-metadata" not in name}


@settings(max_examples=150, deadline=None)
@given(paths, st.sampled_from(["PUT", "GET", "HEAD", "DELETE"]))
@example(b"link/token", "PUT")
@example(b"folder/link", "GET")
@example(b"%2e%2e/workspaceartifactstore/a", "PUT")
@example(b"..%2f..%2fsecret", "DELETE")
@example(b"a%00/../../secret", "GET")
def test_no_raw_path_leaves_its_container_or_is_an_error_of_ours(fuzzed: Bench, path: bytes, method: str) -> None:
    before = around(fuzzed)

    status = fuzzed.raw(method, f"{BLOBS}/".encode() + path, BODY)

    assert status < 500
    assert around(fuzzed) == before


@settings(max_examples=100, deadline=None)
@given(paths, st.sampled_from(["PUT", "GET", "HEAD"]))
@example(b"../workspaceblobstore/folder/a", "PUT")
@example(b"%2e%2e%2fcode-2/a", "PUT")
def test_no_raw_path_leads_a_signed_url_out_of_its_container(fuzzed: Bench, path: bytes, method: str) -> None:
    query = fuzzed.identity.sign_url("/code-1", expires_at=2e9, permission="w", is_folder=True)
    store = fuzzed.home / "datastores"
    before = sorted(store.rglob("*"))

    status = fuzzed.raw(method, b"/blob/u.blob.core.windows.net/code-1/" + path, BODY, query=query.encode())

    assert status < 500
    assert sorted(store.rglob("*")) == before
    assert {path.name for path in (fuzzed.home / "uploads").glob("*")} <= {"code-1"}
