"""Bisecting: finding the items that make a mini-batch fail, so that its other items are scored all the same.

A mini-batch is divided where every try of it ended with an exception of `run()`: into halves, a try each; a half that
fails with an exception is divided again, down to single items or until the mini-batch has been run `MOST_PARTS` times
more. The items of what cannot be divided have failed.

A script that fails everything must not cost that. Until the job's first success, what is used up waits (it is parked).
When waiting leads nowhere, because nothing else is left to do, or because the budgets do not tolerate what waits, the
smallest of it is divided to see whether anything succeeds, `MOST_PROBES` runs in all; when nothing does, all that waits
has failed.
"""

from __future__ import annotations

from dataclasses import replace

from batchyard.domain.jobs import Counts, ErrorClass
from batchyard.domain.scoring.ledger import AttemptFailed, Slice
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally

MOST_PARTS = 64  # Runs of parts, for one mini-batch.
MOST_PROBES = 14  # Runs of parts before the job's first success: seven times two halves, whatever its size.
MOST_PARKED = 64  # What waits for a first success is kept in memory, stacks and all.
# Memory: what remains when single items were too large (`run_items`).
_RAISED = frozenset(kind.value for kind in (ErrorClass.SCRIPT, ErrorClass.DATA, ErrorClass.MEMORY, ErrorClass.CONTRACT))


class Isolation:
    """What may be divided, how often, and what waits for the job's first success. Says; does nothing itself."""

    def __init__(self, cut: Cut, tally: Tally, *, is_on: bool) -> None:
        """tally: what earlier owners did counts against the same limits."""
        self._cut = cut
        self._is_on = is_on
        self._unraised = set(tally.unraised)
        self._made = {mini_batch: parts.made for mini_batch, parts in tally.parts.items() if parts.open}
        self._probes = sum(parts.made for parts in tally.parts.values())
        self._parked: dict[tuple[int, Slice], AttemptFailed] = {}
        self._parked_items = 0
        self._open = sum(len(parts.open) for parts in tally.parts.values())

    def items_of(self, failed: AttemptFailed) -> Slice:
        """The items that an attempt was about."""
        return failed.items or (0, self._cut.items_in(failed.mini_batch, 1))

    def note_attempt(self, failed: AttemptFailed) -> None:
        """Remember a failed attempt at a whole mini-batch: one that is no exception rules dividing out."""
        if failed.items is None and not _is_exception(failed):
            self._unraised.add(failed.mini_batch)

    def may_divide(self, failed: AttemptFailed) -> bool:
        """Whether the items of a used-up attempt may be told apart, now or after the job's first success."""
        start, stop = self.items_of(failed)
        return (
            self._is_on
            and stop - start > 1
            and _is_exception(failed)
            and failed.mini_batch not in self._unraised
            and self._made.get(failed.mini_batch, 0) + 2 <= MOST_PARTS
        )

    def divided(self, failed: AttemptFailed) -> None:
        """Two halves were made of it."""
        self._made[failed.mini_batch] = self._made.get(failed.mini_batch, 0) + 2
        self._probes += 2
        self._open += 2

    def part_ended(self) -> None:
        """A part has been tried."""
        self._open -= 1

    # Before the first success -------------------------------------------------------------------------------------

    def park(self, failed: AttemptFailed) -> None:
        """Let a used-up attempt wait for the job's first success."""
        start, stop = self.items_of(failed)
        self._parked[failed.mini_batch, (start, stop)] = failed
        self._parked_items += stop - start

    def unpark(self) -> list[AttemptFailed]:
        """Give all that waits, and let it wait no more."""
        parked, self._parked, self._parked_items = list(self._parked.values()), {}, 0
        return parked

    def probe(self) -> AttemptFailed | None:
        """Give the smallest that waits, to be divided without a success, or None when that was done often enough."""
        if self._probes + 2 > MOST_PROBES or not self._parked:
            return None
        key = min(self._parked, key=lambda key: (key[1][1] - key[1][0], key))
        self._parked_items -= key[1][1] - key[1][0]
        return self._parked.pop(key)

    @property
    def is_probing(self) -> bool:
        """Whether parts are waiting or running."""
        return self._open > 0

    @property
    def has_parked(self) -> bool:
        """Whether anything waits for the job's first success."""
        return bool(self._parked)

    @property
    def is_full(self) -> bool:
        """Whether more waits than should."""
        return len(self._parked) > MOST_PARKED

    def with_parked(self, counts: Counts) -> Counts:
        """The counts as they would be if all that waits had failed."""
        mini_batches = len({mini_batch for mini_batch, _ in self._parked})
        return replace(
            counts,
            failed=counts.failed + self._parked_items,
            mini_batches_failed=counts.mini_batches_failed + mini_batches,
        )


def _is_exception(failed: AttemptFailed) -> bool:
    """Whether `run()` raised it, and the worker lived on to tell."""
    return failed.is_raised and failed.error_class in _RAISED
