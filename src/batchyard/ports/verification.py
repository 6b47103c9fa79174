"""Verification of jobs that have ended, as the doors may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from batchyard.domain.jobs import Job
from batchyard.domain.outputs.verification import Event


class Verifications(Protocol):
    """Holds what is left of a job against what its record, its ledger and its manifest say."""

    def verify(self, job: Job) -> Iterator[Event]:
        """Look at everything that can be looked at, step by step, each step in some tens of milliseconds.

        job: one that has ended. All that is wrong is told, none of it raised; what cannot be looked at is told too.
        Nothing is changed.
        """
