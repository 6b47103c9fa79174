"""Looking whether a job's home is as the job left it: ledger, listing, rows that are kept, spec."""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from typing import Any, BinaryIO  # Any: JSON values

from batchyard.domain.errors import BatchyardError, NotFound
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.verification import Check, Event, Progress, ok, read_through, wrong
from batchyard.domain.scoring.ledger import Committed, Planned, live, valid_bytes
from batchyard.domain.scoring.tally import Tally
from batchyard.engine.ledger_file import Extent, extents, is_whole, ledger_sha256, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plain_json import to_json
from batchyard.ports.job_home import JobHome

_RECORDS_A_STEP = 2000


def find_ledger(home: JobHome, expected: str | None) -> Sequence[Extent] | None:
    """Give the ledger of this hash, None when there is none; without a hash what counts now.

    What came after it counts no more when a later run came to nothing.
    """
    now = extents(home)
    if expected is None:
        return now or None
    fences = sorted((int(name.removesuffix(".log")) for name in home.list("ledger")), reverse=True)
    for found in [now, *(extents(home, before_fence=fence) for fence in fences)]:
        if found and ledger_sha256(home, found) == expected:
            return found
    return None


def damaged_ledger(home: JobHome, expected: str) -> Iterator[Check]:
    """Say of each file of a ledger that has not its hash what is wrong with it."""
    now = extents(home)
    names = home.list("ledger")
    if not names:
        yield wrong("ledger", "", expected=f"sha256 {expected}", found="nothing: it is missing")
        return
    for name in names:
        with home.read(f"ledger/{name}") as stream:
            whole, size = valid_bytes(stream), stream.seek(0, 2)
        if whole < size:
            what = f"a record that is damaged, from byte {whole} of {size} on"
            yield wrong("ledger", f"ledger/{name}", expected="whole records to its end", found=what)
    found = ledger_sha256(home, now) if now else "none"
    files = ", ".join(extent.name for extent in now)
    yield wrong("ledger", "", expected=f"sha256 {expected}", found=f"sha256 {found}", note=f"It is made of {files}.")


def count_ledger(home: JobHome, ledger: Sequence[Extent]) -> Generator[Event, None, tuple[Tally, Planned | None]]:
    """Add a ledger up. Raises: PlatformError; KeyError and others of a ledger that contradicts itself."""
    tally, planned = Tally(partial(open_cut, home)), None
    for number, record in enumerate(records(home, ledger)):
        tally.apply(record)
        planned = record if isinstance(record, Planned) else planned
        if number % _RECORDS_A_STEP == 0:
            yield Progress("ledger", "", number)
    return tally, planned


def check_listing(home: JobHome, planned: Planned) -> Iterator[Event]:
    """Hold the frozen listing, its index and where mini-batches begin against the plan."""
    index = _IndexHash()
    yield from _check(home, planned.listing, planned.listing_sha256, index.take)
    yield from _check(home, f"{planned.listing}.index", index.hexdigest())
    if planned.starts and planned.starts_sha256:
        yield from _check(home, planned.starts, planned.starts_sha256)
    elif planned.starts:
        yield _check_starts(home, planned)
    if planned.rows_sha256:
        yield from _check_rows(home, planned)


def check_parts(home: JobHome, ledger: Sequence[Extent]) -> Iterator[Event]:
    """Hold the rows that are kept in part files against the ledger, each range by its crc."""
    ranges, damaged = dict[str, int](), dict[str, list[Committed]]()
    for record in live(lambda: records(home, ledger)):
        if isinstance(record, Committed) and record.size_bytes:
            ranges[record.part] = ranges.get(record.part, 0) + 1
            if not is_whole(home, record):
                damaged.setdefault(record.part, []).append(record)
            yield Progress("parts", record.part, record.offset + record.size_bytes)
    for part, count in sorted(ranges.items()):
        bad = damaged.get(part)
        if not bad:
            yield ok("parts", f"parts/{part}", f"{count} ranges of rows, each by its crc")
            continue
        note = f"The first of them is of mini-batches {bad[0].first} to {bad[0].stop - 1}."
        found = f"{len(bad)} of them are missing or not as they were written"
        yield wrong("parts", f"parts/{part}", expected=f"{count} ranges of rows by their crc", found=found, note=note)


def check_spec(home: JobHome, job: Job) -> Check:
    """Hold the frozen spec in the home against the record; what only one of the two versions knows is left out."""
    try:
        with home.read("spec.json") as stream:
            found = json.load(stream)
    except NotFound:
        return wrong("spec", "spec.json", expected="the spec of the job", found="nothing: it is missing")
    except (ValueError, RecursionError) as exc:
        return wrong("spec", "spec.json", expected="JSON", found=f"what is none ({exc})")
    differing = list(differences(json.loads(to_json(asdict(job.spec))), found))
    if not differing:
        return ok("spec", "spec.json")
    expected = ", ".join(f"{key} {before!r}" for key, before, _ in differing)
    return wrong("spec", "spec.json", expected=expected, found=", ".join(repr(now) for *_, now in differing))


def differences(expected: object, found: object, key: str = "") -> Iterator[tuple[str, object, object]]:
    """Give every value that two documents have at one place and that differs: where, one, the other."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in expected.keys() & found.keys():
            yield from differences(expected[name], found[name], f"{key}.{name}" if key else name)
    elif expected != found:
        yield key, expected, found


class _IndexHash:
    """Makes the hash that the index of a listing must have, from the listing's own bytes."""

    def __init__(self) -> None:
        self._digest, self._at = hashlib.sha256(array("Q", [0]).tobytes()), 0

    def take(self, piece: bytes) -> None:
        ends = array("Q", (self._at + found.end() for found in re.finditer(b"\0", piece)))
        self._digest.update(ends.tobytes())
        self._at += len(piece)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _check(home: JobHome, name: str, expected: str, *takers: Any) -> Iterator[Event]:  # Any: a callable
    try:
        with home.read(name) as stream:
            found, _ = yield from read_through(stream, "listing", name, *takers)
    except (BatchyardError, OSError) as exc:
        found = "nothing: it is missing" if isinstance(exc, NotFound) else str(exc)
        yield wrong("listing", name, expected=f"sha256 {expected}", found=found)
        return
    if found == expected:
        yield ok("listing", name, f"sha256 {found}")
    else:
        yield wrong("listing", name, expected=f"sha256 {expected}", found=f"sha256 {found}")


def _check_rows(home: JobHome, planned: Planned) -> Iterator[Event]:
    """Hold the rows of a table and their columns against the plan."""
    with home.read(f"{planned.listing}.columns") as stream:
        columns = stream.read()
    digest = hashlib.sha256()
    with home.read(f"{planned.listing}.rows") as stream:
        yield from read_through(stream, "listing", f"{planned.listing}.rows", digest.update)
    digest.update(columns)
    found, name = digest.hexdigest(), f"{planned.listing}.rows"
    if found == planned.rows_sha256:
        yield ok("listing", name, f"sha256 {found}, with its columns")
    else:
        yield wrong("listing", name, expected=f"sha256 {planned.rows_sha256}", found=f"sha256 {found}")


def _check_starts(home: JobHome, planned: Planned) -> Check:
    """Of plans that kept no hash of it: whether it is one at all."""
    expected = f"{planned.mini_batches} mini-batches of {planned.items} items"
    try:
        with home.read(planned.starts) as stream:
            starts = _numbers(stream)
    except NotFound:
        return wrong("listing", planned.starts, expected=expected, found="nothing: it is missing")
    is_one = len(starts) == planned.mini_batches + 1 and (starts[0], starts[-1]) == (0, planned.items)
    if is_one and all(start < stop for start, stop in pairwise(starts)):
        return ok("listing", planned.starts, "in order; no hash of it was kept")
    return wrong("listing", planned.starts, expected=expected, found="other numbers")


def _numbers(stream: BinaryIO) -> array[int]:
    content, numbers = stream.read(), array("Q")
    numbers.frombytes(content[: len(content) // 8 * 8])
    return numbers
