"""Rows of csv as RFC 4180 has them, by their bytes: where each ends, and the same row with other columns.

Cells are moved as they stand, quotes and all: what a worker wrote as an empty text stays apart from nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

from batchyard.domain.outputs.schemas import OBJECT, Columns

_MAY_BE_EMPTY = ("string", OBJECT)
_LONGEST_CELL = 1 << 62  # The module's own limit is 128 KiB, which a text or an embedding may well be longer than.
_NEEDS_QUOTES = re.compile(r'[",\r\n]')
_CELL = re.compile(rb'(?:^|,)("(?:[^"]|"")*"|[^,"]*)')


def header(names: Sequence[str]) -> bytes:
    """Give the line that names the columns."""
    return (",".join(map(_cell, names)) + "\n").encode("utf-8", "backslashreplace")


def cells_of(lines: Iterable[str]) -> Iterator[list[str]]:
    """Give the cells of each row, however long they are. Raises: csv.Error."""
    csv.field_size_limit(_LONGEST_CELL)
    return csv.reader(lines)


def whole_rows(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to rows: one that ends within quotes goes on in the next."""
    held: list[bytes] = []
    is_open = False
    for line in lines:
        is_open ^= line.count(b'"') % 2 == 1
        if is_open or held:
            held.append(line)
            if not is_open:
                yield b"".join(held)
                held = []
        else:
            yield line
    if held:
        yield b"".join(held)


def recoded(rows: Iterable[bytes], columns: Columns, wanted: Sequence[str]) -> Iterator[bytes]:
    """Give rows with these columns as rows with the columns `wanted`, empty where they have none."""
    names = [name for name, _ in columns]
    places = [names.index(name) if name in names else -1 for name in wanted]
    # Alone in its line no value is written as an empty text is; of other types than these it cannot be one.
    is_nothing = len(columns) == 1 and columns[0][1] not in _MAY_BE_EMPTY and len(wanted) > 1
    for row in rows:
        body = row[:-1]
        if is_nothing and body == b'""':
            body = b""
        cells = _CELL.findall(body) if b'"' in body else body.split(b",")
        line = b",".join(cells[place] if place >= 0 else b"" for place in places)
        yield (line or b'""') + b"\n"  # An empty line would be no row.


def _cell(text: str) -> str:
    # An empty name alone in its line would be no line.
    needs_quotes = not text or _NEEDS_QUOTES.search(text)
    return '"' + text.replace('"', '""') + '"' if needs_quotes else text
