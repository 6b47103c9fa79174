"""The range of a blob that a GET asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(?P<first>[0-9]{1,18})?-(?P<last>[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes first..last of a blob, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.last - self.first + 1


class UnsatisfiableError(Exception):
    """The range lies behind the end of the blob; an empty blob has no range at all."""


def wanted_range(header: str | None, *, size_bytes: int) -> ByteRange | None:
    """Give the range that the header asks for, cut at the blob's end; None for the whole.

    What is no single range is ignored, as HTTP wants it. Raises: UnsatisfiableError.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or (found["first"] is None and found["last"] is None):
        return None
    if found["first"] is None:
        first, last = max(0, size_bytes - int(found["last"])), size_bytes - 1
    else:
        first = int(found["first"])
        last = min(size_bytes - 1, int(found["last"])) if found["last"] is not None else size_bytes - 1
        if found["last"] is not None and int(found["last"]) < first:
            return None
    if first >= size_bytes or last < first:
        raise UnsatisfiableError
    return ByteRange(first, last)
