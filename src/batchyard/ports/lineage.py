"""The way back from what a job published, as the doors may ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchyard.domain.jobs import Job
from batchyard.domain.outputs.lineage import Trace


class Lineages(Protocol):
    """Traces rows, files and items through ledger, listing and manifest. Memory does not follow the size of any.

    Raises, all of them: NotFound for what the job does not have; Conflict for a job that published nothing, or whose
    ledger or listing is not the one that was published; PlatformError.
    """

    def of_row(self, job: Job, row: int) -> Trace:
        """Trace a row by its number in the published rows, from 0 on, headers not counted, over all files of them."""

    def of_file(self, job: Job, name: str) -> Trace:
        """Trace a published file by its name in the manifest."""

    def of_item(self, job: Job, wanted: Sequence[bytes]) -> list[Trace]:
        """Trace the items of a name (as `ItemHistories.find` understands it) forward, to the rows they became."""
