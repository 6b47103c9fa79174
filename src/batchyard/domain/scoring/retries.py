"""What waits for another try: mini-batches whose attempt failed, and parts of mini-batches that were divided."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from batchyard.domain.scoring.ledger import Slice


@dataclass(frozen=True, slots=True)
class Retry:
    """A mini-batch, or a part of it, waiting for its next attempt.

    needs_fresh: only a worker that has not run anything may take it. items: the part, None for the whole.
    """

    mini_batch: int
    attempt: int
    needs_fresh: bool = False
    items: Slice | None = None


class Retries:
    """Waiting retries, the longest waiting first."""

    def __init__(self) -> None:
        self._anywhere: deque[Retry] = deque()
        self._fresh: deque[Retry] = deque()

    def add(self, retry: Retry) -> None:
        """Add one at the end."""
        (self._fresh if retry.needs_fresh else self._anywhere).append(retry)

    def give_back(self, retry: Retry) -> None:
        """Put one that was not started at the front again; any worker may have it."""
        self._anywhere.appendleft(retry)

    def take(self, *, is_fresh: bool) -> Retry | None:
        """Take out the next one for a worker; a fresh one takes first what only a fresh one may.

        Each worker that ended leaves at most one such retry and is replaced once. Were the new worker to begin with
        anything else, it would be fresh no more, and nobody might ever come for that retry.
        """
        if is_fresh and self._fresh:
            return self._fresh.popleft()
        return self._anywhere.popleft() if self._anywhere else None

    def __bool__(self) -> bool:
        return bool(self._anywhere or self._fresh)
