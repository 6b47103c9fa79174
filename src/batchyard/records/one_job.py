"""The records of a run without a server: one job in memory, which nobody else can own.

It keeps what the engine asks of a job's row, and nothing more; no database is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from batchyard.domain.job_states import check_transition
from batchyard.domain.jobs import Job, Owner
from batchyard.domain.workspaces import Workspace
from batchyard.ports.job_leases import JobChange, Progress, Wish
from batchyard.ports.records import Key, Transaction


class OneJob:
    """Holds one job; fulfils as much of `Records` as the run of a job uses (`job_leases.renew` and `advance`).
    Documents are neither found nor kept.

    tell: called with the job after each change and each renewal, from whatever thread made it.
    """

    def __init__(self, job: Job, tell: Callable[[Job], None]) -> None:
        self.job = job
        self._tell = tell

    def of(self, workspace: Workspace) -> OneJob:  # noqa: ARG002
        """Give the same: the one job is in no workspace."""
        return self

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Give the transaction of the one job; what it does is done at once."""
        yield self._transaction()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Give the same: there is nothing else to read."""
        yield self._transaction()

    def _transaction(self) -> Transaction:
        return cast(Transaction, SimpleNamespace(job_leases=self, documents=_NoDocuments()))

    def warm_up(self) -> None:
        """Do nothing: there are no statements."""

    def after_fork(self) -> None:
        """Do nothing: there are no connections."""

    def renew(self, name: str, *, fence: int, owner: Owner, lease_s: float, progress: Progress) -> Wish:  # noqa: ARG002
        """Take the progress; nobody else can ask for a cancel."""
        counts = self.job.counts if progress.counts is None else progress.counts
        self.job = replace(
            self.job,
            counts=counts,
            failures=progress.failures or self.job.failures,
            rate_items_s=progress.rate_items_s,
            eta_s=progress.eta_s,
        )
        self._tell(self.job)
        return Wish.GO_ON

    def advance(self, name: str, *, fence: int, change: JobChange) -> Job:  # noqa: ARG002
        """Take the job a step further. Raises: Conflict for an illegal one."""
        check_transition(self.job.name, self.job.status, change.status)
        self.job = replace(
            self.job,
            status=change.status,
            counts=change.counts or self.job.counts,
            phases={**self.job.phases, **change.phases},
            error=change.error or self.job.error,
            ledger_sha256=change.ledger_sha256 or self.job.ledger_sha256,
            generation=change.generation or self.job.generation,
            listed_at=change.listed_at or self.job.listed_at,
            failures=change.failures or self.job.failures,
            logged=change.logged or self.job.logged,
        )
        self._tell(self.job)
        return self.job


class _NoDocuments:
    """What earlier jobs learned is not kept beside a local run: it leaves nothing but its output."""

    def get(self, key: Key) -> None:
        """Find nothing."""

    def save(self, key: Key, document: object, *, actor: str, now: float) -> None:
        """Keep nothing."""
