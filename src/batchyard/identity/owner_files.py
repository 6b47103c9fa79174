"""Small files that only the owner can read, written whole or not at all. Nothing here knows what they hold."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from batchyard.domain.errors import PlatformError

OWNER_ONLY = 0o600


def create_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Give the file's content, making it first when there is none; two processes at once get the same content.

    Raises: PlatformError when the file is readable by others than its owner, or empty.
    """
    if not path.exists():
        beside = _write_beside(path, make(), mode=OWNER_ONLY)
        try:
            # A link never replaces: whoever comes second keeps what the first one wrote.
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        sync_folder(path.parent)
    return read_private(path)


def read_private(path: Path) -> bytes:
    """Give the content of a file that must be there.

    Raises: PlatformError when it is readable by others than its owner, or empty.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        content = file.read()
    if found.st_mode & 0o077 or found.st_uid != os.getuid():
        raise PlatformError(
            f"{str(path)!r} can be read by others than its owner (mode {found.st_mode & 0o777:04o}). "
            "Its secret must be taken as known: delete it, so that a new one is made at the next start."
        )
    if not content.strip():
        raise PlatformError(f"{str(path)!r} is empty. Delete it, so that a new one is made at the next start.")
    return content


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Put new content in place of a file, durably; a reader sees the old or the new bytes."""
    beside = _write_beside(path, content, mode=mode)
    os.replace(beside, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_beside(path: Path, content: bytes, *, mode: int) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        # The umask may only have taken bits away; the mode is set whatever it was.
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return beside
