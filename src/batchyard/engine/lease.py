"""The lease of one job, kept by its process: renewed beside the work, checked before all that matters (rule 7)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from batchyard.domain.errors import LeaseLost, PlatformError
from batchyard.domain.jobs import Job, Owner
from batchyard.ports.job_leases import JobChange, Progress, Wish
from batchyard.ports.records import Records

log = logging.getLogger(__name__)

LEASE_S = 10.0
RENEW_EVERY_S = 1.0  # Also the pace of progress, and how soon a cancel is seen.
SAFE_S = 8.0  # Past the start of the last good renewal: the lease may have lapsed while this process slept.


class Canceled(Exception):
    """Somebody wants the job to end; raised where it would otherwise be waited for long."""


class JobLease:
    """One job, held by this process under one fence.

    A thread renews; the job's own thread calls `check` and `advance`. Time is the monotonic clock, which runs on while
    a process is stopped, so that one that wakes up late knows it.
    """

    def __init__(self, records: Records, job: Job, owner: Owner, *, monotonic: Callable[[], float]) -> None:
        self.name, self.fence, self.may_be_undone = job.name, job.fence, job.may_be_undone
        self._records, self._owner, self._monotonic = records, owner, monotonic
        self._good_since = monotonic()
        self._progress = Progress()
        self._entered: dict[str, float] = {}
        self._is_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.wish = Wish.CANCEL if job.cancel_requested else Wish.GO_ON
        self._renew()

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more. Safe to repeat."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=RENEW_EVERY_S + 5)

    def check(self) -> None:
        """Pass while the job is surely ours. Raises: LeaseLost."""
        if self._is_lost or self._monotonic() - self._good_since > SAFE_S:
            raise LeaseLost(f"Job {self.name!r} may be owned by another process by now; fence {self.fence} stops.")

    def check_wish(self) -> None:
        """Pass while the job is ours and wanted. Raises: LeaseLost; Canceled."""
        self.check()
        if self.wish is Wish.CANCEL:
            raise Canceled

    def report(self, progress: Progress) -> None:
        """Tell progress; it is written with the next renewal, at most once a second."""
        self._progress = progress

    def enter(self, phase: str, at: float) -> None:
        """Note when a phase was entered that is no step of its own; it is written with the next step."""
        self._entered[phase] = at

    def advance(self, change: JobChange) -> Job:
        """Take the job a step further, if it is still ours. Raises: LeaseLost; Conflict."""
        self.check()
        change = replace(change, phases={**self._entered, **change.phases})
        with self._records.writing() as tx:
            return tx.job_leases.advance(self.name, fence=self.fence, change=change)

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_EVERY_S):
            try:
                self._renew()
            except LeaseLost:
                self._is_lost = True
                return
            except PlatformError as exc:
                log.warning("lease not renewed", extra={"job": self.name, "reason": str(exc)})

    def _renew(self) -> None:
        started = self._monotonic()
        with self._records.writing() as tx:
            wish = tx.job_leases.renew(
                self.name, fence=self.fence, owner=self._owner, lease_s=LEASE_S, progress=self._progress
            )
        self._good_since = started
        if self.wish is not Wish.CANCEL:  # Nobody takes that back.
            self.wish = wish
