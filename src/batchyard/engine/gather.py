"""Reading a ledger for its output: where rows and files are and what failed, sorted in the order of the input.

Memory stays flat: what has to be sorted goes through sorted runs.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from batchyard.domain.errors import Conflict
from batchyard.domain.failures import SHORT_RESULT, log_of
from batchyard.domain.item_names import item_fields
from batchyard.domain.scoring.ledger import Committed, FailedItems, live
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.outcomes import short_message
from batchyard.engine.ledger_file import Extent, records
from batchyard.engine.own_files import files_of
from batchyard.engine.plan import Listing
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.job_home import JobHome

# Big-endian sorts as numbers do.
_ROWS = struct.Struct(
    ">QQQQQI"
)  # First mini-batch, its first item (for a part of one), offset, bytes, rows, part file.
_PLACE = struct.Struct(">QQ")  # Mini-batch, first item in it.


@dataclass(slots=True)
class Gathered:
    """What the ledger says, each sorted: rows and failures by mini-batch, files by name. parts: by their number."""

    rows: SortedRuns
    failures: SortedRuns
    files: SortedRuns
    parts: list[str]


def gather(
    home: JobHome,
    extents: Sequence[Extent],
    work: Path,
    *,
    counts: Callable[[Committed], bool] = lambda _: True,
    with_files: bool = True,
) -> Gathered:
    """Read the ledger and sort what it says, in runs below `work`. counts: whether the rows of a range do."""
    found = Gathered(SortedRuns(work / "rows"), SortedRuns(work / "failures"), SortedRuns(work / "files"), [])
    numbers: dict[str, int] = {}
    for record in live(lambda: records(home, extents)):
        if isinstance(record, FailedItems):
            found.failures.add(_PLACE.pack(record.mini_batch, _start(record)) + json.dumps(asdict(record)).encode())
        elif isinstance(record, Committed) and counts(record):
            number = numbers.setdefault(record.part, len(numbers))
            start = _start(record)
            found.rows.add(_ROWS.pack(record.first, start, record.offset, record.size_bytes, record.rows, number))
            for mini_batch, missing in record.short:
                short = {
                    "mini_batch": mini_batch,
                    "count": missing,
                    "attempts": record.attempt,
                    "worker": record.worker,
                    "items": record.items,
                }
                found.failures.add(_PLACE.pack(mini_batch, start) + json.dumps(short).encode())
            for number, (mini_batch, folder) in enumerate(record.files if with_files else ()):
                found.files.extend(
                    files_of(home.path("files"), folder, mini_batch, start, number, is_confined=record.is_confined)
                )
    found.parts = list(numbers)
    _refuse_links(home, found.parts)
    return found


def _refuse_links(home: JobHome, parts: Sequence[str]) -> None:
    """Have no rows read through links. Raises: Conflict: a worker in a sandbox may have made one in its own folder."""
    for part in parts:
        if "/" in part and home.path(f"parts/{part}").is_symlink():
            raise Conflict(
                f"The part file {part!r} is a link that the script has put in its place: no row of it counts."
            )


class Range(NamedTuple):
    """Rows of one committed range. part: number of its part file. mini_batch: the first one that they are of."""

    part: int
    offset: int
    size_bytes: int
    rows: int
    mini_batch: int


def ranges(gathered: Gathered) -> Iterator[Range]:
    """Give the ranges that have rows, in input order."""
    for raw in gathered.rows:
        mini_batch, _, offset, size, rows, part = _ROWS.unpack(raw)
        if size:
            yield Range(part, offset, size, rows, mini_batch)


def failed_lines(failures: SortedRuns, listing: Listing, cut: Cut) -> Iterator[bytes]:
    """One JSON line for each failed item, in input order; a short result is one line for its mini-batch."""
    for raw in failures:
        failure = json.loads(raw[_PLACE.size :])
        first, stop = cut.bounds(failure["mini_batch"], failure["items"])
        if "error" not in failure:
            yield _line(_short_line(failure, first, stop, listing))
            continue
        keys = ("mini_batch", "attempts", "error_class", "error", "message", "stack", "worker")
        shared = {key: failure[key] for key in keys}
        shared["log"] = log_of(failure["worker"], stack=failure["stack"])
        shared["attribution"] = _attribution(failure, stop - first)
        for position in range(first, stop):
            yield _line({**item_fields(listing.path(position)), "position": position, **shared})


def _start(record: Committed | FailedItems) -> int:
    return record.items[0] if record.items else 0


def _attribution(failure: dict[str, Any], items: int) -> str:  # Any: JSON values
    """To what the failure is charged: this item alone, or a part of its mini-batch, or all of it."""
    if items == 1:
        return "item"
    return "not_isolated" if failure["items"] else "mini_batch"


def _short_line(short: dict[str, Any], first: int, stop: int, listing: Listing) -> dict[str, object]:
    """Of several items it cannot be known which one is missing: the script returned fewer elements than it was given.

    Any: JSON values.
    """
    given = stop - first
    return {
        **(item_fields(listing.path(first)) if given == 1 else {"item": None}),
        "position": first,
        "mini_batch": short["mini_batch"],
        "attempts": short["attempts"],
        "error_class": "data",
        "error": SHORT_RESULT,
        "message": short_message(given, short["count"]),
        "stack": "",
        "worker": short["worker"],
        "log": log_of(short["worker"], stack=""),
        "attribution": _attribution(short, given),
        "count": short["count"],
    }


def _line(document: dict[str, Any]) -> bytes:  # Any: JSON values
    return json.dumps(document).encode() + b"\n"
