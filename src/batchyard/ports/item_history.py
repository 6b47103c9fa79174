"""Items of jobs by name, as the doors may read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchyard.domain.item_history import FoundItems


class ItemHistories(Protocol):
    """Items of jobs by name, read from listing and ledger. Memory does not follow the size of either."""

    def find(self, job: str, wanted: Sequence[bytes]) -> FoundItems:
        """Give what became of the items of a name.

        wanted: spellings of one name, in the order in which they are tried: each as a whole path, then each as the
        end of a path, after a slash first. Raises: NotFound when none fits, or the job has no listing; PlatformError.
        """
