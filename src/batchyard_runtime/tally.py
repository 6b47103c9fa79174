"""What became of a lease: runs of finished mini-batches, and failed attempts, as the `done` report tells them."""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Segment:
    """Consecutive mini-batches that finished; see `frames` for the fields."""

    __slots__ = ("crc", "files", "first", "lengths", "offset", "rows", "short", "succeeded")

    def __init__(self, first: int, offset: int) -> None:
        self.first = first
        self.offset = offset
        self.lengths = array("Q")
        self.crc = 0
        self.rows = 0
        self.succeeded = 0
        self.short: list[tuple[int, int]] = []
        self.files: list[tuple[int, str]] = []


class Tally:
    """Collects the outcome of a lease, mini-batch by mini-batch, in order."""

    def __init__(self, first: int, offset: int) -> None:
        """first: the first mini-batch; offset: where its rows will start in the part file."""
        self._segment = _Segment(first, offset)
        self._segments: list[_Segment] = []
        self._failures: list[tuple[int, str, str, str, str]] = []

    def finished(self, mini_batch: int, *, items: int, rows: int, length: int) -> None:
        """Count a finished mini-batch. length: bytes of its rows."""
        segment = self._segment
        segment.lengths.append(length)
        segment.rows += rows
        if rows >= items:
            segment.succeeded += items
        else:
            segment.succeeded += rows
            segment.short.append((mini_batch, items - rows))

    def wrote_files(self, mini_batch: int, folder: str) -> None:
        """Note the folder with the files that the mini-batch just finished has written."""
        self._segment.files.append((mini_batch, folder))

    def failed(self, mini_batch: int, failure: tuple[str, str, str, str], *, crc: int, offset: int) -> None:
        """Note a failed attempt (class, error, message, stack), which ends a segment. crc: of that segment's bytes."""
        self._failures.append((mini_batch, *failure))
        self._close(crc)
        self._segment = _Segment(mini_batch + 1, offset)

    def report(self, lease: int, *, crc: int, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Give header and body of the `done` frame. crc: of the bytes of the last segment."""
        self._close(crc)
        header = {
            "kind": "done",
            "lease": lease,
            "segments": [
                (s.first, len(s.lengths), s.offset, s.crc, s.rows, s.succeeded, s.short, s.files)
                for s in self._segments
            ],
            "failures": self._failures,
            "seconds": seconds,
        }
        return header, b"".join(s.lengths.tobytes() for s in self._segments)

    @property
    def outcome(self) -> tuple[int, int]:
        """How many mini-batches finished and failed, once reported."""
        return sum(len(s.lengths) for s in self._segments), len(self._failures)

    def _close(self, crc: int) -> None:
        if self._segment.lengths:
            self._segment.crc = crc
            self._segments.append(self._segment)
