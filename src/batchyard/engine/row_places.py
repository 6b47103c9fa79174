"""Where the rows of each committed range are in an output: ranges in the order of the input, as they are published."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.domain.scoring.ledger import Committed, live
from batchyard.engine.ledger_file import Extent, records
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.job_home import JobHome

# First mini-batch, its first item (for a part of one), one past the last mini-batch, bytes, rows, crc.
_PLACE = struct.Struct(">QQQQQI")


@dataclass(frozen=True, slots=True)
class RowPlace:
    """The rows of one committed range.

    first, stop: its mini-batches. first_item: of its part, where it is one. offset: of its bytes among all rows' bytes.
    first_row: the number of its first row, from 0 on.
    """

    first: int
    stop: int
    first_item: int
    offset: int
    size_bytes: int
    first_row: int
    rows: int
    crc: int


def row_places(home: JobHome, extents: Sequence[Extent], work: Path) -> Iterator[RowPlace]:
    """Give the places of all rows, in order. work: a folder for what does not fit into memory."""
    runs, offset, row = SortedRuns(work / "places"), 0, 0
    for record in live(lambda: records(home, extents)):
        if isinstance(record, Committed):
            start = record.items[0] if record.items else 0
            runs.add(_PLACE.pack(record.first, start, record.stop, record.size_bytes, record.rows, record.crc))
    for raw in runs:
        first, first_item, stop, size, rows, crc = _PLACE.unpack(raw)
        yield RowPlace(first, stop, first_item, offset, size, row, rows, crc)
        offset, row = offset + size, row + rows
