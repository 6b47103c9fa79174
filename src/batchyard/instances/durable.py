"""Makes the bytes that workers wrote durable: their part files, and the files their scripts wrote."""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from batchyard.domain.errors import PlatformError

_MOST_OPEN = 64


class Durability:
    """Syncs part files by name, keeping the descriptors of the last 64 open.

    `sync` may run in another thread than `note_files`; what is noted before `sync` is called is in it.
    """

    def __init__(self, *, parts_dir: Path, files_dir: Path) -> None:
        self._parts_dir = parts_dir
        self._files_dir = files_dir
        self._fds: OrderedDict[str, int] = OrderedDict()
        self._has_files = False

    def note_files(self) -> None:
        """Remember that a script has written files of its own since the last sync."""
        self._has_files = True

    def sync(self, parts: Sequence[str]) -> None:
        """Make what these part files hold, and all files of scripts reported so far, durable. Raises: PlatformError."""
        try:
            for part in parts:
                os.fdatasync(self._fd(part))
            if self._has_files:
                # First this: what is noted from now on may be written only after the sync.
                self._has_files = False
                self._sync_files()
        except OSError as exc:
            raise PlatformError(f"Rows in {os.fspath(self._parts_dir)!r} cannot be made durable: {exc}") from exc

    def close(self) -> None:
        """Let go of all descriptors."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _fd(self, part: str) -> int:
        """Give a descriptor of the part; the first time, its name in the folder is made durable as well."""
        if part in self._fds:
            self._fds.move_to_end(part)
            return self._fds[part]
        path = self._parts_dir / part
        _sync_folder(self._parts_dir)
        if path.parent != self._parts_dir:  # The worker has a folder of its own.
            _sync_folder(path.parent)
        # No link is followed: the script may have put one in its place.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        self._fds[part] = fd
        if len(self._fds) > _MOST_OPEN:
            os.close(self._fds.popitem(last=False)[1])
        return fd

    def _sync_files(self) -> None:
        """Sync the whole file system of the files: one call instead of one for each of many small files."""
        folder = os.open(self._files_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(folder)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
