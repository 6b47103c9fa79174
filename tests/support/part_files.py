"""Part files and their ledger, written by hand: what workers of one job leave, without workers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.scoring.ledger import Committed, Planned
from batchyard.engine.gather import Gathered, gather
from batchyard.engine.ledger_file import LedgerFile, extents


@dataclass(frozen=True)
class Part:
    """A part file. columns: None for text. rows: of each mini-batch, by its number, each row as it stands."""

    columns: Sequence[tuple[str, str]] | None
    rows: dict[int, list[str]]
    format: str = "jsonl"


class _Quiet:
    def reach(self, point: str) -> None:
        """No faults here."""


def write_parts(home: LocalJobHome, parts: Sequence[Part], *, items: int) -> None:
    """Write part files `1-w0.part`, `1-w1.part`, … and a ledger in which every mini-batch is a range of its own."""
    ledger = LedgerFile(home, 1, faults=_Quiet(), check=lambda: None)
    ledger.write(Planned(items, 1, "0" * 64, 0.0))
    for number, part in enumerate(parts):
        head = b"batchyard part 1\n"
        if part.columns is not None:
            schema = {"format": part.format, "columns": [list(column) for column in part.columns]}
            head = b"batchyard part 2\n" + json.dumps(schema).encode() + b"\n"
        body = bytearray(head)
        name = f"1-w{number}.part"
        for mini_batch, rows in part.rows.items():
            content = "".join(f"{row}\n" for row in rows).encode()
            record = Committed(
                mini_batch, 1, name, len(body), (len(content),), zlib.crc32(content), len(rows), len(rows)
            )
            body += content
            ledger.write(record)
        home.path(f"parts/{name}").write_bytes(body)
    ledger.close()


def gathered_of(home: LocalJobHome, work: Path) -> Gathered:
    """Read the ledger back as collecting does."""
    return gather(home, extents(home), work / "sorted")
