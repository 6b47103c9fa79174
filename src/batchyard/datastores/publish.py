"""Publishing on a local disk: beside the target, durable, then seen all at once (rule 11).

A new folder appears by one rename that never replaces. Into an existing folder the files appear one by one, none
replacing, the manifest last: the manifest is the commit, and whoever reads an output refuses one without it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from batchyard.datastores.disk import disk_errors, rename_no_replace, sync_folder, sync_tree
from batchyard.domain.errors import Conflict
from batchyard.domain.jobs import OutputTarget
from batchyard.ports.datastore import Piece, Written

FAILED_ITEMS = "_failed_items.jsonl"
MANIFEST = "_manifest.json"
_CHUNK_BYTES = 8 << 20


def published_names(file_name: str) -> tuple[str, str, str]:
    """The three names a job publishes into an existing folder: rows, failed items, manifest (last)."""
    return file_name, f"{file_name}.failed.jsonl", f"{file_name}.manifest.json"


class LocalPublication:
    """One output being built in a hidden sibling of its target."""

    def __init__(self, folder: Path, target: OutputTarget, *, job: str) -> None:
        self._folder = folder
        self._is_new = not target.into_existing
        if self._is_new:
            self._names = (target.file_name, FAILED_ITEMS, MANIFEST)
        else:
            self._names = published_names(target.file_name)
        self._files_prefix = "" if self._is_new else f"{target.file_name}.files/"
        beside = folder.parent if self._is_new else folder
        with disk_errors(f"prepare the output {str(target.place)!r}"):
            beside.mkdir(parents=True, exist_ok=True)
            prefix = f".batchyard-{job}-"
            for left_over in beside.glob(f"{prefix}*"):
                shutil.rmtree(left_over, ignore_errors=True)
            self._staging = beside / f"{prefix}{secrets.token_hex(4)}"
            self._staging.mkdir()

    def write_rows(self, pieces: Iterable[Piece]) -> Written:
        return self._join(self._names[0], pieces)

    def write_failed_items(self, lines: Iterable[bytes]) -> Written:
        name = self._names[1]
        with disk_errors(f"write {name!r}"), open(self._staging / name, "wb") as stream:
            stream.writelines(lines)
        return self._written(name)

    def write_file(self, name: str, pieces: Iterable[Piece]) -> Written:
        return self._join(self._files_prefix + name, pieces)

    def publish(self, manifest: bytes) -> None:
        with disk_errors("publish the output"):
            (self._staging / self._names[2]).write_bytes(manifest)
            sync_tree(self._staging)
            if self._is_new:
                self._appear_as_folder(manifest)
            else:
                self._appear_one_by_one()
            shutil.rmtree(self._staging, ignore_errors=True)

    def _appear_as_folder(self, manifest: bytes) -> None:
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()
        try:
            rename_no_replace(self._staging, self._folder)
        except Conflict:
            there = self._folder / MANIFEST
            if not there.is_file() or there.read_bytes() != manifest:
                raise Conflict(
                    f"The output folder {self._folder.name!r} was made by somebody else meanwhile."
                ) from None
        sync_folder(self._folder.parent)

    def _appear_one_by_one(self) -> None:
        own_files = self._staging / self._files_prefix.rstrip("/")
        if self._files_prefix and own_files.is_dir() and not (self._folder / own_files.name).exists():
            rename_no_replace(own_files, self._folder / own_files.name)
        for name in self._names:
            source = self._staging / name
            if not source.exists():
                continue  # summary_only publishes no rows.
            try:
                os.link(source, self._folder / name)
            except FileExistsError:
                if not _same_bytes(source, self._folder / name):
                    raise Conflict(f"The output file {name!r} was made by somebody else meanwhile.") from None
        sync_folder(self._folder)

    def _join(self, name: str, pieces: Iterable[Piece]) -> Written:
        target = self._staging / name
        with disk_errors(f"write {name!r}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "xb") as out:
                _copy(pieces, out.fileno())
        return self._written(name)

    def _written(self, name: str) -> Written:
        with open(self._staging / name, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Written(name, os.fstat(stream.fileno()).st_size, digest)


def _copy(pieces: Iterable[Piece], out: int) -> None:
    """Join pieces by the kernel, keeping the last source open: most pieces of a run come from few part files."""
    path, source = None, -1
    try:
        for piece in pieces:
            if piece.path != path:
                if source >= 0:
                    os.close(source)
                path, source = piece.path, os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
            _copy_piece(source, piece, out)
    finally:
        if source >= 0:
            os.close(source)


def _copy_piece(source: int, piece: Piece, out: int) -> None:
    at, left = piece.offset, piece.size_bytes
    while left:
        try:
            done = os.copy_file_range(source, out, min(left, 1 << 30), at)
        except OSError:  # Another file system: the bytes go through us.
            done = os.write(out, os.pread(source, min(left, _CHUNK_BYTES), at))
        if done == 0:
            raise OSError(5, f"{piece.path.name} ends before byte {at + left}")
        at, left = at + done, left - done


def _same_bytes(left: Path, right: Path) -> bool:
    with open(left, "rb") as a, open(right, "rb") as b:
        return hashlib.file_digest(a, "sha256").digest() == hashlib.file_digest(b, "sha256").digest()
