"""A file layer that forgets what was not made durable, as a disk does when the power goes.

`note_syncs` watches every fsync, fdatasync and syncfs of this process and of those it forks: what a file held and which
names a folder had at that moment is written down in `notes`. After everything of the home was killed, `forget` makes
the job homes and the outputs what a disk may hold then, strictly: files are cut back to what was synced, names whose
folder was not synced are gone, renames that were not synced are undone. The database keeps its own promise
(`synchronous=FULL`) and is left as it is.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a home promises to keep.
WATCHED = ("jobs", "datastores/workspaceblobstore")


def note_all(home: Path, notes: Path) -> None:
    """Write down that everything there is now is durable."""
    (notes / "pins").mkdir(parents=True, exist_ok=True)
    _write(notes, [line for root in _roots(home) for line in _lines_of_tree(root, notes)])


def note_syncs(home: Path, notes: Path) -> None:
    """Watch the syncs of this process and its forks from now on."""
    os.fsync = _noting(os.fsync, home, notes)
    os.fdatasync = _noting(os.fdatasync, home, notes)
    real_cdll = ctypes.CDLL

    def cdll(name: str | None, *, use_errno: bool = False) -> _Library:
        return _Library(real_cdll(name, use_errno=use_errno), home, notes)

    ctypes.CDLL = cdll  # type: ignore[assignment, misc] # A stand-in for the one way in which it is called.


def forget(home: Path, notes: Path) -> None:
    """Take away what was not durable. Nothing of the home may run."""
    durable = _read(notes)
    for root in _roots(home):
        _undo_renames(root, durable)
    for root in _roots(home):
        if root.is_dir():
            _restore(root, durable, notes)


@dataclass
class _Durable:
    """files: inode -> bytes that are durable. folders: folder's identity -> its names and their inodes."""

    files: dict[int, int] = field(default_factory=dict)
    folders: dict[str, dict[str, int]] = field(default_factory=dict)


class _Library:
    """The C library, its `syncfs` noted: everything on the file system is durable after it."""

    def __init__(self, library: ctypes.CDLL, home: Path, notes: Path) -> None:
        self._library, self._home, self._notes = library, home, notes

    def __getattr__(self, name: str) -> Any:  # Any: a C function
        found = getattr(self._library, name)
        return self._syncfs if name == "syncfs" else found

    def _syncfs(self, fd: int) -> int:
        lines = [line for root in _roots(self._home) for line in _lines_of_tree(root, self._notes)]
        result = int(self._library.syncfs(fd))
        if result == 0:
            _write(self._notes, lines)
        return result


def _noting(real: Callable[[Any], None], home: Path, notes: Path) -> Callable[[Any], None]:
    below = [os.fspath(root) for root in _roots(home)]

    def sync(fd: Any) -> None:  # Any: a descriptor or a file, as `os.fsync` takes
        number = fd if isinstance(fd, int) else fd.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")
        is_watched = any(path == root or path.startswith(root + os.sep) for root in below)
        line = _line_of(path, notes) if is_watched else None  # What was there before the call is durable after it.
        real(fd)
        if line:
            _write(notes, [line])

    return sync


def _roots(home: Path) -> list[Path]:
    return [home / name for name in WATCHED]


def _lines_of_tree(root: Path, notes: Path) -> Iterator[dict[str, Any]]:
    for parent, _, names in os.walk(root):
        for path in (parent, *(os.path.join(parent, name) for name in names)):
            line = _line_of(path, notes)
            if line:
                yield line


def _line_of(path: str, notes: Path) -> dict[str, Any] | None:
    """Say what a file or folder holds now; None when it is gone. The file is pinned: its number is not given again."""
    try:
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                return {"folder": _identity(path), "names": {os.fsdecode(e.name): e.inode() for e in entries}}
        if stat.S_ISREG(found.st_mode):
            _pin(path, notes / "pins" / str(found.st_ino))
            return {"file": found.st_ino, "size": found.st_size}
    except (FileNotFoundError, NotADirectoryError):
        pass
    return None


def _pin(path: str, pin: Path) -> None:
    try:
        os.link(path, pin, follow_symlinks=False)
    except FileExistsError:
        return


class _Statx(ctypes.Structure):
    _fields_ = (
        ("head", ctypes.c_uint8 * 80),
        ("born_s", ctypes.c_int64),
        ("born_ns", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 164),
    )


_LIBC = ctypes.CDLL(None)


def _identity(folder: str | Path) -> str:
    """A folder's inode and its birth, for the numbers of inodes are given again."""
    found = _Statx()
    if _LIBC.statx(-100, os.fsencode(folder), 0x100, 0x800, ctypes.byref(found)) != 0:
        raise FileNotFoundError(folder)
    return f"{os.lstat(folder).st_ino}/{found.born_s}.{found.born_ns}"


def _write(notes: Path, lines: list[dict[str, Any]]) -> None:
    fd = os.open(notes / "syncs", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    finally:
        os.close(fd)


def _read(notes: Path) -> _Durable:
    durable = _Durable()
    for raw in (notes / "syncs").read_bytes().splitlines():
        line = json.loads(raw)
        if "folder" in line:
            durable.folders[line["folder"]] = line["names"]
        else:
            # A file that was cut since holds less; what it grew by was not synced.
            durable.files[line["file"]] = line["size"]
    return durable


def _undo_renames(root: Path, durable: _Durable) -> None:
    """Move back what a folder durably has under another name, where the rename itself was not made durable."""
    places = {os.lstat(path).st_ino: path for path in _everything(root)}
    for folder in [path for path in places.values() if path.is_dir() and not path.is_symlink()]:
        for name, inode in durable.folders.get(_identity(folder) if folder.exists() else "", {}).items():
            now = places.get(inode)
            if now is None or os.path.lexists(folder / name) or _is_durable_at(now, inode, durable):
                continue
            os.rename(now, folder / name)
            places = {os.lstat(path).st_ino: path for path in _everything(root)}


def _is_durable_at(path: Path, inode: int, durable: _Durable) -> bool:
    return durable.folders.get(_identity(path.parent), {}).get(path.name) == inode


def _everything(root: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(root):
        yield Path(parent)
        yield from (Path(parent, name) for name in names)
        yield from (Path(parent, name) for name in folders if os.path.islink(os.path.join(parent, name)))


def _restore(folder: Path, durable: _Durable, notes: Path) -> None:
    names = durable.folders.get(_identity(folder), {})
    for entry in list(os.scandir(folder)):
        path = Path(entry.path)
        if names.get(entry.name) != entry.inode():
            _remove(path)
        elif entry.is_dir(follow_symlinks=False):
            _restore(path, durable, notes)
        elif entry.is_file(follow_symlinks=False):
            os.truncate(path, min(entry.stat().st_size, durable.files.get(entry.inode(), 0)))
    for name, inode in names.items():
        pin = notes / "pins" / str(inode)
        if not os.path.lexists(folder / name) and pin.exists():  # Deleted, and the deletion forgotten.
            os.link(pin, folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
