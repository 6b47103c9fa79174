"""Mini-batches that are scored in parts, as the ledger tells it: what is open, how far it was divided, what failed.

A part is a slice of one mini-batch's items, [start, stop) counted from the mini-batch's first item. What to divide, and
when, is decided in `isolation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, Lost, Slice, Split


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part without an outcome. attempt: number of its one try. failed: how that ended, if nothing was decided yet."""

    attempt: int
    failed: AttemptFailed | None = None


@dataclass(slots=True)
class Parts:
    """One mini-batch in parts. made: parts ever made. failed: those whose items have failed for good -> attempts."""

    open: dict[Slice, OpenPart] = field(default_factory=dict)
    made: int = 0
    failed: dict[Slice, int] = field(default_factory=dict)

    @property
    def has_failed(self) -> bool:
        """Whether items of it have failed for good."""
        return bool(self.failed)

    def split(self, record: Split) -> None:
        """Put two halves in the place of a part, or of the whole mini-batch."""
        self.open.pop(record.items, None)
        self.open.update(dict.fromkeys(halves(record.items), OpenPart(record.attempt + 1)))
        self.made += 2

    def fail(self, record: AttemptFailed, items: Slice) -> None:
        """Note a part's try that failed; it stays open until somebody says what becomes of it."""
        self.open[items] = OpenPart(record.attempt, record)

    def forget_failures(self) -> None:
        """Let what is open be tried again as if it had not been."""
        self.open = {items: OpenPart(part.attempt) for items, part in self.open.items()}

    def settle(self, record: Committed | FailedItems, items: Slice) -> bool:
        """Note a part that needs no more work; True when it was the mini-batch's last one."""
        self.open.pop(items, None)
        if isinstance(record, FailedItems):
            self.failed[items] = record.attempts
        return not self.open

    def retry(self) -> int:
        """Open again what has failed for good; how many items that are."""
        self.open.update({items: OpenPart(attempts) for items, attempts in self.failed.items()})
        items = sum(stop - start for start, stop in self.failed)
        self.failed, self.made = {}, 0
        return items

    def lose(self, record: Lost, items: Slice) -> bool:
        """Open a scored part again; True when the mini-batch was through before."""
        was_through = not self.open
        self.open[items] = OpenPart(record.attempt)
        return was_through


def halves(items: Slice) -> tuple[Slice, Slice]:
    """Divide a slice of two items or more; the first half is never the shorter one."""
    start, stop = items
    middle = (start + stop + 1) // 2
    return (start, middle), (middle, stop)
