"""Checks of items before they are scored, where the deployment declares what they are: cheap, with what Python has.

Formats:

    csv      UTF-8, cells parted by commas; the header and the first rows of it, as far as `_HEAD_BYTES` reach
    jsonl    UTF-8; the first line is an object (or, without columns, any JSON)
    json     UTF-8; all of it is parsed
    parquet  the mark at both ends; columns where the script's environment has pyarrow
    image    the first bytes: PNG, JPEG, GIF, BMP, TIFF, WebP, HEIF, AVIF, JPEG 2000, Netpbm, ICO
    text     all of it is UTF-8

A null, an empty cell or an empty file where the format allows one is no mistake: whether a script can score it is its
own matter. A file that cannot be read raises OSError, which is told as the data's fault.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import os

from batchyard_runtime import text_types
from batchyard_runtime.schema import widen
from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Iterator, Mapping, Sequence

    Columns = Mapping[str, str]
    Look = Callable[[BinaryIO, Columns], None]

_HEAD_BYTES = 64 << 10
_HEAD_ROWS = 20
_LONGEST_LINE_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20
_LONGEST_LIST = 20
_IMAGES = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"\0\0\1\0",
    *(b"P%d" % kind for kind in range(1, 8)),
)
_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_PARQUET = (b"PAR1", b"PARE")


class _Wrong(Exception):
    """What is wrong with an item; `check` adds which one."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


def checker(
    contract: Mapping[str, Any], relative: Callable[[str], str]
) -> Callable[[Sequence[str]], None]:  # Any: JSON of the start command
    """Give the function that checks the items of a mini-batch. relative: gives an item's name for messages.

    contract: format, and columns by name. The function raises: Violation for the first item that breaks it; OSError.
    """
    look, columns = _LOOKS[contract["format"]], contract["columns"]

    def check(paths: Sequence[str]) -> None:
        for path in paths:
            try:
                with open(path, "rb", opener=_opened) as stream:
                    look(stream, columns)
            except _Wrong as exc:
                raise Violation(exc.error, "%r %s" % (relative(path), exc)) from None

    return check


def _opened(path: str, flags: int) -> int:
    # Opening a pipe that took the place of a file would wait for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _look_at_csv(stream: BinaryIO, columns: Columns) -> None:
    import csv

    rows = csv.reader(_lines_of_head(stream), strict=True)
    try:
        header = next(rows, None)
        if not header:
            raise _Wrong("InputFormat", "has no header line, as a CSV file has.")
        places = _places(header, columns)
        for number, row in enumerate(rows, 2):
            if number > _HEAD_ROWS + 1:
                break
            if row and len(row) != len(header):
                message = "is no CSV file: row %d has %d cells, the header %d."
                raise _Wrong("InputFormat", message % (number, len(row), len(header)))
            for name, at in places.items() if row else ():
                if row[at] and not text_types.fits(row[at], columns[name]):
                    found = text_types.shown(row[at])
                    message = "has in row %d, column %r: %s, which is no %s."
                    raise _Wrong("InputSchema", message % (number, name, found, columns[name]))
    except csv.Error as exc:
        raise _Wrong("InputFormat", "is no CSV file: %s (line %d)." % (exc, rows.line_num)) from None


def _lines_of_head(stream: BinaryIO) -> Iterator[str]:
    """Give the lines of the rows at the start; a row that is cut off, as the file goes on, is left out."""
    head, wanted = b"", _HEAD_BYTES
    while True:
        head += stream.read(wanted - len(head))
        is_whole = len(head) < wanted
        try:
            text = codecs.getincrementaldecoder("utf-8-sig")().decode(head, is_whole)
        except UnicodeDecodeError as exc:
            raise _not_utf8(exc.start, exc) from None
        lines = list(io.StringIO(text, newline=""))
        found = lines if is_whole else _whole_rows(lines[:-1])
        if found or is_whole:
            return iter(found)
        if wanted >= _LONGEST_LINE_BYTES:
            raise _Wrong("InputFormat", "is no CSV file: its header is longer than 16 MiB.")
        wanted *= 4


def _whole_rows(lines: list[str]) -> list[str]:
    """Leave out what follows the last line up to which quotes are balanced."""
    quotes, last = 0, 0
    for number, line in enumerate(lines, 1):
        quotes += line.count('"')
        if quotes % 2 == 0:
            last = number
    return lines[:last]


def _look_at_jsonl(stream: BinaryIO, columns: Columns) -> None:
    line = stream.readline(_LONGEST_LINE_BYTES)
    if not line.strip() and not stream.read(1):
        return
    if len(line) == _LONGEST_LINE_BYTES and not line.endswith(b"\n"):
        raise _Wrong("InputFormat", "is no JSON lines file: its first line is longer than 16 MiB.")
    found = _parsed(line, "is no JSON lines file: its first line")
    if not columns:
        return
    if not isinstance(found, dict):
        raise _Wrong("InputSchema", "has %s in its first line, and no object with columns." % type(found).__name__)
    _places(list(found), columns)
    for name, kind in columns.items():
        if not text_types.fits_json(found[name], kind):
            message = "has in its first line, column %r: %s, which is no %s."
            raise _Wrong("InputSchema", message % (name, text_types.shown(found[name]), kind))


def _look_at_json(stream: BinaryIO, _: Columns) -> None:
    _parsed(stream.read(), "is no JSON file: it")


def _parsed(raw: bytes, what: str) -> Any:  # Any: JSON
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise _not_utf8(exc.start, exc) from None
    except (ValueError, RecursionError) as exc:
        raise _Wrong("InputFormat", "%s cannot be parsed: %s." % (what, exc)) from None


def _look_at_text(stream: BinaryIO, _: Columns) -> None:
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    while True:
        chunk = stream.read(_CHUNK_BYTES)
        # What the decoder holds of a sign that the last chunk cut counts from its own start.
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, not chunk)
        except UnicodeDecodeError as exc:
            raise _not_utf8(before - held + exc.start, exc) from None
        if not chunk:
            return
        before += len(chunk)


def _look_at_image(stream: BinaryIO, _: Columns) -> None:
    head = stream.read(16)
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_branded = head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS
    if not (head.startswith(_IMAGES) or is_webp or is_branded):
        found = "it is empty" if not head else "it begins with %r" % head[:8]
        raise _Wrong("InputFormat", "is no image of a known kind: %s." % found)


def _look_at_parquet(stream: BinaryIO, columns: Columns) -> None:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(4)
    stream.seek(max(0, size - 4))
    tail = stream.read(4)
    if size < 12 or head not in _PARQUET or tail not in _PARQUET:
        message = "is no Parquet file: it has %d bytes, begins with %r and ends with %r."
        raise _Wrong("InputFormat", message % (size, head, tail))
    if not columns:
        return
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return
    stream.seek(0)
    try:
        schema = parquet.read_schema(stream)
    except Exception as exc:  # noqa: BLE001 - whatever pyarrow makes of a file that is none
        raise _Wrong("InputFormat", "is no Parquet file: %s" % exc) from None
    _places(schema.names, columns)
    for name, kind in columns.items():
        found = text_types.from_arrow(str(schema.field(name).type))
        if widen(kind, found, mixes=False) != kind:
            raise _Wrong("InputSchema", "has %s in column %r, which is no %s." % (found, name, kind))


def _places(header: list[str], columns: Columns) -> dict[str, int]:
    """Give where each declared column stands. Raises: _Wrong, naming those that are missing or there twice."""
    missing = [name for name in columns if name not in header]
    if missing:
        names, there = (", ".join(map(repr, some[:_LONGEST_LIST])) for some in (missing, header))
        one = "the column" if len(missing) == 1 else "the columns"
        raise _Wrong("InputSchema", "lacks %s %s; it has %s." % (one, names, there))
    doubled = [name for name in columns if header.count(name) > 1]
    if doubled:
        raise _Wrong("InputSchema", "has the column %r more than once." % doubled[0])
    return {name: header.index(name) for name in columns}


def _not_utf8(at: int, exc: UnicodeDecodeError) -> _Wrong:
    return _Wrong("InputFormat", "is no UTF-8 text: byte %d is 0x%02x." % (at, exc.object[exc.start]))


_LOOKS: dict[str, Look] = {
    "csv": _look_at_csv,
    "jsonl": _look_at_jsonl,
    "json": _look_at_json,
    "text": _look_at_text,
    "image": _look_at_image,
    "parquet": _look_at_parquet,
}
