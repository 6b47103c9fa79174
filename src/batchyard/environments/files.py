"""Durable small files and read-only trees: how this room writes to its own folder."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put the text at the path whole and durable, or not at all; readers never see a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_read_only(folder: Path) -> None:
    """Take the write permission from everything below the folder, not from the folder itself.

    Files are hard links into the package cache: a script that could write to one would change every environment that
    has it. Links are left alone, they lead out of the folder.
    """
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode):
                os.chmod(path, mode & ~0o222)


def remove_tree(folder: Path) -> None:
    """Remove a folder though it may be read-only; a folder that is not there is fine."""
    if not folder.exists():
        return
    os.chmod(folder, 0o700)
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(place, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(folder)
