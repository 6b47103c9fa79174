"""Who runs which job, and what its owner tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from batchyard.domain.failures import FailureReport
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Job, JobError, Owner
from batchyard.domain.logged import Logged


@dataclass(frozen=True, slots=True)
class Holding:
    """Work that an owner holds. lapsed: its lease ended, by the database's clock. owner: None only before the first.

    process_ends: how often an owner ended without a new commit since the last one.
    """

    name: str
    fence: int
    owner: Owner | None
    lapsed: bool
    process_ends: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What the job's process tells with each renewal; None leaves what is stored."""

    counts: Counts | None = None
    rate_items_s: float | None = None
    eta_s: float | None = None
    failures: FailureReport | None = None


class Wish(Enum):
    """What somebody wants of a job that is held; its owner is told with each renewal."""

    GO_ON = "go on"
    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class JobChange:
    """A step of a job's life. phases are merged. Ends the lease when the status is final or Paused."""

    status: JobStatus
    counts: Counts | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    error: JobError | None = None
    ledger_sha256: str | None = None
    generation: int | None = None
    listed_at: float | None = None
    failures: FailureReport | None = None
    logged: Logged | None = None
    step_key: str | None = None
    reused_from: str | None = None


class JobLeases(Protocol):
    """Who runs which job. Time is the database's clock; every write carries `WHERE fence = :fence`."""

    def claim_next(self, owner: Owner, *, lease_s: float, now: float) -> Job | None:
        """Start the next queued job that `domain.computes.admit` lets pass: Preparing, fence + 1, lease to owner.

        now: epoch seconds for the phase. Two callers never get the same job. A queued job whose compute is gone or
        has become too small is ended as Failed with the reason, and passed over.
        """

    def held(self) -> Sequence[Holding]:
        """Give every job in a state of HOLDS_INSTANCES."""

    def take_over(self, name: str, *, fence: int, owner: Owner, lease_s: float, made_progress: bool) -> Job | None:
        """Give the job to a new owner, fence + 1, if its fence is still `fence`; else None.

        made_progress: whether the last owner committed anything; process_ends becomes 0 if so, else one more.
        """

    def renew(self, name: str, *, fence: int, owner: Owner, lease_s: float, progress: Progress) -> Wish:
        """Prolong the lease, store progress and say what is wanted. Raises: LeaseLost."""

    def advance(self, name: str, *, fence: int, change: JobChange) -> Job:
        """Change the job by a legal transition. Raises: LeaseLost; Conflict for an illegal one.

        A run that `may_be_undone` and ends Failed or Canceled leaves the job as it was before, and is told by `undone`.
        """
