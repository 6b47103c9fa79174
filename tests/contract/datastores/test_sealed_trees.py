"""Sealed trees looked at again: each of their files that is not as it was is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from batchyard.datastores.in_place import InPlaceTrees
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import FILE_LISTS, LocalSealedStore
from batchyard.domain.assets import Sealed
from batchyard.domain.outputs.verification import Check, Progress, Result

FILES = {"score.py": "pass", "lib/a.py": "a = 1", "lib/b.py": "b = 2"}


@pytest.fixture
def store(tmp_path: Path) -> LocalSealedStore:
    return LocalSealedStore(tmp_path / "sealed", LocalDatastores(tmp_path))


@pytest.fixture
def sealed(store: LocalSealedStore) -> Sealed:
    return store.add(FILES)


def wrong(store: LocalSealedStore, sealed: Sealed) -> list[str]:
    checks = [event for event in store.check(sealed, "code") if isinstance(event, Check)]
    return [check.file for check in checks if check.result is Result.WRONG]


def change(path: Path, content: bytes) -> None:
    """Write where nobody may: as whoever owns the disk could."""
    os.chmod(path, 0o644)
    path.write_bytes(content)
    os.chmod(path, 0o444)


def test_a_tree_as_it_was_sealed_is_right_and_progress_is_told(store: LocalSealedStore, sealed: Sealed) -> None:
    events = list(store.check(sealed, "code"))
    assert wrong(store, sealed) == []
    assert Progress("code", "lib/a.py", 5) in events
    assert isinstance(events[-1], Check) and events[-1].note == f"3 files, 14 bytes, sha256 {sealed.sha256}"
    one = store.add({"score.py": "pass"})
    notes = [event.note for event in store.check(one, "code") if isinstance(event, Check)]
    assert notes[-1] == f"1 file, 4 bytes, sha256 {one.sha256}"


def test_a_flipped_byte_a_missing_an_added_and_an_executable_file_are_all_named(
    store: LocalSealedStore, sealed: Sealed
) -> None:
    root = store.path(sealed)
    change(root / "lib/a.py", b"a = 2")
    (root / "lib/b.py").unlink()
    (root / "added").write_text("x")
    os.chmod(root / "score.py", 0o555)
    assert wrong(store, sealed) == ["added", "lib/a.py", "lib/b.py", "score.py", ""]


def test_a_tree_that_is_gone_is_wrong(store: LocalSealedStore, sealed: Sealed) -> None:
    shutil.rmtree(store.path(sealed))
    assert wrong(store, sealed) == [""]


@pytest.mark.parametrize("is_damaged", [True, False])
def test_without_the_list_of_its_files_a_changed_tree_is_still_known_to_be_wrong(
    store: LocalSealedStore, sealed: Sealed, tmp_path: Path, is_damaged: bool
) -> None:
    kept = tmp_path / "sealed" / FILE_LISTS / sealed.sha256
    if is_damaged:
        change(kept, kept.read_bytes().replace(b"score.py", b"score.pz"))
    else:
        kept.unlink()
    assert store.files(sealed) is None
    assert wrong(store, sealed) == []
    change(store.path(sealed) / "lib/a.py", b"a = 2")
    assert wrong(store, sealed) == [""]


def test_sealing_again_gives_a_tree_of_before_its_list(store: LocalSealedStore, sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "sealed" / FILE_LISTS / sealed.sha256).unlink()
    assert store.add(FILES) == sealed
    assert [file.path for file in store.files(sealed) or ()] == [b"lib/a.py", b"lib/b.py", b"score.py"]


def test_a_tree_used_in_place_tells_the_same_files(store: LocalSealedStore, sealed: Sealed, tmp_path: Path) -> None:
    trees = InPlaceTrees(tmp_path / "views")
    assert trees.add(store.path(sealed), keep_name=False) == sealed
    assert trees.files(sealed) == store.files(sealed)


def test_a_model_used_in_place_is_a_real_folder_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "flow" / "deep").mkdir(parents=True)
    (tmp_path / "flow" / "deep" / "MLmodel").write_text("here")
    trees = InPlaceTrees(tmp_path / "views")
    view = trees.path(trees.add(tmp_path / "flow", keep_name=True))
    assert (view / "flow" / "deep").resolve() == view / "flow" / "deep"
    assert (view / "flow" / "deep" / "MLmodel").read_text() == "here"
