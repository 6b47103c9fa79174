"""Blocks of large uploads as files of their own, until a block list makes them one blob."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from batchyard.datastores.disk import disk_errors, make_folder, sync_folder, write_new
from batchyard.domain.errors import InvalidInput, Mistake, PlatformError

_PIECE_BYTES = 1 << 20
_UNFINISHED = ".unfinished-"
_KEPT_S = 7 * 24 * 3600.0
_BETWEEN_SWEEPS_S = 3600.0
_TRIES = 10


class LocalStagedBlocks:
    """`blob-blocks/<hash of the blob's place>/<block id in hex>` of a home.

    Each block is durable before it is confirmed, so a commit after a power cut joins what was confirmed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept_at: float | None = None

    def put(self, container: str, name: str, block_id: bytes, chunks: Iterable[bytes]) -> None:
        """Keep a block durably, whole or not at all, in place of an older one with this id. Raises: PlatformError."""
        unfinished = self._root / f"{_UNFINISHED}{secrets.token_hex(8)}"
        with disk_errors(f"keep a block of {name!r}"):
            make_folder(self._root)
            self._sweep()
            try:
                write_new(unfinished, chunks)
                _put_below(unfinished, self._folder(container, name), block_id.hex())
            finally:
                unfinished.unlink(missing_ok=True)

    @contextlib.contextmanager
    def committing(self, container: str, name: str) -> Iterator[_LocalStagedBlob]:
        """Hold a blob's blocks, as one commit at a time can; left without an exception, all of them are removed."""
        folder = self._folder(container, name)
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield _LocalStagedBlob(folder, name)
            return
        try:
            # The kernel lets go of it when the process ends, however it does.
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield _LocalStagedBlob(folder, name)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Remove what nobody added to for a week; at most once an hour."""
        now = time.time()
        if self._swept_at is not None and now - self._swept_at < _BETWEEN_SWEEPS_S:
            return
        self._swept_at = now
        for path in list(self._root.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _KEPT_S:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    def _folder(self, container: str, name: str) -> Path:
        return self._root / hashlib.sha256(f"{container}/{name}".encode(errors="surrogateescape")).hexdigest()


class _LocalStagedBlob:
    """The blocks of one blob. name: for messages."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def joined(self, block_ids: Sequence[bytes]) -> Iterator[bytes]:
        """Give the bytes of these blocks, in this order. Raises: InvalidInput naming blocks that are not there."""
        try:
            known = set(os.listdir(self._folder))
        except FileNotFoundError:
            known = set()
        missing = [block_id for block_id in dict.fromkeys(block_ids) if block_id.hex() not in known]
        if missing:
            found = f"{len(missing)} blocks that were not uploaded, or were committed already, such as {missing[0]!r}"
            raise InvalidInput(f"block list of {self._name!r}", [Mistake("", found, "ids of uploaded blocks")])
        return _pieces([self._folder / block_id.hex() for block_id in block_ids])


def _pieces(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb", buffering=0) as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece


def _put_below(unfinished: Path, folder: Path, name: str) -> None:
    for _ in range(_TRIES):
        folder.mkdir(mode=0o700, exist_ok=True)
        # A commit may remove the folder at this very moment; then it is made again.
        with contextlib.suppress(FileNotFoundError):
            os.replace(unfinished, folder / name)
            sync_folder(folder)
            sync_folder(folder.parent)
            return
    raise PlatformError(f"The folder {str(folder)!r} is removed as often as it is made.")
