"""What uploads leave when the server is killed under them: files that nobody will ever finish, and nobody is shown."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from batchyard.datastores.sealed import FILE_LISTS
from batchyard.datastores.walking import UNFINISHED

_NAME = re.compile(re.escape(UNFINISHED) + rb"[0-9a-f]{16}")
# Between the end of writing, which lets go of the lock, and the rename; and between making a file and locking it.
_LEAST_AGE_S = 60.0
# Sealing is links and a hash: nothing that is sealed today began a day ago.
_SEALING_S = 24 * 3600.0


def remove_abandoned(places: Iterable[Path], *, sealed: Path, now: Callable[[], float]) -> int:
    """Remove unfinished files below these folders that no process holds, and unfinished trees; give how many.

    A file that a user has given such a name himself stays, unless it is made of the same sixteen digits. Links are not
    followed. now: epoch seconds. What cannot be looked at stays.
    """
    removed = 0
    for place in (*places, sealed / FILE_LISTS):
        for folder, _, names in os.walk(os.fsencode(place)):
            removed += sum(_remove(os.path.join(folder, name), now()) for name in names if _NAME.fullmatch(name))
    return removed + _remove_trees(sealed, now())


def _remove(path: bytes, now: float) -> bool:
    """Remove a file that has been left alone and is locked by nobody; tell whether it was."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if now - os.fstat(fd).st_mtime < _LEAST_AGE_S:
            return False
        os.unlink(path)
    except OSError:  # Held, finished meanwhile, or not ours to remove.
        return False
    finally:
        os.close(fd)
    return True


def _remove_trees(sealed: Path, now: float) -> int:
    found = [entry for entry in _entries(sealed) if _NAME.fullmatch(os.fsencode(entry.name))]
    old = [entry for entry in found if now - entry.stat(follow_symlinks=False).st_mtime > _SEALING_S]
    for entry in old:
        shutil.rmtree(entry.path, ignore_errors=True)
    return len(old)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
