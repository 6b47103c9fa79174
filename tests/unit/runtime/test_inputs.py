"""Which item cannot be read: told by what is there, not by what the script made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchyard_runtime.inputs import unreadable


def made(folder: Path, kind: str) -> str:
    path = folder / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to(folder / "nothing")
    elif kind == "link in a circle":
        path.symlink_to(path)
    elif kind == "longer than a path can be":
        return str(folder / "/".join(["x" * 200] * 30))
    return str(path)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("gone", FileNotFoundError),
        ("link to nothing", FileNotFoundError),
        ("link in a circle", OSError),
        ("folder", IsADirectoryError),
        ("pipe", OSError),
        ("longer than a path can be", OSError),
    ],
)
def test_an_item_that_is_no_file_to_read_is_found_beside_good_ones(
    tmp_path: Path, kind: str, error: type[OSError]
) -> None:
    good = tmp_path / "good"
    good.write_bytes(b"")
    bad = made(tmp_path, kind)
    found = unreadable([str(good), bad, str(good)])
    assert found is not None
    assert (found[0], type(found[1])) == (bad, error)
    assert found[1].strerror


def test_nothing_is_found_where_all_can_be_read(tmp_path: Path) -> None:
    names = [b"empty", b"a b", b"a\nb", b"a\xff", b"-rf", b'q"uote', b"x" * 255]
    paths = [os.fsdecode(os.path.join(os.fsencode(tmp_path), name)) for name in names]
    for path in paths:
        Path(path).write_bytes(b"1")
    assert unreadable(paths) is None
