"""Freezing the input: every file listed once, sorted by the bytes of its path, for ever the same positions."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import accumulate, chain, islice
from operator import add
from pathlib import Path

from batchyard.domain.errors import InvalidInput, Mistake, PlatformError
from batchyard.domain.item_names import item_text
from batchyard.domain.jobs import Job
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.packing import Packing
from batchyard.engine.input_places import is_one_file
from batchyard.engine.packing import PackedStarts
from batchyard.engine.patience import patiently
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.engine.sorting import SortedRuns

_OFFSET = struct.Struct("<Q")
_SLICE = 4096
# What an input itself can be to blame for; anything else is the disk's fault, and tried again.
_INPUT_IS_WRONG = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)
_MOST_SKIPPED_NAMES = 100


def plan(rooms: Rooms, job: Job, staged: Staged, *, meanwhile: Callable[[], None]) -> Planned:
    """List the input and freeze the listing under this owner's fence.

    Two files in the job home: `listing/<fence>` (paths, each ended by a NUL) and `.index` (u64 offsets, items + 1).
    No file is looked at, names are enough; but with `mini_batch_max_bytes` their sizes are, and `.starts` says where
    each mini-batch begins. Memory stays flat: sorted runs are spilled and merged.
    meanwhile: called between slices, for what goes on beside.
    Raises: InvalidInput naming the folder that is gone or may not be entered; PlatformError.
    """
    listed_at = rooms.now()
    name = f"listing/{job.fence}"
    target = staged.home.path(name)
    try:
        runs, skipped = SortedRuns(staged.home.path(f"scratch-{job.fence}/listing-runs")), Skipped()
        collect_paths(runs, _with_breaks(_paths(job, staged, skipped), meanwhile))
        rooms.faults.reach("plan.listed")
        slices = _with_breaks(runs.slices(), meanwhile)
        packing, starts_sha256 = _packing(job), ""
        if packing is None:
            digest = freeze(slices, target)
        else:
            starts = PackedStarts(packing, Path(f"{target}.starts"))
            digest = freeze(starts.pack(slices, root=os.fsencode(staged.input_root)), target)
            starts_sha256 = starts.close()
    except OSError as exc:
        raise PlatformError(f"Could not list the input of job {job.name!r}: {exc}.") from exc
    rooms.faults.reach("plan.frozen")
    names = tuple(os.fsdecode(path) for path in skipped.names())
    planned = Planned(
        runs.count,
        job.scoring.settings.mini_batch_size,
        digest,
        listed_at,
        name,
        skipped=skipped.count,
        skipped_names=names,
    )
    return planned if packing is None else _packed(replace(planned, starts_sha256=starts_sha256), packing, job)


def _packing(job: Job) -> Packing | None:
    settings = job.scoring.settings
    if settings.mini_batch_max_bytes is None:
        return None
    return Packing(most_items=settings.mini_batch_size, most_bytes=settings.mini_batch_max_bytes)


def _packed(planned: Planned, packing: Packing, job: Job) -> Planned:
    workers = job.settings.instance_count * job.settings.max_concurrency_per_instance
    heaviest = packing.heaviest(workers=workers)
    starts = f"{planned.listing}.starts"
    return replace(planned, starts=starts, mini_batches=packing.mini_batches, heaviest=heaviest)


class Skipped:
    """What stands in the input and is no file: pipes, sockets, devices. Opening one could wait for ever."""

    def __init__(self) -> None:
        self.count = 0
        self._names: list[bytes] = []

    def add(self, path: bytes) -> None:
        """Take one more."""
        self.count += 1
        self._names.append(path)
        if len(self._names) > 2 * _MOST_SKIPPED_NAMES:
            self._names = self.names()

    def names(self) -> list[bytes]:
        """Give the first hundred, sorted."""
        return sorted(self._names)[:_MOST_SKIPPED_NAMES]


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

    def position_of(self, offset: int, *, items: int) -> int:
        """Give the item that a byte of the file belongs to."""
        low, high = 0, items
        while high - low > 1:
            middle = (low + high) // 2
            self._index.seek(middle * _OFFSET.size)
            if _OFFSET.unpack(self._index.read(_OFFSET.size))[0] <= offset:
                low = middle
            else:
                high = middle
        return low

    def name(self, position: int) -> str:
        """Give the path as text; bytes that are not UTF-8 are shown as `\\xff`."""
        return item_text(self.path(position))

    def close(self) -> None:
        """Let go of the files."""
        self._paths.close()
        self._index.close()


def collect_paths(runs: SortedRuns, paths: Iterator[list[bytes]]) -> None:
    """Take all that `paths_of` gives. Raises: InvalidInput naming what is gone or may not be read; OSError."""
    try:
        runs.extend(chain.from_iterable(paths))
    except OSError as exc:
        if exc.errno not in _INPUT_IS_WRONG:
            raise
        folder = item_text(os.fsencode(exc.filename or b""))
        mistake = Mistake("input", f"{folder!r} ({exc.strerror})", "a folder that can be read by the server")
        raise InvalidInput("The job", [mistake]) from exc


def _with_breaks(slices: Iterable[list[bytes]], meanwhile: Callable[[], None]) -> Iterator[list[bytes]]:
    for slice_ in slices:
        yield slice_
        meanwhile()


def _paths(job: Job, staged: Staged, skipped: Skipped) -> Iterator[list[bytes]]:
    return paths_of(staged.source, skipped, is_file=is_one_file(job.scoring.source, staged.source))


def paths_of(source: Path, skipped: Skipped, *, is_file: bool) -> Iterator[list[bytes]]:
    """Give the paths of an input's items, in lists and in no order; the one of a file is its name."""
    return iter([[os.fsencode(source.name)]]) if is_file else walk(os.fsencode(source), skipped)


def walk(root: bytes, skipped: Skipped) -> Iterator[list[bytes]]:
    """Give every file below a folder, relative to it, in lists; in no order.

    Links to files count as files, broken ones too (scoring them fails by name, not silently); links to folders are
    followed once. Pipes, sockets and devices, and links to them, are skipped.
    Azure: nested folders are silently left out by its MLflow runs; here everything is scored.
    """
    stack, seen = [b""], {_identity(root)}
    while stack:
        prefix = stack.pop()
        others: list[os.DirEntry[bytes]] = []
        with patiently(partial(_scan, root + b"/" + prefix[:-1] if prefix else root)) as entries:
            while slice_ := list(islice(entries, _SLICE)):
                names = _files(slice_, others)
                yield [prefix + name for name in names] if prefix else names
        folders, names = _sorted_out(others, prefix, skipped)
        yield names
        below = []
        for name, is_link in folders:  # Sorted, so that of two links to one folder it is always the same that counts.
            identity = _identity(root + b"/" + prefix + name) if is_link else None
            if identity not in seen:
                below.append(prefix + name + b"/")
                seen.update([identity] if identity else ())
        stack += reversed(below)


def _scan(folder: bytes) -> AbstractContextManager[Iterator[os.DirEntry[bytes]]]:
    """Open a folder. Raises: PlatformError where it is not the input that is to blame."""
    try:
        return os.scandir(folder)
    except OSError as exc:
        if exc.errno in _INPUT_IS_WRONG:
            raise
        raise PlatformError(f"Could not list {os.fsdecode(folder)!r}: {exc}.") from exc


def _files(entries: list[os.DirEntry[bytes]], others: list[os.DirEntry[bytes]]) -> list[bytes]:
    """Give the names of files and of links to files; all else is added to `others`."""
    try:
        # Only links are looked at: of all others their own folder tells what they are.
        names = [entry.name for entry in entries if entry.is_file()]
    except OSError:
        names = [entry.name for entry in entries if _is(entry.is_file)]
    if len(names) < len(entries):
        others += [entry for entry in entries if not _is(entry.is_file)]
    return names


def _sorted_out(
    others: list[os.DirEntry[bytes]], prefix: bytes, skipped: Skipped
) -> tuple[list[tuple[bytes, bool]], list[bytes]]:
    """Tell folders (name, whether it is a link), sorted, from links that lead to nothing, which count as files."""
    folders, broken = [], []
    for entry in others:
        if _is(entry.is_dir):
            folders.append((entry.name, entry.is_symlink()))
        elif not os.path.exists(entry.path):
            broken.append(prefix + entry.name)
        else:
            skipped.add(prefix + entry.name)
    return sorted(folders), broken


def _is(question: Callable[[], bool]) -> bool:
    """Ask an entry what it is; a link that leads in a circle, or where nobody may look, is nothing."""
    try:
        return question()
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
