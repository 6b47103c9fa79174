"""Columnar files, made of rows that are lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol  # Any: a cell

from batchyard.domain.outputs.schemas import Columns


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file that was written."""

    path: Path
    rows: int


class Tables(Protocol):
    """Reads and writes Parquet files; the same rows and columns give the same bytes, however they come in."""

    def mistake(self) -> str | None:
        """Say in a sentence or two what is missing here for Parquet files, and what to do; None when nothing is."""

    def rows(self, path: Path) -> Iterator[tuple[list[str], list[Any]]]:
        """Read a file row by row: the names of its columns and the cells of a row; memory stays flat.

        Raises: Conflict when it is no Parquet file, or something is missing here; OSError.
        """

    def write(
        self,
        columns: Columns,
        lines: Iterable[bytes],
        folder: Path,
        *,
        most_bytes: int | None,
        reach: Callable[[], object],
    ) -> list[TableFile]:
        """Write files into the folder, at least one; memory stays flat.

        lines: blocks of any size of JSON objects, a line each, cut anywhere; a column that an object lacks is null.
        most_bytes: a further file is begun where one would grow larger (by its last row group, at most); None for one
        file. reach: called after each row group.
        Raises: Conflict when a value does not fit its column, naming it, or when something is missing here; OSError.
        """
