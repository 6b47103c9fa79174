"""What became of a lease: runs of finished mini-batches, and failed attempts, as the `done` report tells them."""

from __future__ import annotations

from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    Places = Callable[[Iterable[int]], list[tuple[int, int]]]


class Segment:
    """Consecutive mini-batches that finished; see `frames` for the fields.

    lengths: bytes of the rows of each. items: of all together. surplus: rows beyond items. All are counted by the loop
    itself, which is felt for every mini-batch; what is out of the ordinary goes through the methods.
    """

    __slots__ = ("crc", "files", "first", "items", "lengths", "offset", "short", "surplus")

    def __init__(self, first: int, offset: int) -> None:
        self.first = first
        self.offset = offset
        self.lengths = array("Q")
        self.items = 0
        self.crc = 0
        self.short: list[tuple[int, int]] = []
        self.files: list[tuple[int, str]] = []
        self.surplus = 0

    def wrote_files(self, mini_batch: int, folder: str) -> None:
        """Note the folder with the files that the mini-batch just finished has written."""
        self.files.append((mini_batch, folder))

    def taken(self, first: int, offset: int) -> Segment:
        """Give what was counted so far as a segment of its own, and begin anew here."""
        before, fresh = Segment(self.first, self.offset), Segment(first, offset)
        for name in self.__slots__:
            setattr(before, name, getattr(self, name))
            setattr(self, name, getattr(fresh, name))
        return before

    @property
    def succeeded(self) -> int:
        """Items that have a row."""
        return self.items - sum(missing for _, missing in self.short)

    @property
    def rows(self) -> int:
        """Rows of all its mini-batches."""
        return self.succeeded + self.surplus


class Tally:
    """Collects the outcome of a lease, mini-batch by mini-batch, in order. segment: the one being counted."""

    def __init__(self, first: int, offset: int) -> None:
        """first: the first mini-batch; offset: where its rows will start in the part file."""
        self.segment = Segment(first, offset)
        self._segments: list[Segment] = []
        self._failures: list[tuple[int, str, str, str, str]] = []

    def set_apart(self, mini_batch: int, items: int, rows: int, *, crcs: tuple[int, int], offset: int) -> Segment:
        """Make the mini-batch just counted, whose result is short, a segment of its own, and give it.

        crcs: of the bytes of the segment before it, and of its own. offset: where its rows start.
        """
        segment, own = self.segment, Segment(mini_batch, offset)
        own.lengths.append(segment.lengths.pop())
        segment.items -= items
        own.items = items
        own.short.append((mini_batch, items - rows))
        own.files = [found for found in segment.files if found[0] == mini_batch]
        segment.files = [found for found in segment.files if found[0] != mini_batch]
        self._close(crcs[0])
        self.segment = own
        self._close(crcs[1])
        self.segment = Segment(mini_batch + 1, offset + own.lengths[0])
        return own

    def break_off(self, mini_batch: int, *, crc: int, offset: int) -> None:
        """End the segment before this mini-batch, whose rows go elsewhere; `segment` stays the one being counted.

        crc: of its bytes. offset: where the rows of the next one start.
        """
        before = self.segment.taken(mini_batch, offset)
        # What pieces of this very mini-batch have written before its rows were known.
        self.segment.files = [found for found in before.files if found[0] == mini_batch]
        before.files = [found for found in before.files if found[0] != mini_batch]
        if before.lengths:
            before.crc = crc
            self._segments.append(before)

    def failed(self, mini_batch: int, failure: tuple[str, str, str, str], *, crc: int, offset: int) -> None:
        """Note a failed attempt (class, error, message, stack), which ends a segment. crc: of that segment's bytes."""
        self._failures.append((mini_batch, *failure))
        self._close(crc)
        self.segment = Segment(mini_batch + 1, offset)

    def report(
        self, lease: int, *, crc: int, seconds: float, places: Places | None, is_spent: bool = False
    ) -> tuple[dict[str, Any], bytes]:
        """Give header and body of the `done` frame.

        crc: of the bytes of the last segment. places: gives file and offset in it for offsets of segments; None where
        there is one file.
        """
        self._close(crc)
        segments = [
            (s.first, len(s.lengths), s.offset, s.crc, s.rows, s.succeeded, s.short, s.files, 1) for s in self._segments
        ]
        if places is not None:
            found = places([s.offset for s in self._segments])
            # Offset and file are the third and the last.
            segments = [(*s[:2], offset, *s[3:-1], number) for s, (number, offset) in zip(segments, found)]  # noqa: B905
        header = {
            "kind": "done",
            "lease": lease,
            "segments": segments,
            "failures": self._failures,
            "seconds": seconds,
            "spent": is_spent,
        }
        return header, b"".join(s.lengths.tobytes() for s in self._segments)

    @property
    def outcome(self) -> tuple[int, int]:
        """How many mini-batches finished and failed, once reported."""
        return sum(len(s.lengths) for s in self._segments), len(self._failures)

    def _close(self, crc: int) -> None:
        if self.segment.lengths:
            self.segment.crc = crc
            self._segments.append(self.segment)
