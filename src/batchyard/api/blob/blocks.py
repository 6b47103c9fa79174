"""Block lists: which blocks, in which order, make up a blob."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from xml.parsers import expat

from batchyard.domain.errors import CallerError, InvalidInput, Mistake

_LONGEST_ID_BYTES = 64
_MOST_BLOCKS = 50_000
_LONGEST_LIST_BYTES = 8 << 20
_LONGEST_BLOCK_BYTES = 4000 << 20


def block_id_of(text: str | None) -> bytes:
    """Give the id in a query or a list, decoded. Raises: InvalidInput."""
    try:
        found = base64.b64decode(text or "", validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if not 0 < len(found) <= _LONGEST_ID_BYTES:
        raise InvalidInput("block", [Mistake("blockid", repr(text), f"1 to {_LONGEST_ID_BYTES} bytes in base64")])
    return found


def limited(chunks: Iterable[bytes], *, most_bytes: int = _LONGEST_BLOCK_BYTES) -> Iterable[bytes]:
    """Pass a body on. Raises: CallerError when it is longer than it may be."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most_bytes:
            raise CallerError(f"The body is longer than {most_bytes} bytes.")
        yield chunk


def parse_block_list(body: Iterable[bytes]) -> list[bytes]:
    """Give the ids that the XML of Put Block List names, in its order.

    # Azure: `Committed` names blocks of the blob as it is; they are not kept apart here, so they are refused.
    Raises: InvalidInput; CallerError when the list is too long.
    """
    reading = _Reading()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reading.begin
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    # A document type could define entities that grow without end; no client sends one.
    parser.StartDoctypeDeclHandler = reading.refuse_doctype
    try:
        for chunk in limited(body, most_bytes=_LONGEST_LIST_BYTES):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as exc:
        raise InvalidInput("block list", [Mistake("", f"text that is not XML ({exc})", "a <BlockList>")]) from exc
    return reading.ids


class _Reading:
    """What was read of a list so far."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self._open: list[str] = []
        self._text = ""

    def begin(self, name: str, _attributes: dict[str, str]) -> None:
        self._open.append(name)
        self._text = ""
        place = "/".join(self._open)
        if place not in ("BlockList", "BlockList/Latest", "BlockList/Uncommitted"):
            allowed = "Latest or Uncommitted: blocks that were committed cannot be used again"
            raise InvalidInput("block list", [Mistake("", f"<{name}>", allowed)])

    def end(self, _name: str) -> None:
        if len(self._open) == 2:
            if len(self.ids) == _MOST_BLOCKS:
                raise InvalidInput("block list", [Mistake("", "more blocks", f"at most {_MOST_BLOCKS}")])
            self.ids.append(block_id_of(self._text.strip()))
        self._open.pop()

    def text(self, text: str) -> None:
        self._text += text
        if len(self._text) > 1000:
            raise InvalidInput("block list", [Mistake("", "a longer text", "ids of blocks in base64")])

    def refuse_doctype(self, *_: object) -> None:
        raise InvalidInput("block list", [Mistake("", "a document type", "a plain <BlockList>")])
