"""The promises of ports.blobs.StagedBlocks, kept by local folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchyard.datastores.blocks import LocalStagedBlocks
from batchyard.domain.errors import PlatformError

WEEK_S = 7 * 24 * 3600


def filling(size: int) -> Iterator[bytes]:
    yield b"x" * size
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_a_platform_error_and_leaves_no_block(tmp_path: Path) -> None:
    blocks = LocalStagedBlocks(tmp_path / "blocks")

    with pytest.raises(PlatformError, match="No space left"):
        blocks.put("c", "a", b"1", filling(10))

    assert list((tmp_path / "blocks").iterdir()) == []


def test_blocks_that_nobody_added_to_for_a_week_are_removed_with_the_next(tmp_path: Path) -> None:
    root = tmp_path / "blocks"
    LocalStagedBlocks(root).put("c", "old", b"1", [b"x"])
    LocalStagedBlocks(root).put("c", "young", b"1", [b"x"])
    (root / ".unfinished-dead").write_text("x")
    made = (root / ".unfinished-dead").stat().st_mtime
    with committed(LocalStagedBlocks(root), "young") as young:
        keep = len(young)
    old = next(path for path in root.iterdir() if path.is_dir())
    for path in (old, root / ".unfinished-dead"):
        os.utime(path, (made, made - WEEK_S - 60))

    LocalStagedBlocks(root).put("c", "new", b"1", [b"x"])

    assert keep == 1
    assert not old.exists()
    assert not (root / ".unfinished-dead").exists()
    assert len(list(root.iterdir())) == 1


@contextmanager
def committed(blocks: LocalStagedBlocks, name: str) -> Iterator[list[bytes]]:
    with blocks.committing("c", name) as staged_blob:
        yield list(staged_blob.joined([b"1"]))


def test_a_commit_that_fails_keeps_the_blocks(tmp_path: Path) -> None:
    blocks = LocalStagedBlocks(tmp_path / "blocks")
    blocks.put("c", "a", b"1", [b"x"])

    with pytest.raises(PlatformError), blocks.committing("c", "a"):
        raise PlatformError("the disk is full")

    with committed(blocks, "a") as content:
        assert content == [b"x"]
