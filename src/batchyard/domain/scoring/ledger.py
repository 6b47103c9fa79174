"""The ledger of a job: its record kinds, their bytes, and what is true after reading them.

What is not in the ledger does not exist. A ledger is one file for each owner (fence); an owner appends only to its own,
and its first record says how many bytes of each older file count.

A record on disk: length (u32) and CRC-32 (u32) of the body, both little-endian, then the body: JSON in ASCII and, for
Committed, one NUL and the lengths, little-endian unsigned numbers of as many bytes (1, 2, 4 or 8) as `lengths` in the
JSON says: there are thousands in a record, and JSON takes fifty times as long for them. Each file starts with `MAGIC`.
Reading stops at the first record that is torn; everything before it is a valid earlier state.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, BinaryIO

MAGIC = b"batchyard ledger 2\n"
_HEAD = struct.Struct("<II")
_LARGEST_BODY_BYTES = 64 << 20
_WIDTHS = {array(code).itemsize: code for code in "QLIHB"}  # Bytes of a number -> its type code.

# Items [start, stop) of one mini-batch, counted from its first; None in a record means all of the mini-batch.
Slice = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Opened:
    """A new owner. adopted: fence of an older file (as text) -> its bytes that count, magic included."""

    fence: int
    adopted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """The input is frozen: how many items, cut into mini-batches of which size.

    listing: name of the frozen listing in the job home, and listing_sha256 its hash. listed_at: epoch seconds, UTC.
    starts: name of the file that says where each mini-batch begins, starts_sha256 its hash, mini_batches how many there
    are, and heaviest which ones are handed out first, in that order: where bytes were counted too; else "", "", 0, ().
    rows_sha256: of a table, whose items are rows: of the rows and their columns, beside the listing; "" for files.
    skipped: what was found beside the items and is no file (pipes, sockets, devices); skipped_names: the first of
    them, bytes that are not UTF-8 as surrogates.
    """

    items: int
    mini_batch_size: int
    listing_sha256: str
    listed_at: float
    listing: str = "listing/1"
    skipped: int = 0
    skipped_names: tuple[str, ...] = ()
    starts: str = ""
    mini_batches: int = 0
    heaviest: tuple[int, ...] = ()
    starts_sha256: str = ""
    rows_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """Mini-batches first..first+len(lengths)-1 are scored; their rows stand in `part` at `offset`.

    lengths: bytes of each mini-batch's rows, in order. crc: CRC-32 of all of them. succeeded: items of all together.
    short: (mini-batch, items missing). files: (mini-batch, folder under `files`). attempt: which one it was.
    items: the part of the one mini-batch that this is about.
    """

    first: int
    attempt: int
    part: str
    offset: int
    lengths: tuple[int, ...]
    crc: int
    rows: int
    succeeded: int
    short: tuple[tuple[int, int], ...] = ()
    files: tuple[tuple[int, str], ...] = ()
    items: Slice | None = None

    @property
    def stop(self) -> int:
        """One past the last mini-batch."""
        return self.first + len(self.lengths)

    @property
    def size_bytes(self) -> int:
        """Bytes of all its rows."""
        return sum(self.lengths)

    @property
    def worker(self) -> str:
        """The worker that scored them: its part files are named after it, `<fence>-<worker>[.<n>].part`."""
        return self.part.partition("-")[2].partition(".")[0]

    @property
    def is_confined(self) -> bool:
        """Whether the worker ran in a sandbox: its part files lie in a folder of its own, `<fence>-<worker>.parts/`."""
        return "/" in self.part

    @property
    def place(self) -> Place:
        """What tells it from every other record; ranges without rows share their offset with the next one."""
        return self.part, self.offset, self.first, self.items


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One attempt at a mini-batch, or at a part of it, failed and is charged to it. error_class: value of ErrorClass.

    is_raised: `run()` raised it, and the worker lived on to tell.
    """

    mini_batch: int
    attempt: int
    error_class: str
    error: str
    message: str
    stack: str
    worker: str
    is_raised: bool = False
    items: Slice | None = None


@dataclass(frozen=True, slots=True)
class FailedItems:
    """Every try of a mini-batch, or of a part, is used up: its `count` items have failed, for the last one's reason.

    worker: which made the last attempt; "" in ledgers of versions that did not tell.
    """

    mini_batch: int
    count: int
    attempts: int
    error_class: str
    error: str
    message: str
    stack: str
    worker: str = ""
    items: Slice | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """These items are scored in two halves from now on, a try each. items: a part, or all items of the mini-batch.

    attempt: number of the attempt that failed and led to this; that of the halves is the next.
    """

    mini_batch: int
    items: Slice
    attempt: int


@dataclass(frozen=True, slots=True)
class RunLimited:
    """From now on `run()` is given at most run_items items.

    Remembered from an earlier job (mini_batch is -1), or an attempt had too little memory, which is charged to nobody.
    """

    run_items: int
    mini_batch: int = -1
    attempt: int = 0
    error: str = ""
    message: str = ""
    worker: str = ""
    items: Slice | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A Committed range whose bytes were gone when a new owner looked: it is scored again, uncharged.

    It names the record it takes back by its place, and repeats its counts, so that reading needs no memory.
    """

    first: int
    mini_batches: int
    part: str
    offset: int
    rows: int
    succeeded: int
    short_items: int
    short_mini_batches: int = 0
    attempt: int = 1
    items: Slice | None = None

    @property
    def place(self) -> Place:
        """The place of the record it takes back."""
        return self.part, self.offset, self.first, self.items


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new run begins by hand: the verdict before it no longer counts, and what is open has all its attempts again.

    run: its number, from 2 on. overrides: the settings that this run changed, and their new values.
    retries_failed: all FailedItems before this are taken back: they are scored again.
    """

    run: int
    overrides: Mapping[str, int | float | str] = field(default_factory=dict)
    retries_failed: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """So many more seconds have passed since the run began to score; told of jobs whose duration has a cap."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """How scoring ended: `Completed`, `Failed` or `Canceled`, and why. The last record of a run.

    mini_batch, worker: where what is to blame hangs and no attempt has failed, else None and "".
    """

    status: str
    code: str = ""
    reason: str = ""
    mini_batch: int | None = None
    worker: str = ""


Place = tuple[str, int, int, Slice | None]
Record = (
    Opened | Planned | Committed | AttemptFailed | FailedItems | Split | RunLimited | Lost | Resumed | Ran | Verdict
)
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Opened, Planned, Committed, AttemptFailed, FailedItems, Split, RunLimited, Lost, Resumed, Ran, Verdict)
}


def encode(record: Record) -> bytes:
    """Give the record's bytes as they stand in the file."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    raw = b""
    if isinstance(record, Committed):
        values["lengths"], raw = _pack(record.lengths)
    text = json.dumps({"kind": type(record).__name__, **values}, separators=(",", ":"), default=dict).encode()
    body = text + b"\0" + raw if raw else text
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def read(stream: BinaryIO, *, limit: int | None = None) -> Iterator[tuple[Record, int]]:
    """Give each whole record with the offset of its end, from the start of a ledger file.

    limit: bytes that count, or None for all. Ends silently at a torn or damaged tail: the last offset given (or
    len(MAGIC), or 0 for a file without a whole magic) is where a cut makes the file whole again.
    """
    return ((_decode(body), end) for body, end in _bodies(stream, limit=limit))


def _bodies(stream: BinaryIO, *, limit: int | None = None) -> Iterator[tuple[bytes, int]]:
    if stream.read(len(MAGIC)) != MAGIC:
        return
    at = len(MAGIC)
    while limit is None or at < limit:
        head = stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        length, crc = _HEAD.unpack(head)
        body = stream.read(length) if length <= _LARGEST_BODY_BYTES else b""
        if len(body) < length or length > _LARGEST_BODY_BYTES or zlib.crc32(body) != crc:
            return
        at += _HEAD.size + length
        if limit is not None and at > limit:
            return
        yield body, at


def valid_bytes(stream: BinaryIO) -> int:
    """Count the leading bytes of a ledger file that make whole records; 0 when even the magic is torn."""
    end = 0
    stream.seek(0)
    if stream.read(len(MAGIC)) == MAGIC:
        end = len(MAGIC)
    stream.seek(0)
    for _, end in _bodies(stream):  # noqa: B007
        pass
    return end


def live(read_all: Callable[[], Iterable[Record]]) -> Iterator[Record]:
    """Leave out Committed records that a later Lost takes back, FailedItems that a later Resumed does, and Lost itself.

    read_all: gives the records from the start; called twice, so that nothing but what was lost is kept.
    """
    gone, retried_before = set[Place](), 0
    for at, record in enumerate(read_all()):
        if isinstance(record, Lost):
            gone.add(record.place)
        elif isinstance(record, Resumed) and record.retries_failed:
            retried_before = at
    for at, record in enumerate(read_all()):
        is_retried = isinstance(record, FailedItems) and at < retried_before
        is_lost = isinstance(record, Lost) or (isinstance(record, Committed) and record.place in gone)
        if not (is_retried or is_lost):
            yield record


def _decode(body: bytes) -> Record:
    text, _, raw = body.partition(b"\0")
    values = json.loads(text)
    kind = _KINDS[values.pop("kind")]
    if kind is Planned:
        for name in ("skipped_names", "heaviest"):
            values[name] = tuple(values.get(name, ()))
    elif values.get("items"):
        values["items"] = tuple(values["items"])
    if kind is Committed:
        values["lengths"] = _unpack(values["lengths"], raw)
        values["short"] = tuple((m, n) for m, n in values["short"])
        values["files"] = tuple((m, f) for m, f in values["files"])
    record: Record = kind(**values)
    return record


def _pack(lengths: tuple[int, ...]) -> tuple[int, bytes]:
    """Give the bytes that one number takes, and all of them."""
    largest = max(lengths, default=0)
    width = next(width for width in sorted(_WIDTHS) if largest < 1 << 8 * width)
    return width, _little(array(_WIDTHS[width], lengths)).tobytes()


def _unpack(width: int, raw: bytes) -> tuple[int, ...]:
    numbers = array(_WIDTHS[width])
    numbers.frombytes(raw)
    return tuple(_little(numbers))


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
