"""A DataFrame or table as Azure's text: a line for each row, cells parted by one space, no header, no index.

A cell is quoted as RFC 4180 says only where it holds a space, a quote or a line break. Text of cells:

    None, NaN, NaT, pandas.NA    nothing (two spaces side by side); "" in a frame of one column: no line is empty
    float                        repr: 0.1, 1e-07, inf; a float32 its own shortest digits
    int, bool                    5, True
    str                          itself
    bytes                        as in `results`
    everything else              str(cell): 2020-01-01 00:00:00 for a Timestamp (quoted, it holds a space)

Written here and not by `to_csv`, whose quoting and digits differ between versions of pandas and Python.
"""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

_CHUNK_ROWS = 8192
_must_be_quoted = re.compile('[ "\r\n]').search


def write(
    frame: Any, append: Callable[[bytes], None]
) -> int:  # Any: a DataFrame, which cannot be imported for its type
    """Append the lines of a frame; give how many rows it has."""
    rows, columns = frame.shape
    for start in range(0, rows, _CHUNK_ROWS):
        chunk = frame.iloc[start : start + _CHUNK_ROWS]
        texts = [_column(chunk.iloc[:, at]) for at in range(columns)]
        if columns == 1:
            lines = [text or '""' for text in texts[0]]
        elif columns:
            lines = [" ".join(cells) for cells in zip(*texts)]  # noqa: B905 - strict= is newer than Python 3.8
        else:
            lines = [""] * len(chunk)
        append(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    return int(rows)


def write_rows(rows: Iterable[tuple[Any, ...]], append: Callable[[bytes], None]) -> int:
    """Append the lines of a table of another library, given row by row; give how many there are.

    Any: whatever a script put into its cells.
    """
    count = 0
    lines: list[str] = []
    for row in rows:
        cells = [_quoted(_cell(value)) for value in row]
        lines.append(" ".join(cells) if len(cells) > 1 else cells[0] or '""')
        if len(lines) == _CHUNK_ROWS:
            count += _flush(lines, append)
    return count + _flush(lines, append)


def _flush(lines: list[str], append: Callable[[bytes], None]) -> int:
    count = len(lines)
    if lines:
        append(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
        lines.clear()
    return count


def _column(series: Any) -> list[str]:  # Any: a pandas Series
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O") if type(dtype).__module__.startswith("numpy") else "O"
    if kind in "iub":
        return list(map(str, series.tolist()))
    if kind == "f":
        values = series.tolist() if dtype == "float64" else list(series.to_numpy())
        return ["" if value != value else str(value) for value in values]
    return [_quoted(_cell(value)) for value in series.tolist()]


def _cell(value: Any) -> str:  # Any: whatever a script put into a frame
    if type(value) is str:
        return value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is getattr(pandas, "NA", None) or value is getattr(pandas, "NaT", None)):
        return ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def _quoted(text: str) -> str:
    if _must_be_quoted(text):
        return '"' + text.replace('"', '""') + '"'
    return text
