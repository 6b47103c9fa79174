"""Many small files, and the pages in which the blob gateway lists them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchyard.api.blob.listing import BlobQuery, list_page
from batchyard.datastores.local import LocalDatastore


def make_files(root: Path, *, folders: int, files: int) -> list[str]:
    """Make that many empty files in each of that many folders, and give their paths in order."""
    for folder in range(folders):
        (root / f"{folder:03d}").mkdir()
        for number in range(files):
            os.close(os.open(root / f"{folder:03d}" / f"{number:04d}", os.O_CREAT | os.O_WRONLY, 0o600))
    return [f"{folder:03d}/{number:04d}" for folder in range(folders) for number in range(files)]


def pages(root: Path, *, size: int) -> Iterator[list[str]]:
    """Give the paths of each page, one page after the other."""
    marker = ""
    while True:
        page = list_page(LocalDatastore(root), BlobQuery("", "", marker, size))
        yield [item if isinstance(item, str) else item.path for item in page.items]
        marker = page.next_marker
        if not marker:
            return


def check_pages(root: Path, patch: pytest.MonkeyPatch, *, folders: int, files: int) -> None:
    """See that pages of five folders give each name once and in order, and that late ones open no more than others."""
    expected = make_files(root, folders=folders, files=files)
    opened: list[bytes] = []
    scandir = os.scandir

    def counting(path: bytes) -> object:
        opened.append(path)
        return scandir(path)

    patch.setattr(os, "scandir", counting)
    names, counts = [], []
    for page in pages(root, size=5 * files):
        names += page
        counts.append(len(opened))
        opened.clear()
    patch.undo()

    assert names == expected
    assert len(counts) == folders // 5
    # The top, the folders of the page, and the one in which the next page begins.
    assert max(counts) <= 7
