"""Job homes as local folders, `jobs/<job>/`."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from batchyard.datastores.disk import disk_errors, make_folder, sync_folder, sync_tree, write_new
from batchyard.domain.errors import Conflict, NotFound

_TRIES = 5  # Each of them deletes what it can; whoever else is at it ends soon.


class LocalAppendFile:
    """An append-only file; every error of the disk ends its use."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        sync_folder(path.parent)

    def write(self, content: bytes) -> None:
        with disk_errors(f"append to {self._name!r}"):
            view = memoryview(content)
            while view:
                view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        with disk_errors(f"sync {self._name!r}"):
            os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class LocalJobHome:
    """One folder, only the owner may enter it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> Path:
        target = self._root / name
        with disk_errors(f"make the folder of {name!r}"):
            make_folder(target.parent)
        return target

    def exists(self, name: str) -> bool:
        return (self._root / name).exists()

    def create(self, name: str, content: bytes) -> None:
        target = self.path(name)
        with disk_errors(f"write {name!r}"):
            try:
                write_new(target, [content])
            except FileExistsError as exc:
                raise Conflict(f"{name!r} is there already.") from exc

    def append(self, name: str) -> LocalAppendFile:
        target = self.path(name)
        with disk_errors(f"make {name!r}"):
            try:
                return LocalAppendFile(target)
            except FileExistsError as exc:
                raise Conflict(f"{name!r} is there already.") from exc

    def sync(self, name: str) -> None:
        with disk_errors(f"sync {name!r}"):
            fd = os.open(self._root / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def sync_tree(self, name: str) -> None:
        with disk_errors(f"sync {name!r}"):
            sync_tree(self._root / name)
            sync_folder((self._root / name).parent)

    def read(self, name: str) -> BinaryIO:
        try:
            # No link is followed, and no pipe waited for: parts of workers lie in folders that a script can write to.
            return open(self._root / name, "rb", opener=_open_plain)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            raise NotFound(f"{name!r} is not in the job home.") from exc

    def list(self, folder: str) -> Sequence[str]:
        place = self._root / folder
        return sorted(p.name for p in place.iterdir() if p.is_file()) if place.is_dir() else []

    def folders(self, folder: str = ".") -> Sequence[str]:
        return _folders(self._root / folder)

    def remove_tree(self, name: str) -> None:
        with disk_errors(f"remove {name!r}"):
            _remove_tree(self._root / name)


class LocalJobHomes:
    """`jobs/` of a home."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def exists(self, job: str) -> bool:
        return (self._root / job).is_dir()

    def open(self, job: str) -> LocalJobHome:
        folder = self._root / job
        with disk_errors(f"make the home of job {job!r}"):
            make_folder(folder)
        return LocalJobHome(folder)

    def names(self) -> Sequence[str]:
        return _folders(self._root)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _folders(place: Path) -> list[str]:
    try:
        with os.scandir(place) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _remove_tree(folder: Path) -> None:
    """Delete a folder that others may be deleting, or still writing in; scripts leave folders that refuse writing."""
    for attempt in range(_TRIES):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not folder.exists():
                return
        except OSError:
            if attempt == _TRIES - 1:
                raise
            _allow_writing(folder)


def _allow_writing(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        for parent, folders, _ in os.walk(folder):
            for path in (os.path.join(parent, name) for name in folders):
                if not os.path.islink(path):  # What a link leads to is none of ours.
                    os.chmod(path, 0o700)
