"""Freezing the input: every file listed once, sorted by the bytes of its path, for ever the same positions."""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain, islice
from operator import add
from pathlib import Path

from batchyard.domain.errors import InvalidInput, Mistake, PlatformError
from batchyard.domain.jobs import InputKind, Job
from batchyard.domain.ledger import Planned
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.engine.sorting import SortedRuns

_OFFSET = struct.Struct("<Q")
_SLICE = 4096
# What an input itself can be to blame for; anything else is the disk's fault, and tried again.
_INPUT_IS_WRONG = (FileNotFoundError, NotADirectoryError, PermissionError)


def plan(rooms: Rooms, job: Job, staged: Staged, *, meanwhile: Callable[[], None]) -> Planned:
    """List the input and freeze the listing under this owner's fence.

    Two files in the job home: `listing/<fence>` (paths, each ended by a NUL) and `.index` (u64 offsets, items + 1).
    No file is looked at, names are enough. Memory stays flat: sorted runs are spilled and merged.
    meanwhile: called between slices, for what goes on beside.
    Raises: InvalidInput naming the folder that is gone or may not be entered; PlatformError.
    """
    listed_at = rooms.now()
    name = f"listing/{job.fence}"
    target = staged.home.path(name)
    try:
        runs = SortedRuns(staged.home.path(f"scratch-{job.fence}/listing-runs"))
        _list(runs, _with_breaks(_paths(rooms, job, staged), meanwhile))
        rooms.faults.reach("plan.listed")
        digest = freeze(_with_breaks(runs.slices(), meanwhile), target)
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


def _list(runs: SortedRuns, paths: Iterator[list[bytes]]) -> None:
    try:
        runs.extend(chain.from_iterable(paths))
    except _INPUT_IS_WRONG as exc:
        folder = os.fsdecode(exc.filename or b"").encode("utf-8", "backslashreplace").decode()
        mistake = Mistake("input", f"{folder!r} ({exc.strerror})", "a folder that can be read by the server")
        raise InvalidInput("The job", [mistake]) from exc


def _with_breaks(slices: Iterable[list[bytes]], meanwhile: Callable[[], None]) -> Iterator[list[bytes]]:
    for slice_ in slices:
        yield slice_
        meanwhile()


def _paths(rooms: Rooms, job: Job, staged: Staged) -> Iterator[list[bytes]]:
    if job.spec.source.kind is InputKind.FILE:
        return iter([[os.fsencode(rooms.datastores.input_path(job.spec.source).name)]])
    return walk(os.fsencode(staged.input_root))


def walk(root: bytes) -> Iterator[list[bytes]]:
    """Give every file below a folder, relative to it, in lists; in no order.

    Links to files count as files, broken ones too (scoring them fails by name, not silently); links to folders are
    followed once. Azure: nested folders are silently left out by its MLflow runs; here everything is scored.
    """
    stack, seen = [b""], {_identity(root)}
    while stack:
        prefix = stack.pop()
        folders: list[tuple[bytes, bool]] = []
        with os.scandir(root + b"/" + prefix[:-1] if prefix else root) as entries:
            while slice_ := list(islice(entries, _SLICE)):
                names = _files(slice_, folders)
                yield [prefix + name for name in names] if prefix else names
        below = []
        for name, is_link in sorted(folders):  # So that of two links to one folder it is always the same that counts.
            identity = _identity(root + b"/" + prefix + name) if is_link else None
            if identity not in seen:
                below.append(prefix + name + b"/")
                seen.update([identity] if identity else ())
        stack += reversed(below)


def _files(entries: list[os.DirEntry[bytes]], folders: list[tuple[bytes, bool]]) -> list[bytes]:
    """Give the names of all that are no folders; folders, and whether they are links, are added to `folders`."""
    try:
        # Only links are looked at: of all others their own folder tells what they are.
        names = [entry.name for entry in entries if not entry.is_dir()]
    except OSError:
        names = [entry.name for entry in entries if not _is_folder(entry)]
    if len(names) < len(entries):
        folders += [(entry.name, entry.is_symlink()) for entry in entries if _is_folder(entry)]
    return names


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    """Whether an entry is a folder; a link that leads in a circle, or where nobody may look, is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: bytes) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def freeze(slices: Iterable[list[bytes]], target: Path) -> str:
    """Write sorted paths as `target` and its index, durably, and give the hash of the former.

    Done slice by slice: what is done for each path is felt at half a million.
    """
    digest, start = hashlib.sha256(), 0
    with open(target, "wb", buffering=1 << 20) as names, open(f"{target}.index", "wb") as index:
        for slice_ in slices:
            block = b"\0".join(slice_) + b"\0"
            names.write(block)
            digest.update(block)
            # A path starts after all bytes of those before it and as many NULs.
            bytes_before = accumulate(map(len, slice_), initial=start)
            index.write(array("Q", map(add, bytes_before, range(len(slice_)))).tobytes())
            start += len(block)
        index.write(_OFFSET.pack(start))
        for stream in (names, index):
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
