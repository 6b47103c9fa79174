r"""Tables as lines of CSV (RFC 4180, LF, no header) and of JSON, in UTF-8.

    value                    CSV                                JSON
    None, NaN, no such key   nothing; "" in a line of one cell  null; the key is left out
    bool                     true, false                        true, false
    int, float, float32      5, 0.1, 1e-07, inf                 the same; "Infinity" and "-Infinity" as strings
    str                      itself; "" where it is empty       a string
    bytes                    base64                             base64, a string
    date, datetime           2020-01-31, 2020-01-31T10:00:00.5  the same, a string; of UTC with Z at the end
    list, dict               its JSON                           an array, an object

A cell of CSV is quoted where it is an empty string or holds a comma, a quote or a line break. A lone surrogate (of a
file name that is not UTF-8) becomes \udcff as text.
"""

from __future__ import annotations

import binascii
import datetime
import re
from json.encoder import encode_basestring
from math import isfinite

from batchyard_runtime.values import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from batchyard_runtime.columns import Table

_must_be_quoted = re.compile('[,"\r\n]').search


def csv_lines(table: Table, names: list[str]) -> bytes:
    """Give the lines of a table with these columns, in this order; a column that it lacks is empty."""
    at = {name: number for number, name in enumerate(table.names)}
    empty = [""] * table.rows
    texts = [_texts(table.columns[at[name]], _csv_text, _quoted) if name in at else empty for name in names]
    if len(texts) == 1:
        lines = [text or '""' for text in texts[0]]
    else:
        lines = [",".join(cells) for cells in zip(*texts)] if texts else [""] * table.rows  # noqa: B905 - not in 3.8
    return _block(lines)


def json_lines(table: Table) -> bytes:
    """Give the lines of a table: an object for each row, keys as the table has its columns."""
    columns = []
    for name, values in zip(table.names, table.columns):  # noqa: B905 - strict= is newer than Python 3.8
        key = encode_basestring(_clean(name)) + ":"
        texts = _texts(values, _json_text, encode_basestring)
        columns.append([key + text for text in texts])
        if type(MISSING) in {*map(type, values)}:
            columns[-1] = ["" if value is MISSING else key + text for value, text in zip(values, texts)]  # noqa: B905
    if not columns:
        return _block(["{}"] * table.rows)
    return _block(["{%s}" % ",".join(filter(None, pairs)) for pairs in zip(*columns)])  # noqa: B905


def _block(lines: list[str]) -> bytes:
    return "".join([line + "\n" for line in lines]).encode("utf-8", "backslashreplace")


def _texts(values: list[Any], text_of: Callable[[Any], str], quote: Callable[[str], str]) -> list[str]:
    """Give the text of each value of a column; those of one plain kind, which nearly all are, at once."""
    kinds = {*map(type, values)}
    if kinds == {int} or (kinds == {float} and all(map(isfinite, values))):
        return list(map(repr, values))
    if kinds == {str}:
        return list(map(quote, values if quote is _quoted else map(_clean, values)))
    return list(map(text_of, values))


def _csv_text(value: Any) -> str:  # Any: a value of a Table
    if value is None or value is MISSING or value != value:
        return ""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (list, dict)):
        return _quoted(_json_text(value))
    text = _plain_text(value)
    return text if text is not None else str(value)


def _json_text(value: Any) -> str:  # Any: a value of a Table
    if value is None or value is MISSING:
        return "null"
    if isinstance(value, str):
        return encode_basestring(_clean(value))
    if isinstance(value, list):
        return "[%s]" % ",".join(map(_json_text, value))
    if isinstance(value, dict):
        pairs = ("%s:%s" % (encode_basestring(_clean(key)), _json_text(cell)) for key, cell in value.items())
        return "{%s}" % ",".join(pairs)
    if value != value:
        return "null"
    text = _plain_text(value)
    if text is not None:
        return text if isinstance(value, bool) else '"%s"' % text
    if isinstance(value, int) or isfinite(value):
        return str(value)
    return '"Infinity"' if value > 0 else '"-Infinity"'


def _plain_text(value: Any) -> str | None:  # Any: a value of a Table
    """Give the text of what is neither text, number nor a compound of others; None for a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if isinstance(value, datetime.datetime):
        text = value.isoformat()
        return text if value.tzinfo is None else text.replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, datetime.date) else None


def _quoted(text: str) -> str:
    if not text or _must_be_quoted(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _clean(text: str) -> str:
    """Give a text without lone surrogates: JSON would have them as escapes that few programs take."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text
