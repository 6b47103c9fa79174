"""What a job has scored so far, or had when it ended without an output, as the doors may read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from batchyard.domain.jobs import Counts, Job


@dataclass(frozen=True, slots=True)
class Partial:
    """What a job's ledger held at one moment. snapshot: names that moment; letters, digits, '-' and '.'.

    counts: ranges whose bytes are not as the ledger says are counted as incomplete. rows_bytes: of all rows; None for
    a job without rows (summary_only). own_files_of: mini-batches whose script wrote files itself; they are no part.
    """

    snapshot: str
    counts: Counts
    rows_bytes: int | None
    own_files_of: int = 0


class PartialOutputs(Protocol):
    """Committed rows and failed items of jobs, read from their homes; every range is checked by its crc.

    What is asked for one snapshot belongs together, however the job goes on. Disk errors: PlatformError.
    """

    def look(self, job: Job) -> Partial:
        """Say what there is now. Raises: Conflict when the job has scored nothing yet, or its home is gone."""

    def rows(self, job: Job, snapshot: str) -> Iterator[bytes]:
        """Give the rows of the snapshot, in the order of the input. Raises: NotFound for an unknown snapshot."""

    def failed_items(self, job: Job, snapshot: str) -> Iterator[bytes]:
        """Give the list of failed items of the snapshot, as an output has it. Raises: as `rows`."""
