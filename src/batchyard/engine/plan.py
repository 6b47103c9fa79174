"""Freezing the input: every file listed once, sorted by the bytes of its path, for ever the same positions."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice
from pathlib import Path

from batchyard.domain.errors import InvalidInput, Mistake, PlatformError
from batchyard.domain.jobs import InputKind, Job
from batchyard.domain.ledger import Planned
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.engine.sorting import SortedRuns

_OFFSET = struct.Struct("<Q")
_STAT = struct.Struct("<qq")
_SLICE = 4096
# What an input itself can be to blame for; anything else is the disk's fault, and tried again.
_INPUT_IS_WRONG = (FileNotFoundError, NotADirectoryError, PermissionError)
_UNKNOWN = _STAT.pack(-1, -1)  # Size and mtime of a path that could not be looked at; scoring it will tell why.


def plan(rooms: Rooms, job: Job, staged: Staged) -> Planned:
    """List the input and freeze the listing under this owner's fence.

    Three files in the job home: `listing/<fence>` (paths, each ended by a NUL), `.index` (u64 offsets, items + 1) and
    `.stat` (i64 size, i64 mtime_ns for each item). Memory stays flat: sorted runs are spilled and merged.
    Raises: InvalidInput naming the folder that is gone or may not be entered; PlatformError.
    """
    listed_at = rooms.now()
    name = f"listing/{job.fence}"
    target = staged.home.path(name)
    try:
        runs = SortedRuns(staged.home.path(f"scratch-{job.fence}/listing-runs"))
        _list(runs, _paths(rooms, job, staged))
        rooms.faults.reach("plan.listed")
        digest = _freeze(runs, target, os.fsencode(staged.input_root))
    except OSError as exc:
        raise PlatformError(f"Could not list the input of job {job.name!r}: {exc}.") from exc
    rooms.faults.reach("plan.frozen")
    return Planned(runs.count, job.spec.settings.mini_batch_size, digest, listed_at, name)


class Listing:
    """A frozen listing, read by position."""

    def __init__(self, paths: Path) -> None:
        self._paths, self._index = open(paths, "rb"), open(f"{paths}.index", "rb")  # noqa: SIM115 - closed in close()

    def path(self, position: int) -> bytes:
        """Give the path of an item, relative to the input's root."""
        self._index.seek(position * _OFFSET.size)
        raw = self._index.read(2 * _OFFSET.size)
        start, stop = _OFFSET.unpack_from(raw, 0)[0], _OFFSET.unpack_from(raw, _OFFSET.size)[0]
        self._paths.seek(start)
        return self._paths.read(stop - start - 1)

    def name(self, position: int) -> str:
        """Give the path as text; bytes that are not UTF-8 are shown as `\\xff`."""
        return self.path(position).decode("utf-8", "backslashreplace")

    def close(self) -> None:
        """Let go of the files."""
        self._paths.close()
        self._index.close()


def _list(runs: SortedRuns, paths: Iterable[bytes]) -> None:
    try:
        runs.extend(paths)
    except _INPUT_IS_WRONG as exc:
        folder = os.fsdecode(exc.filename or b"").encode("utf-8", "backslashreplace").decode()
        mistake = Mistake("input", f"{folder!r} ({exc.strerror})", "a folder that can be read by the server")
        raise InvalidInput("The job", [mistake]) from exc


def _paths(rooms: Rooms, job: Job, staged: Staged) -> Iterator[bytes]:
    if job.spec.source.kind is InputKind.FILE:
        yield os.fsencode(rooms.datastores.input_path(job.spec.source).name)
    else:
        yield from walk(os.fsencode(staged.input_root))


def walk(root: bytes) -> Iterator[bytes]:
    """Give every file below a folder, relative to it, in no order.

    Links to files count as files, broken ones too (scoring them fails by name, not silently); links to folders are
    followed once. Azure: nested folders are silently left out by its MLflow runs; here everything is scored.
    """
    stack, seen = [(root, b"")], {_identity(root)}
    while stack:
        folder, prefix = stack.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append((entry.path, prefix + entry.name + b"/"))
                elif entry.is_symlink() and entry.is_dir():
                    identity = _identity(entry.path)
                    if identity not in seen:
                        seen.add(identity)
                        stack.append((entry.path, prefix + entry.name + b"/"))
                else:
                    yield prefix + entry.name


def _identity(folder: bytes) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _freeze(paths: Iterable[bytes], target: Path, root: bytes) -> str:
    """Write the three files, slice by slice: what is done for each path is felt at half a million."""
    digest, offset, rest = hashlib.sha256(), 0, iter(paths)
    with open(target, "wb") as names, open(f"{target}.index", "wb") as index, open(f"{target}.stat", "wb") as stat:
        while slice_ := list(islice(rest, _SLICE)):
            block = b"\0".join(slice_) + b"\0"
            names.write(block)
            digest.update(block)
            starts = list(accumulate((len(path) + 1 for path in slice_), initial=offset))
            index.write(struct.pack(f"<{len(slice_)}Q", *starts[:-1]))
            stat.write(b"".join([_size_and_mtime(root + b"/" + path) for path in slice_]))
            offset = starts[-1]
        index.write(_OFFSET.pack(offset))
        for stream in (names, index, stat):
            stream.flush()
            os.fsync(stream.fileno())
    _sync_names(target.parent)
    return digest.hexdigest()


def _sync_names(folder: Path) -> None:
    """Make the names in a folder durable: the ledger is going to rest on them."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _size_and_mtime(path: bytes) -> bytes:
    try:
        found = os.stat(path)
    except OSError:
        return _UNKNOWN
    return _STAT.pack(found.st_size, found.st_mtime_ns)
