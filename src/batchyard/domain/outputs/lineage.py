"""Where a row, a file or an item of an output comes from and went: mini-batch, attempt and worker."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Of a mini-batch or a file that many have written: the first ones are named, and all are counted.
MOST_NAMED = 100


class Attribution(Enum):
    """How it is known to which items something belongs.

    ONLY_ITEM: the mini-batch (or the part that was scored) had one item. BY_POSITION: it gave as many rows as it had
    items, and rows stand in the order of items. ROW: the row says it itself. MINI_BATCH: any of its items, or all.
    WORKER: written in `init()` or `shutdown()`, for no item. JOB: of the job as a whole.
    """

    ONLY_ITEM = "only_item"
    BY_POSITION = "by_position"
    ROW = "row"
    MINI_BATCH = "mini_batch"
    WORKER = "worker"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Origin:
    """The attempt whose result was taken. mini_batch: the first, and stop one past the last where which is not known.

    fence: of the job's process that led it. attempt: its number. first_row, rows: what it gave, where that is known.
    """

    mini_batch: int
    stop: int
    attempt: int
    worker: str
    fence: int
    first_row: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class TracedItem:
    """One item of the input. path: relative, the bytes of its name. position: in the listing."""

    path: bytes
    position: int


@dataclass(frozen=True, slots=True)
class Trace:
    """One thing, traced. items: the first ones, of `matches`. outcome: of an item that was asked for, else ""."""

    attribution: Attribution
    origins: tuple[Origin, ...] = ()
    items: tuple[TracedItem, ...] = ()
    matches: int = 0
    outcome: str = ""
    note: str = ""
