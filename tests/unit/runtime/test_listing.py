"""The listing, read by offset, in any cut."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from batchyard_runtime.listing import Listing

NAMES = [b"a", b"new\nline", b"\xff", "ünï".encode(), b"sub/b c"]


def listing(folder: Path, names: list[bytes], size: int) -> Listing:
    """Write a listing and open it."""
    ends = [0]
    for name in names:
        ends.append(ends[-1] + len(name) + 1)
    (folder / "listing").write_bytes(b"".join(name + b"\0" for name in names))
    (folder / "index").write_bytes(struct.pack(f"<{len(ends)}Q", *ends))
    return Listing(
        root="/in put/",
        listing=str(folder / "listing"),
        index=str(folder / "index"),
        items=len(names),
        mini_batch_size=size,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_every_cut_gives_every_path_in_order(tmp_path: Path, size: int) -> None:
    cut = list(listing(tmp_path, NAMES, size).mini_batches(0, -(-len(NAMES) // size)))
    assert [os.fsencode(path) for paths in cut for path in paths] == [b"/in put/" + name for name in NAMES]
    assert [len(paths) for paths in cut[:-1]] == [size] * (len(cut) - 1)


def test_lease_longer_than_a_chunk_is_whole(tmp_path: Path) -> None:
    names = [b"%d" % k for k in range(10_000)]
    cut = list(listing(tmp_path, names, 3).mini_batches(1, 3333))
    assert [path for paths in cut for path in paths] == [f"/in put/{k}" for k in range(3, 10_000)]


def test_mini_batch_beyond_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        list(listing(tmp_path, NAMES, 2).mini_batches(3, 1))


def test_listing_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    listing(tmp_path, NAMES, 1)
    (tmp_path / "listing").write_bytes(b"a\0")
    with pytest.raises(ValueError, match="shorter than its 5 items"):
        Listing(root="/", listing=str(tmp_path / "listing"), index=str(tmp_path / "index"), items=5, mini_batch_size=1)
