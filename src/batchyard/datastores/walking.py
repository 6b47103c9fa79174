"""Files of a folder in the order of their paths' bytes, from any point on. Knows names alone; nothing is confined here.

Only one folder of each level is held at a time, so memory depends on the largest folder and not on the number of files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# A file being written; never listed, so that nobody reads half a file.
UNFINISHED = b".unfinished-"


def files_in_order(root: bytes, prefix: bytes, *, start: bytes) -> Iterator[bytes]:
    """Give the paths, relative to root, of files and links that begin with prefix and do not come before start.

    Folders that cannot hold such a path are not opened. Raises: OSError.
    """
    base = _folder_of(prefix)
    waiting = [(base, _children(root, base))]
    while waiting:
        folder, names = waiting[-1]
        if not names:
            waiting.pop()
            continue
        path = folder + names.pop()
        if path.endswith(b"/"):
            if _may_hold(path, prefix, start):
                waiting.append((path, _children(root, path)))
        elif path.startswith(prefix) and path >= start:
            yield path


def level_in_order(root: bytes, prefix: bytes, *, start: bytes) -> Iterator[bytes]:
    """Give the files and links of one level as `files_in_order` does, and folders that hold one, ended by '/'.

    The level is that of the folder in which prefix ends. Raises: OSError.
    """
    base = _folder_of(prefix)
    names = _children(root, base)
    while names:
        path = base + names.pop()
        if not path.startswith(prefix) or path < start:
            continue
        if not path.endswith(b"/") or holds_a_file(os.path.join(root, path)):
            yield path


def holds_a_file(folder: bytes) -> bool:
    """Say whether a folder holds a file or link at any depth; of a large one only the first names are read.

    Raises: OSError.
    """
    waiting = [folder]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.name.startswith(UNFINISHED):
                    return True
    return False


def _folder_of(prefix: bytes) -> bytes:
    return prefix[: prefix.rfind(b"/") + 1]


def _may_hold(folder: bytes, prefix: bytes, start: bytes) -> bool:
    is_wanted = folder.startswith(prefix) or prefix.startswith(folder)
    return is_wanted and (folder >= start or start.startswith(folder))


def _children(root: bytes, folder: bytes) -> list[bytes]:
    """Give the names in a folder, the last one first; those of folders end with '/', as their paths go on with it."""
    try:
        entries = os.scandir(os.path.join(root, folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    with entries:
        names = [
            entry.name + b"/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
            if not entry.name.startswith(UNFINISHED)
        ]
    names.sort(reverse=True)
    return names
