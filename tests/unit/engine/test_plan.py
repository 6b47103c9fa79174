"""Freezing the input: what is listed, in which order, and how the files of a listing read back."""

from __future__ import annotations

import hashlib
import os
import socket
from itertools import chain
from pathlib import Path

import pytest

from batchyard.engine.plan import Listing, Skipped, freeze, walk
from batchyard.engine.sorting import SortedRuns
from batchyard_runtime.listing import Listing as WorkersListing

ODD = [b"a b", b"a#b", b"a\nb", b"a\xff", b"a", b"a-", "ü".encode(), b"B"]


def listed(root: Path) -> list[bytes]:
    return sorted(chain.from_iterable(walk(os.fsencode(root), Skipped())))


def touch(root: Path, *names: bytes) -> Path:
    for name in names:
        path = Path(os.fsdecode(os.path.join(os.fsencode(root), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_files_of_all_folders_are_listed_by_their_bytes(tmp_path: Path) -> None:
    names = [*ODD, b"folder/x", b"folder/deeper/\xfe", b"a-/x/y"]
    touch(tmp_path, *[n for n in names if n != b"a-"])
    (tmp_path / "empty").mkdir()
    assert listed(tmp_path) == sorted(n for n in names if n != b"a-")


def test_links_to_files_are_files_also_where_they_lead_nowhere_or_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, b"file", b"folder/file")
    for name, target in (("link", "file"), ("broken", "nothing"), ("circle", "circle"), ("folder/circle", "circle")):
        (tmp_path / name).symlink_to(target)
    assert listed(tmp_path) == [b"broken", b"circle", b"file", b"folder/circle", b"folder/file", b"link"]


def test_links_to_folders_are_followed_once_and_always_the_same_one(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", b"x")
    root = touch(tmp_path / "root", b"deep/y")
    for name in ("z", "m", "a"):
        (root / name).symlink_to(tmp_path / "elsewhere")
    (root / "deep" / "up").symlink_to(root)
    assert listed(root) == [b"a/x", b"deep/y"]


def test_pipes_sockets_devices_and_links_to_them_are_skipped_and_counted(tmp_path: Path) -> None:
    touch(tmp_path, b"file", b"folder/file")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "folder" / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fspath(tmp_path / "socket"))
        skipped = Skipped()
        assert sorted(chain.from_iterable(walk(os.fsencode(tmp_path), skipped))) == [b"file", b"folder/file"]
    assert skipped.count == 4
    assert skipped.names() == [b"device", b"folder/pipe", b"pipe", b"socket"]


def test_of_many_that_are_skipped_the_first_hundred_are_named() -> None:
    skipped = Skipped()
    for number in range(999, -1, -1):
        skipped.add(b"%03d" % number)
    assert (skipped.count, skipped.names()) == (1000, [b"%03d" % number for number in range(100)])


def test_folder_that_is_gone_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        listed(tmp_path / "gone")
    assert caught.value.filename == os.fsencode(tmp_path / "gone")


@pytest.mark.parametrize("run_bytes", [1, 16 << 20])
def test_frozen_listing_reads_back_whole_for_engine_and_workers(tmp_path: Path, run_bytes: int) -> None:
    names = [*ODD, *(b"%d" % n for n in range(10_000))]
    runs = SortedRuns(tmp_path / "runs", run_bytes=run_bytes)
    runs.extend(names)
    digest = freeze(runs.slices(), tmp_path / "listing")
    names.sort()
    assert (tmp_path / "listing").read_bytes() == b"".join(name + b"\0" for name in names)
    assert digest == hashlib.sha256((tmp_path / "listing").read_bytes()).hexdigest()
    engine = Listing(tmp_path / "listing")
    assert [engine.path(position) for position in range(len(names))] == names
    engine.close()
    worker = WorkersListing(
        root="/in",
        listing=str(tmp_path / "listing"),
        index=str(tmp_path / "listing.index"),
        items=len(names),
        mini_batch_size=7,
    )
    batches = worker.mini_batches(0, -(-len(names) // 7))
    assert [os.fsencode(path) for path in chain.from_iterable(batches)] == [b"/in/" + name for name in names]


def test_empty_listing_is_one_offset(tmp_path: Path) -> None:
    freeze(iter([]), tmp_path / "listing")
    assert (tmp_path / "listing").read_bytes() == b""
    assert (tmp_path / "listing.index").read_bytes() == bytes(8)
