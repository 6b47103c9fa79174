"""Lists of `ports.datastore`: order, going on from a start, one level."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from batchyard.api.blob.listing import BlobQuery, list_page
from batchyard.datastores.local import LocalDatastore
from tests.support.many_files import check_pages, make_files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def store(root: Path) -> LocalDatastore:
    return LocalDatastore(root)


def test_a_list_is_in_the_order_of_the_paths_bytes_and_goes_on_from_any_start(
    store: LocalDatastore, root: Path
) -> None:
    names = ["a", "a-b/c", "a.txt", "a/b/c", "a/b.d", "a/b0", "a0", "b/ü", "b/z", os.fsdecode(b"b/\xff"), "é/x", "z"]
    names.remove("a")  # A name is a file or a folder.
    for name in names:
        store.put(name, [b"x"], create_only=True)
    (root / "empty").mkdir()
    ordered = sorted(names, key=os.fsencode)

    assert [entry.path for entry in store.list("")] == ordered
    for start in [*names, "a/", "a/b", "a/b/", "a/b/zz", "b", "zz", "\0"]:
        expected = [name for name in ordered if os.fsencode(name) >= os.fsencode(start)]
        assert [entry.path for entry in store.list("", start=start)] == expected, start
    for prefix in ["a", "a/", "a/b", "a/b/", "b/", "no/such"]:
        expected = [name for name in ordered if name.startswith(prefix)]
        assert [entry.path for entry in store.list(prefix)] == expected, prefix


def test_a_level_gives_folders_with_files_once(store: LocalDatastore, root: Path) -> None:
    for name in ("a/1", "a/2/3", "a.txt", "b/c"):
        store.put(name, [b"x"], create_only=True)
    (root / "a/empty/empty").mkdir(parents=True)

    def level(prefix: str, start: str = "") -> list[str]:
        return [item if isinstance(item, str) else item.path for item in store.level(prefix, start=start)]

    assert level("") == ["a.txt", "a/", "b/"]
    assert level("", start="a/") == ["a/", "b/"]
    assert level("a") == ["a.txt", "a/"]
    assert level("a/") == ["a/1", "a/2/"]
    assert level("no/such/") == []


def test_pages_give_each_name_once_in_order_for_the_same_work_each(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_pages(root, monkeypatch, folders=50, files=20)


def test_a_page_holds_no_more_than_itself_and_the_folder_it_is_in(root: Path) -> None:
    make_files(root, folders=20, files=100)
    tracemalloc.start()
    page = list_page(LocalDatastore(root), BlobQuery("", "", "015/", 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(page.items) == 100
    assert peak < 200_000
