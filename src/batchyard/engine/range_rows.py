"""How the rows of one committed range are shared among its mini-batches, and which item a row of one is of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from batchyard.domain.outputs.row_counts import RowCount
from batchyard.domain.scoring.ledger import Committed
from batchyard.domain.scoring.minibatches import Cut
from batchyard.engine.csv_rows import cells_of

_LARGEST_READ_BYTES = 64 << 20

# Gives bytes of a range, from an offset within it on; None where they are kept nowhere as they were written.
Read = Callable[[int, int], Iterator[bytes]]


def rows_of_mini_batches(record: Committed, cut: Cut, read: Read | None) -> Sequence[int] | None:
    """Give how many rows each mini-batch of a range has; None where that cannot be told.

    Nothing is read where the counts tell: of one mini-batch, or where each gave a row for each item.
    """
    count = len(record.lengths)
    if count == 1:
        return [record.rows]
    if not record.short and record.rows == cut.items_in(record.first, count):
        return [cut.items_in(mini_batch, 1) for mini_batch in range(record.first, record.stop)]
    if read is None:
        return None
    counted, offset = [], 0
    for length in record.lengths:
        count_of_one = RowCount()
        for piece in read(offset, length):
            count_of_one.take(piece)
        counted.append(count_of_one)
        offset += length
    # Lines and rows differ where values hold line breaks; of both readings the right one adds up.
    for found in ([one.lines for one in counted], [one.rows for one in counted]):
        if sum(found) == record.rows:
            return found
    return None


def value_in_row(content: bytes, row: int, column: int, name: str, *, is_csv: bool) -> str | None:
    """Give the value of a column in one row of a mini-batch; None where there is none. column: its place in a csv."""
    try:
        if is_csv:
            lines = cells_of(io.StringIO(content.decode("utf-8", "surrogateescape"), newline=""))
            return next(islice(lines, row, None))[column]
        found = json.loads(content.split(b"\n")[row])[name]
    except (ValueError, LookupError, TypeError, StopIteration, csv.Error):
        return None
    return None if found is None else str(found)


def bytes_of(read: Read | None, record: Committed, number: int) -> bytes | None:
    """Give the rows of one mini-batch of a range as they were written; None where they are not kept, or are huge."""
    if read is None or record.lengths[number] > _LARGEST_READ_BYTES:
        return None
    return b"".join(read(sum(record.lengths[:number]), record.lengths[number]))
