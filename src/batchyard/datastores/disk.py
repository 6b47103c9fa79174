"""Durable writing on a local disk: what is said to be there survives a power cut; errors become ours."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batchyard.domain.errors import Conflict, PlatformError

_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_AT_FDCWD = -100


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an OSError of the disk into a PlatformError telling what could not be done."""
    try:
        yield
    except OSError as exc:
        raise PlatformError(f"Could not {what}: {exc.strerror or exc}.") from exc


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Make a folder and those above it, durable with their names; nothing when it is there.

    mode: of what is made, less the umask; private by default. Raises: OSError.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent, mode=mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def probe_folder(folder: Path) -> None:
    """Write a block to a file without a name where a folder is, or will be made. Raises: PlatformError.

    The kernel forgets it with its last descriptor: a process that is killed here leaves nothing either.
    """
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    what = f"write to {str(folder)!r}"
    with disk_errors(what), tempfile.TemporaryFile(dir=folder, prefix=".unfinished-") as stream:
        stream.write(b"\0" * 4096)
        stream.flush()
        os.fsync(stream.fileno())


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Make a file that must not exist yet, durable with its name on return. Raises: FileExistsError; OSError.

    It is locked as long as it is written, so that whoever finds it can tell whether anybody still does.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as stream:
        fcntl.flock(fd, fcntl.LOCK_EX)
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Make every file below a folder durable, and every name, innermost first."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            fd = os.open(os.path.join(parent, name), os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_folder(Path(parent))


def rename_no_replace(source: Path, target: Path) -> None:
    """Rename, failing when the target exists in any form.

    `os.rename` silently replaces an empty folder; `renameat2(RENAME_NOREPLACE)` does not.
    Raises: Conflict when the target is there; OSError.
    """
    code = _renameat2(source, target, _RENAME_NOREPLACE)
    if code == errno.EEXIST:
        raise Conflict(f"{str(target)!r} is there already.")
    if code:
        raise OSError(code, os.strerror(code), str(target))


def rename_exchange(left: Path, right: Path) -> None:
    """Give each of two files or folders the name of the other, at once.

    Raises: Conflict where the file system cannot do that; OSError.
    """
    code = _renameat2(left, right, _RENAME_EXCHANGE)
    if code == errno.EINVAL:
        raise Conflict(f"The file system of {str(right.parent)!r} cannot exchange two names at once.")
    if code:
        raise OSError(code, os.strerror(code), str(right))


def _renameat2(source: Path, target: Path, flags: int) -> int:
    """Rename and give the error number, 0 for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags))
    return 0 if done == 0 else ctypes.get_errno()
