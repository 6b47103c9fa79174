"""What a job has scored so far, read from its home: never an output, and never called one.

Reading changes nothing in the home; what has to be sorted is sorted in a temporary folder.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from batchyard.domain.deployments import OutputAction, OutputFormat, output_format_of
from batchyard.domain.errors import Conflict, NotFound, PlatformError
from batchyard.domain.jobs import Job
from batchyard.domain.scoring.ledger import Committed, Planned, live
from batchyard.domain.scoring.tally import Tally
from batchyard.engine.gather import failed_lines, gather
from batchyard.engine.ledger_file import Extent, extents, is_whole, lost_of, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing
from batchyard.engine.rows import RowFiles, lay_out_lines
from batchyard.ports.datastore import Piece
from batchyard.ports.job_home import JobHome, JobHomes
from batchyard.ports.partial import Partial

_CHUNK_BYTES = 1 << 20
_SNAPSHOT = re.compile(r"[0-9]{1,18}-[0-9]{1,18}(\.[0-9]{1,18}-[0-9]{1,18})*")


class LedgerPartials:
    """`ports.partial.PartialOutputs` over the homes of jobs."""

    def __init__(self, homes: JobHomes) -> None:
        self._homes = homes

    def look(self, job: Job) -> Partial:
        """Say what there is now, every range checked by its crc."""
        home = self._home(job)
        parts, tally, size, own = extents(home), Tally(partial(open_cut, home)), 0, 0
        for record in records(home, parts):
            tally.apply(record)
        for record in live(lambda: records(home, parts)):
            if not isinstance(record, Committed):
                continue
            if _is_there(home, record):
                size += record.size_bytes
                own += len(record.files)
            else:
                tally.apply(lost_of(record))
        if tally.cut is None:
            raise _nothing_yet(job)
        has_rows = job.settings.output_action is OutputAction.APPEND_ROW
        if has_rows and _format_of(job) is OutputFormat.CSV:
            with self._rows(job, parts) as found:
                size = found.size_bytes(0)
        snapshot = ".".join(f"{extent.fence}-{extent.valid_bytes}" for extent in parts)
        return Partial(snapshot, tally.counts, size if has_rows else None, own)

    def rows(self, job: Job, snapshot: str) -> Iterator[bytes]:
        """Give the rows of a snapshot in the order of the input; the snapshot is looked at when the first is read."""
        parts = _extents_of(self._home(job), snapshot)
        with self._rows(job, parts) as found:
            for piece in found.pieces(0):
                yield from _content(piece)

    def failed_items(self, job: Job, snapshot: str) -> Iterator[bytes]:
        """Give the failed items of a snapshot in the order of the input."""
        home = self._home(job)
        parts = _extents_of(home, snapshot)
        planned = _plan_of(home, parts)
        if planned is None:
            raise _nothing_yet(job)
        with tempfile.TemporaryDirectory(prefix="batchyard-partial-") as folder:
            gathered = gather(home, parts, Path(folder), counts=partial(_is_there, home), with_files=False)
            with closing(Listing(home.path(planned.listing))) as listing:
                yield from failed_lines(gathered.failures, listing, open_cut(home, planned))

    @contextmanager
    def _rows(self, job: Job, parts: Sequence[Extent]) -> Iterator[RowFiles]:
        home = self._home(job)
        with tempfile.TemporaryDirectory(prefix="batchyard-partial-") as name:
            folder = Path(name)
            gathered = gather(home, parts, folder, counts=partial(_is_there, home), with_files=False)
            yield lay_out_lines(
                home, gathered, folder / "layout", output_format=_format_of(job), most_bytes=None, reach=tuple
            )

    def _home(self, job: Job) -> JobHome:
        if not self._homes.exists(job.name):
            raise _nothing_yet(job)
        return self._homes.open(job.name)


def _format_of(job: Job) -> OutputFormat:
    """Give the format of what was scored so far: a Parquet file is made when all is; until then rows are JSON."""
    found = output_format_of(job.settings)
    return OutputFormat.JSONL if found is OutputFormat.PARQUET else found


def _is_there(home: JobHome, record: Committed) -> bool:
    return not record.size_bytes or is_whole(home, record)


def _nothing_yet(job: Job) -> Conflict:
    why = "nothing of it was scored yet, or its home is gone"
    return Conflict(f"Job {job.name!r} is {job.status.value} and has no rows: {why}.")


def _plan_of(home: JobHome, parts: Sequence[Extent]) -> Planned | None:
    found = None
    for record in records(home, parts):
        if isinstance(record, Planned):
            found = record
    return found


def _extents_of(home: JobHome, snapshot: str) -> list[Extent]:
    """Read a snapshot back. Raises: NotFound when the ledger was never so."""
    unknown = NotFound(f"The snapshot {snapshot[:80]!r} is not one of this job; ask what there is again.")
    if not _SNAPSHOT.fullmatch(snapshot):
        raise unknown
    pairs = [pair.split("-") for pair in snapshot.split(".")]
    parts = [Extent(int(fence), int(size)) for fence, size in pairs]
    try:
        for _ in records(home, parts):
            pass
    except (NotFound, PlatformError) as exc:
        raise unknown from exc
    return parts


def _content(piece: Piece) -> Iterator[bytes]:
    left = piece.size_bytes
    # Its worker may live, and write what it likes in its folder: a link there is not followed.
    with open(piece.path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as stream:
        stream.seek(piece.offset)
        while left:
            chunk = stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise PlatformError(f"{piece.path.name} ends before its last row.")
            left -= len(chunk)
            yield chunk
