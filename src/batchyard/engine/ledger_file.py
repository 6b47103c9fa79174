"""The ledger on disk: opened by one owner, appended in groups, read by whoever comes after (rules 3, 4)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from batchyard.domain.errors import NotFound, PlatformError
from batchyard.domain.scoring.ledger import (
    MAGIC,
    Committed,
    Lost,
    Opened,
    Record,
    Resumed,
    encode,
    live,
    read,
    valid_bytes,
)
from batchyard.domain.scoring.tally import Tally
from batchyard.engine.packing import open_cut
from batchyard.ports.faults import Faults
from batchyard.ports.job_home import JobHome

GROUP_S = 0.1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """One ledger file and how many of its bytes count."""

    fence: int
    valid_bytes: int

    @property
    def name(self) -> str:
        """Its name in the job home."""
        return f"ledger/{self.fence}.log"


def extents(home: JobHome, *, before_fence: int | None = None) -> list[Extent]:
    """Say which bytes of which files make the ledger, oldest first; [] when nothing was ever opened.

    The newest file with a whole Opened record counts to its last whole record; older files count as that record says.
    """
    fences = sorted(int(name.removesuffix(".log")) for name in home.list("ledger"))
    for fence in reversed([f for f in fences if before_fence is None or f < before_fence]):
        with home.read(f"ledger/{fence}.log") as stream:
            opened = next((record for record, _ in read(stream)), None)
            if not isinstance(opened, Opened):
                continue  # Its owner died before it owned anything.
            older = [Extent(int(f), size) for f, size in opened.adopted.items()]
            return [*sorted(older, key=lambda e: e.fence), Extent(fence, valid_bytes(stream))]
    return []


def records(home: JobHome, parts: Sequence[Extent]) -> Iterator[Record]:
    """Give the records of a ledger in order, streaming.

    Raises: PlatformError when a file holds less than what counts of it; later records may rest on what is missing.
    """
    for extent in parts:
        end = len(MAGIC)
        with home.read(extent.name) as stream:
            for record, end in read(stream, limit=extent.valid_bytes):  # noqa: B007 - looked at after the loop
                yield record
        if end != extent.valid_bytes:
            raise PlatformError(f"{extent.name} of the job home is damaged: {end} of {extent.valid_bytes} bytes count.")


def ledger_sha256(home: JobHome, parts: Sequence[Extent]) -> str:
    """Hash what counts of a ledger: each file's fence, size and bytes."""
    digest = hashlib.sha256()
    for extent in parts:
        digest.update(b"%d %d\n" % (extent.fence, extent.valid_bytes))
        with home.read(extent.name) as stream:
            left = extent.valid_bytes
            while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()


class LedgerFile:
    """This owner's ledger: what earlier owners wrote, adopted, and one file that it alone appends to."""

    def __init__(
        self, home: JobHome, fence: int, *, faults: Faults, check: Callable[[], None], resumed: Resumed | None = None
    ) -> None:
        """Open the ledger of a job, durably. check: raises LeaseLost once the job is not ours.

        resumed: the run that goes on by hand, None for the first; written unless an owner before this one did.
        Ranges whose bytes are missing, short or wrong become Lost at once.
        """
        self.tally = Tally(partial(open_cut, home))
        self._faults, self._check = faults, check
        self._pending: list[Record] = []
        self._pending_since: float | None = None
        older = extents(home, before_fence=fence)
        for record in records(home, older):
            self.tally.apply(record)
        first: list[Record] = [resumed] if resumed is not None and resumed.run > self.tally.run else []
        for record in first:
            self.tally.apply(record)
        lost = list(_lost(home, older)) if self.tally.verdict is None else []
        check()
        # An owner that was killed may have written what it did not sync: it reads well today, and must tomorrow.
        for extent in older:
            home.sync(extent.name)
        self._file = home.append(f"ledger/{fence}.log")
        opened = Opened(fence, {str(extent.fence): extent.valid_bytes for extent in older})
        self._file.write(MAGIC + b"".join(encode(record) for record in chain[Record]([opened], first, lost)))
        self._file.sync()
        for record in lost:
            self.tally.apply(record)
        faults.reach("ledger.opened")

    def append(self, group: Sequence[Record], *, now: float) -> None:
        """Take records for the next group."""
        self._pending += group
        self._pending_since = now if self._pending_since is None else self._pending_since

    def is_due(self, *, now: float, is_idle: bool) -> bool:
        """Whether the group should be made durable: it is old enough, or nothing else is going on."""
        return self._pending_since is not None and (is_idle or now - self._pending_since >= GROUP_S)

    def sync(self, sync_parts: Callable[[Sequence[str]], None]) -> tuple[Record, ...]:
        """Make the group durable and give it.

        Raises: LeaseLost; PlatformError, after which this owner must end: what the disk holds is unknown.
        """
        group = self.take_group()
        self.write_group(group, sync_parts)
        return group

    def take_group(self) -> tuple[Record, ...]:
        """Give what is pending; it is to be given to `write_group` before anything else is."""
        group, self._pending, self._pending_since = tuple(self._pending), [], None
        return group

    def write_group(self, group: Sequence[Record], sync_parts: Callable[[Sequence[str]], None]) -> None:
        """Make a group durable, rows before records (rule 4); in any thread, one at a time. Raises: as `sync`."""
        sync_parts(sorted({record.part for record in group if isinstance(record, Committed)}))
        self._faults.reach("ledger.parts_synced")
        self._check()
        self._file.write(b"".join(map(encode, group)))
        self._faults.reach("ledger.appended")
        self._file.sync()
        self._faults.reach("ledger.synced")

    def write(self, record: Record) -> None:
        """Append one record and make it durable."""
        self.append([record], now=0.0)
        for durable in self.sync(lambda _parts: None):
            self.tally.apply(durable)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _lost(home: JobHome, older: Sequence[Extent]) -> Iterator[Lost]:
    """Give what takes back the ranges whose bytes are not as the ledger says; reads everything, keeps nothing."""
    for record in live(lambda: records(home, older)):
        if isinstance(record, Committed) and record.size_bytes and not is_whole(home, record):
            yield lost_of(record)


def lost_of(record: Committed) -> Lost:
    """Give what takes a range back."""
    return Lost(
        first=record.first,
        mini_batches=len(record.lengths),
        part=record.part,
        offset=record.offset,
        rows=record.rows,
        succeeded=record.succeeded,
        short_items=sum(missing for _, missing in record.short),
        short_mini_batches=len(record.short),
        attempt=record.attempt,
        items=record.items,
    )


def is_whole(home: JobHome, record: Committed) -> bool:
    """Whether the bytes of a range are those that its record tells."""
    try:
        stream = home.read(f"parts/{record.part}")
    except NotFound:
        return False
    with stream:
        stream.seek(record.offset)
        crc, left = 0, record.size_bytes
        while left:
            chunk = stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                return False
            crc, left = zlib.crc32(chunk, crc), left - len(chunk)
        return crc == record.crc
