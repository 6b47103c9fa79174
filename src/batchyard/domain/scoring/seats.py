"""A living worker as `scoring` sees it: the leases it holds and what was taken back of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from batchyard.domain.scoring.events import Lease
from batchyard.domain.scoring.minibatches import RangeSet


@dataclass(slots=True)
class Seat:
    """One worker's leases, oldest first, and what was already taken back of them.

    is_fresh: it has reported nothing yet. is_asked_back: it is being kept from starting more, and gets nothing new.
    is_cut_off: it is being ended, and nothing that it still tells counts.
    since_s: when its oldest lease became that, in seconds of ticks.
    """

    leases: deque[Lease] = field(default_factory=deque)
    taken: dict[int, RangeSet] = field(default_factory=dict)
    is_fresh: bool = True
    is_asked_back: bool = False
    is_cut_off: bool = False
    since_s: float = 0.0

    @property
    def may_get_more(self) -> bool:
        """Whether leases may be handed to it."""
        return not self.is_asked_back and not self.is_cut_off

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do and could be given something."""
        return not self.leases and self.may_get_more

    def give(self, lease: Lease, *, now_s: float) -> None:
        """Hand it one more lease."""
        self.since_s = self.since_s if self.leases else now_s
        self.leases.append(lease)

    def reported(self, *, now_s: float) -> tuple[Lease, RangeSet]:
        """Take out its oldest lease, which it reported; give it with its mini-batches that were not taken back."""
        lease = self.leases.popleft()
        self.is_fresh = False
        self.since_s = now_s
        left = self.left_of(lease)
        self.taken.pop(lease.id, None)
        if not self.taken:
            self.is_asked_back = False
        return lease, left

    def ask_back(self) -> bool:
        """Begin to keep it from starting more; False when it is kept already, or has nothing it could start."""
        if self.is_asked_back or sum(lease.count for lease in self.leases) <= 1:
            return False
        self.is_asked_back = True
        return True

    def left_of(self, lease: Lease) -> RangeSet:
        """The mini-batches of one of its leases that were not taken back."""
        left = RangeSet([(lease.first, lease.first + lease.count)])
        for start, stop in self.taken.get(lease.id, RangeSet()):
            left.remove(start, stop)
        return left
