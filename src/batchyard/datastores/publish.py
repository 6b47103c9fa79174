"""Publishing on a local disk: beside the target, durable, then seen all at once (rule 11).

A new folder appears by one rename that never replaces. Into an existing folder the files appear one by one, none
replacing, the manifest last: the manifest is the commit, and whoever reads an output refuses one without it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from batchyard.datastores.disk import disk_errors, make_folder, rename_no_replace, sync_folder, sync_tree
from batchyard.datastores.generations import check_alone, check_unchanged, earlier_at, exchange_files, exchange_folder
from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import OutputTarget
from batchyard.domain.outputs.formats import shard_name
from batchyard.ports.datastore import Piece, Written

FAILED_ITEMS = "_failed_items.jsonl"
MANIFEST = "_manifest.json"
_CHUNK_BYTES = 8 << 20
_TOKEN_BYTES = 8
_TOKEN = re.compile(r"[0-9a-f]{16}")


def published_names(file_name: str) -> tuple[str, str, str]:
    """The three names a job publishes into an existing folder: rows, failed items, manifest (last)."""
    return file_name, f"{file_name}.failed.jsonl", f"{file_name}.manifest.json"


def clear_unfinished(folder: Path, target: OutputTarget, *, job: str) -> None:
    """Remove what publishers of this job left beside its target. Raises: PlatformError."""
    beside = _beside(folder, target)
    with disk_errors(f"clear up beside the output {str(target.place)!r}"):
        if beside.is_dir():
            clear_left_overs(beside, unfinished_prefix(job))


def check_next(folder: Path, target: OutputTarget, *, job: str, generation: int) -> None:
    """Look whether a later generation could take its place, without reading all its bytes.

    Raises: Conflict as publishing it would.
    """
    manifest = published_names(target.file_name)[2] if target.into_existing else MANIFEST
    earlier = earlier_at(folder / manifest, job=job, generation=generation)
    if earlier is not None:
        check_unchanged(folder, earlier, names=earlier.files, hashes=False)
        if not target.into_existing:
            check_alone(folder, earlier, manifest=manifest)
        return
    names = published_names(target.file_name) if target.into_existing else [""]
    for name in names:
        path = folder / name
        if os.path.lexists(path) and not (not name and path.is_dir() and not any(path.iterdir())):
            raise Conflict(f"{path.name!r} stands at the output's place and is not what the job published.")


def _beside(folder: Path, target: OutputTarget) -> Path:
    """Give the folder in which the output is built, hidden: its own file system, so that it can appear by a rename."""
    return folder if target.into_existing else folder.parent


def unfinished_prefix(job: str) -> str:
    """Give how the hidden siblings of a job's outputs begin."""
    return f".batchyard-{job}-"


class LocalPublication:
    """One output being built in a hidden sibling of its target."""

    def __init__(self, folder: Path, target: OutputTarget, *, job: str, generation: int = 1) -> None:
        self._folder, self._target, self._job, self._generation = folder, target, job, generation
        self._is_new = not target.into_existing
        if self._is_new:
            self._names = (target.file_name, FAILED_ITEMS, MANIFEST)
        else:
            self._names = published_names(target.file_name)
        self._files_prefix = "" if self._is_new else f"{target.file_name}.files/"
        self._written_names: list[str] = []
        self._exchanged: set[str] = set()
        self._has_moved_files = self._has_appeared = False
        beside = _beside(folder, target)
        with disk_errors(f"prepare the output {str(target.place)!r}"):
            make_folder(beside, mode=0o777)
            prefix = unfinished_prefix(job)
            clear_left_overs(beside, prefix)
            self._staging = beside / f"{prefix}{secrets.token_hex(_TOKEN_BYTES)}"
            self._staging.mkdir()

    def write_rows(self, pieces: Iterable[Piece], *, shard: tuple[int, int] | None = None) -> Written:
        name = self._names[0]
        return self._join(name if shard is None else shard_name(name, shard[0], of=shard[1]), pieces)

    def write_failed_items(self, lines: Iterable[bytes]) -> Written:
        return self._write(self._names[1], lambda stream: stream.writelines(lines))

    def write_file(self, name: str, pieces: Iterable[Piece]) -> Written:
        # The manifest is written last, and what stands in its place must not be overwritten by it.
        if self._files_prefix + name == self._names[2]:
            raise _taken_twice(name)
        return self._join(self._files_prefix + name, pieces)

    def publish(self, manifest: bytes) -> None:
        with disk_errors("publish the output"):
            if self._has_appeared:  # All but the last sync was done before.
                sync_folder(_beside(self._folder, self._target))
                return
            (self._staging / self._names[2]).write_bytes(manifest)
            sync_tree(self._staging)
            self._appear(manifest)
            self._has_appeared = True
            sync_folder(_beside(self._folder, self._target))
        self.discard()

    def discard(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def _appear(self, manifest: bytes) -> None:
        there = self._folder / self._names[2]
        if there.is_file() and there.read_bytes() == manifest:
            return  # Another publisher of the same was here before: the manifest is what comes last.
        earlier = None
        if self._generation > 1:
            earlier = earlier_at(there, job=self._job, generation=self._generation)
        if self._is_new and earlier is not None:
            exchange_folder(self._staging, self._folder, earlier, manifest=MANIFEST)
        elif self._is_new:
            self._appear_as_folder(manifest)
        elif earlier is not None:
            names = self._top_names()
            exchange_files(
                self._staging,
                self._folder,
                earlier,
                names=names,
                manifest=self._names[2],
                exchanged=self._exchanged,
            )
        else:
            self._appear_one_by_one()

    def _top_names(self) -> list[str]:
        """Give what is to appear before the manifest: the folder of the script's files as one, then the others."""
        names = [name for name in self._written_names if not name.startswith(self._files_prefix)]
        return [*([self._files_prefix.rstrip("/")] if len(names) < len(self._written_names) else []), *names]

    def _appear_as_folder(self, manifest: bytes) -> None:
        if self._folder.is_dir() and not self._folder.is_symlink() and not any(self._folder.iterdir()):
            self._folder.rmdir()
        try:
            rename_no_replace(self._staging, self._folder)
        except Conflict:
            there = self._folder / MANIFEST
            if not there.is_file() or there.read_bytes() != manifest:
                raise Conflict(
                    f"The output folder {self._folder.name!r} was made by somebody else meanwhile."
                ) from None

    def _appear_one_by_one(self) -> None:
        """Look at every name before the first one appears, so that a place that is taken gets nothing half."""
        own_files = self._files_prefix.rstrip("/")
        appear = [*self._top_names(), self._names[2]]
        for name in [name for name in appear if not self._is_there(name)]:
            try:
                if name == own_files:
                    rename_no_replace(self._staging / name, self._folder / name)
                    self._has_moved_files = True
                else:
                    os.link(self._staging / name, self._folder / name)
            except (FileExistsError, Conflict):
                self._is_there(name)

    def _is_there(self, name: str) -> bool:
        """Whether another publisher of the same was here before. Raises: Conflict when it is something else."""
        if not os.path.lexists(self._folder / name):
            return False
        if self._has_moved_files and name == self._files_prefix.rstrip("/"):
            return True
        if not _is_same(self._staging / name, self._folder / name):
            raise Conflict(f"The output {name!r} was made by somebody else meanwhile.")
        return True

    def _join(self, name: str, pieces: Iterable[Piece]) -> Written:
        return self._write(name, lambda stream: _copy(pieces, stream.fileno()))

    def _write(self, name: str, fill: Callable[[BinaryIO], None]) -> Written:
        target = self._staging / name
        with disk_errors(f"write {name!r}"):
            try:
                # Never the staging folder itself: once a later publisher has removed it, nothing may go on in it.
                for parent in reversed(Path(name).parents[:-1]):
                    (self._staging / parent).mkdir(exist_ok=True)
                stream = open(target, "xb")  # noqa: SIM115 - what fails before it is made is none of ours to remove
            except (FileExistsError, NotADirectoryError) as exc:
                raise _taken_twice(name) from exc
            try:
                with stream:
                    fill(stream)
            except OSError:
                target.unlink()
                raise
            self._written_names.append(name)
            return self._written(name)

    def _written(self, name: str) -> Written:
        with open(self._staging / name, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Written(name, os.fstat(stream.fileno()).st_size, digest)


def clear_left_overs(beside: Path, prefix: str) -> None:
    """Remove what earlier publishers of this job left; one that only sleeps must not publish half of it.

    So each is first renamed, at once and whole: whoever is still at it finds nothing under its name any more.
    """
    for name in os.listdir(beside):
        token = name.removeprefix(prefix)
        if name == token or not _TOKEN.fullmatch(token):
            continue  # Another job's, whose name only begins alike, among them.
        removed = beside / f"{prefix}{secrets.token_hex(_TOKEN_BYTES)}"
        try:
            rename_no_replace(beside / name, removed)
        except FileNotFoundError:
            continue
        shutil.rmtree(removed, ignore_errors=True)


def _taken_twice(name: str) -> Conflict:
    return Conflict(
        f"The script wrote {name!r}, where the output has another file or folder already. Let it choose another name."
    )


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


def _is_same(left: Path, right: Path) -> bool:
    """Whether two files hold the same bytes, or two folders the same files."""
    if not left.is_dir():
        return right.is_file() and _same_bytes(left, right)
    names = _file_names(left)
    return names == _file_names(right) and all(_same_bytes(left / name, right / name) for name in names)


def _file_names(folder: Path) -> set[str]:
    return {os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names}


def _same_bytes(left: Path, right: Path) -> bool:
    with open(left, "rb") as a, open(right, "rb") as b:
        return hashlib.file_digest(a, "sha256").digest() == hashlib.file_digest(b, "sha256").digest()
