"""Publishing what a step has made, a folder or a file: one rename that never replaces (rule 11).

Where the place is on another file system it is copied beside it first, into a hidden sibling.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from batchyard.datastores.disk import disk_errors, make_folder, rename_no_replace, sync_folder, sync_tree
from batchyard.datastores.publish import clear_left_overs, unfinished_prefix
from batchyard.domain.errors import Conflict
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.resource_ids import DatastorePath


def check_free(target: Path, place: DatastorePath, *, is_file: bool) -> None:
    """Let a place pass where nothing is, or for a folder an empty one. Raises: Conflict."""
    if os.path.lexists(target) and (is_file or not _is_empty_folder(target)):
        raise _taken(place)


def publish_tree(staged: Path, target: Path, place: DatastorePath, files: Sequence[TreeFile], *, job: str) -> None:
    """See `ports.datastore.Datastores.publish_tree`."""
    with disk_errors(f"publish {str(place)!r}"):
        make_folder(target.parent, mode=0o777)
        if not os.path.lexists(staged):
            _check_same(target, place, files)
        else:
            if staged.is_dir() and _is_empty_folder(target) and files:
                target.rmdir()
            _appear(staged, target, place, files, job=job)
        sync_folder(target.parent)


def _appear(staged: Path, target: Path, place: DatastorePath, files: Sequence[TreeFile], *, job: str) -> None:
    try:
        rename_no_replace(staged, target)
    except (Conflict, FileNotFoundError):
        _check_same(target, place, files)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        _copy(staged, target, place, files, job=job)


def _copy(staged: Path, target: Path, place: DatastorePath, files: Sequence[TreeFile], *, job: str) -> None:
    prefix = unfinished_prefix(job)
    clear_left_overs(target.parent, prefix)
    beside = target.parent / f"{prefix}{secrets.token_hex(8)}"
    try:
        beside.mkdir()
        copy = beside / target.name
        if staged.is_dir():
            shutil.copytree(staged, copy, copy_function=shutil.copy)
        else:
            shutil.copy(staged, copy)
        sync_tree(beside)
        rename_no_replace(copy, target)
    except Conflict:
        _check_same(target, place, files)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check_same(target: Path, place: DatastorePath, files: Sequence[TreeFile]) -> None:
    """Let a place pass that has these files and no others. Raises: Conflict."""
    if target.is_symlink() or not target.exists():
        raise _taken(place) if target.is_symlink() else Conflict(f"What was to be published at {place} is gone.")
    root = target if target.is_dir() else target.parent
    found = sorted(_names(target)) if target.is_dir() else [os.fsencode(target.name)]
    if found != [file.path for file in files] or not all(_is_as(root, file) for file in files):
        raise _taken(place)


def _names(folder: Path) -> list[bytes]:
    top = os.fsencode(folder)
    return [os.path.relpath(os.path.join(at, name), top) for at, _, names in os.walk(top) for name in names]


def _is_as(root: Path, file: TreeFile) -> bool:
    path = os.path.join(os.fsencode(root), file.path)
    if os.path.islink(path) or not os.path.isfile(path) or os.stat(path).st_size != file.size_bytes:
        return False
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _taken(place: DatastorePath) -> Conflict:
    return Conflict(f"Something else is at {place} already. Remove it, or choose another place for the output.")
