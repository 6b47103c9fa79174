"""The life of a job: its states and every transition between them.

Everything that decides what state may follow another lives here and in `scoring` (the verdict). The documents' diagram
is drawn from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from batchyard.domain.errors import Conflict


class JobStatus(Enum):
    """Azure's words (C.10); the docstring of each says what is going on."""

    QUEUED = "Queued"  #: accepted; waits until its compute has its instances free
    PREPARING = "Preparing"  #: claimed; model, code and environment are staged, the input is listed
    RUNNING = "Running"  #: mini-batches are scored
    FINALIZING = "Finalizing"  #: sealed; the output is being published and can no longer be cancelled
    PAUSED = "Paused"  #: by request; holds no instances, keeps its place for the output and all it has scored
    CANCEL_REQUESTED = "CancelRequested"  #: workers are being stopped
    COMPLETED = "Completed"  #: published whole
    FAILED = "Failed"  #: ended with a reason; nothing was published
    CANCELED = "Canceled"  #: ended by request; nothing was published


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})
HOLDS_INSTANCES = frozenset({JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.CANCEL_REQUESTED})
# Nobody is at them: a cancel or a pause needs no owner to carry it out.
ENDS_AT_ONCE = frozenset({JobStatus.QUEUED, JobStatus.PAUSED})

TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.PREPARING, JobStatus.PAUSED, JobStatus.CANCELED, JobStatus.FAILED}),
    # A job whose process ended is taken over: it prepares again and goes on from its ledger, which may have its
    # verdict already; then there is nothing left to run.
    JobStatus.PREPARING: frozenset(
        {
            JobStatus.RUNNING,
            JobStatus.FINALIZING,
            JobStatus.PAUSED,
            JobStatus.CANCEL_REQUESTED,
            JobStatus.FAILED,
            JobStatus.CANCELED,
        }
    ),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.PREPARING,
            JobStatus.FINALIZING,
            JobStatus.PAUSED,
            JobStatus.CANCEL_REQUESTED,
            JobStatus.FAILED,
            JobStatus.CANCELED,
        }
    ),
    JobStatus.FINALIZING: frozenset({JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.CANCELED}),
    JobStatus.CANCEL_REQUESTED: frozenset({JobStatus.CANCELED, JobStatus.FAILED}),
    # Its failed items are scored again by hand.
    JobStatus.COMPLETED: frozenset({JobStatus.QUEUED}),
    # Resumed by hand: a new run of the same job, which goes on from its ledger.
    JobStatus.FAILED: frozenset({JobStatus.QUEUED}),
    JobStatus.CANCELED: frozenset({JobStatus.QUEUED}),
}


def check_transition(job: str, before: JobStatus, after: JobStatus) -> None:
    """Let a transition of the table pass; staying in a state always does.

    Raises: Conflict telling the job, from, to, and what would have been allowed.
    """
    if before is not after and after not in TRANSITIONS[before]:
        allowed = ", ".join(sorted(state.value for state in TRANSITIONS[before])) or "nothing"
        raise Conflict(f"Job {job!r} is {before.value} and cannot become {after.value}; allowed: {allowed}.")


def can_cancel(status: JobStatus) -> bool:
    """Whether a cancel request still has an effect: not once sealed, not once final."""
    return (
        status is JobStatus.CANCEL_REQUESTED
        or JobStatus.CANCEL_REQUESTED in TRANSITIONS[status]
        or status in ENDS_AT_ONCE
    )


def can_pause(status: JobStatus) -> bool:
    """Whether a job can be asked to pause: not once sealed, not while it is cancelled, not once final."""
    return JobStatus.PAUSED in TRANSITIONS[status]
