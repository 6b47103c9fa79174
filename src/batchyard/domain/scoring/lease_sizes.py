"""How many mini-batches make a lease: some milliseconds of measured work, one when `run()` takes longer."""

from __future__ import annotations

# The first leases are short, so that results come soon and sizes are learned; later ones are worth more, as each costs
# a frame, a record and two wake-ups. What waits at the end is shared, and taken back for workers that have nothing.
FIRST_TARGET_S = 0.004
TARGET_S = 0.050
# Towards the end leases shrink, so that all workers end together; below this that costs more than it brings.
LAST_TARGET_S = 0.004
LONGEST_COUNT = 8192
# Above this, the round trip to a worker is noise and a second lease in its pipe only delays others at the end.
PREFETCH_BELOW_S = 0.050


class LeaseSizes:
    """Learns from what workers measured; forgets slowly, grows at most fourfold a step, shrinks towards the end."""

    def __init__(self, *, one_by_one: bool) -> None:
        self._is_one_by_one = one_by_one
        self._mini_batch_s: float | None = None
        self._largest = 1
        self._target_s = FIRST_TARGET_S

    def measured(self, mini_batches: int, seconds: float) -> None:
        """Learn from one report: how many mini-batches ran, and the seconds spent in `run()` for them together."""
        if mini_batches <= 0:
            return
        each = max(seconds, 0.0) / mini_batches
        old = self._mini_batch_s
        self._mini_batch_s = each if old is None else 0.7 * old + 0.3 * each
        self._largest = min(self._largest * 4, LONGEST_COUNT)
        self._target_s = min(self._target_s * 1.5, TARGET_S)

    @property
    def is_prefetch_worth_it(self) -> bool:
        """Whether a second lease should wait in a worker's pipe; not before anything was measured."""
        return self._mini_batch_s is not None and self._mini_batch_s < PREFETCH_BELOW_S

    def next_count(self, waiting: int, workers: int) -> int:
        """The size of the next lease, at least 1; workers share what waits, so that all end together."""
        if self._is_one_by_one or self._mini_batch_s is None:
            return 1
        wanted = int(self._target_s / self._mini_batch_s) if self._mini_batch_s > 0 else LONGEST_COUNT
        least = int(LAST_TARGET_S / self._mini_batch_s) if self._mini_batch_s > 0 else 1
        share = max(waiting // (2 * workers) + 1, min(least, waiting // workers))
        return max(1, min(wanted, share, self._largest))
