"""Mini-batches of bounded bytes: sizes looked up while the listing is frozen, and where each begins, in a file."""

from __future__ import annotations

import hashlib
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.packing import Packing
from batchyard.ports.job_home import JobHome


class PackedStarts:
    """Packs the items of a listing while it is frozen, and writes where each mini-batch begins.

    The file: u64 little-endian, mini-batches + 1: the position of the first item of each, and the number of items.
    """

    def __init__(self, packing: Packing, target: Path) -> None:
        """Raises: OSError."""
        self._packing, self._digest = packing, hashlib.sha256()
        self._stream = open(target, "wb")  # noqa: SIM115 - closed in close()

    def pack(self, slices: Iterable[list[bytes]], *, root: bytes) -> Iterator[list[bytes]]:
        """Give the slices of sorted paths as they are, having looked at each file in them. root: of the input."""
        for slice_ in slices:
            starts = self._packing.take([_size_bytes(root + b"/" + path) for path in slice_])
            self._write(array("Q", starts).tobytes())
            yield slice_

    def close(self) -> str:
        """End the file, durably, and give its hash; its name is made durable by who freezes the listing.

        Raises: OSError.
        """
        with self._stream:
            self._write(array("Q", [self._packing.items]).tobytes())
            self._stream.flush()
            os.fsync(self._stream.fileno())
        return self._digest.hexdigest()

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._stream.write(content)


def open_cut(home: JobHome, planned: Planned) -> Cut:
    """Give the cut of a frozen plan; where mini-batches begin is read by offset.

    Raises: PlatformError when the file is not as the plan says.
    """
    if not planned.starts:
        return Cut(planned.items, planned.mini_batch_size)
    try:
        with open(home.path(planned.starts), "rb") as stream:
            words = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)).cast("Q")
    except (OSError, ValueError) as exc:
        raise PlatformError(f"{planned.starts} of the job home cannot be read: {exc}.") from exc
    if len(words) != planned.mini_batches + 1 or words[-1] != planned.items:
        raise PlatformError(f"{planned.starts} of the job home is damaged: it is not as the ledger says.")
    return Cut(planned.items, planned.mini_batch_size, words)


def _size_bytes(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # Scoring it will tell why it cannot be looked at.
