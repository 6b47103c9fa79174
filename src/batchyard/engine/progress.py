"""What a running job tells of itself: progress for its record, and the log files that people read meanwhile (C.9)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.failures import FailureReport, without_stacks
from batchyard.domain.scoring.tally import Tally, failure_report
from batchyard.engine.lease import JobLease
from batchyard.engine.overview import write_errors, write_overview
from batchyard.engine.plan import Listing
from batchyard.ports.job_leases import Progress

log = logging.getLogger(__name__)

_RATE_OVER_S = 5.0
_MARK_EVERY_S = 0.5
_OVERVIEW_EVERY_S = 1.0
_ERRORS_EVERY_S = 5.0


class ProgressWatch:
    """Told of the tally with every turn of the scoring loop; tells the job's record and its logs now and then."""

    def __init__(
        self, lease: JobLease, tally: Tally, *, listing: Path, logs: Path, monotonic: Callable[[], float]
    ) -> None:
        """listing: the frozen one, for the names of samples. logs: the folder with the job's log files."""
        self._lease, self._tally, self._listing, self._logs, self._monotonic = lease, tally, listing, logs, monotonic
        self._began = monotonic()
        self._marks = deque([(self._began, self._done)])
        self._told_at = self._errors_at = float("-inf")
        self._version = self._errors_version = 0
        self._report = FailureReport()
        self._is_failing = False

    def tell(self) -> None:
        """Tell what is new, at most twice a second; files at most once a second."""
        now = self._monotonic()
        if now - self._told_at < _MARK_EVERY_S:
            return
        is_overview_due = int(now / _OVERVIEW_EVERY_S) != int(max(self._told_at, 0.0) / _OVERVIEW_EVERY_S)
        self._told_at = now
        version = self._tally.failures.version + self._tally.recovered.version
        if version != self._version:
            self._version, self._report = version, named_failures(self._tally, self._listing)
        progress = self._progress(now)
        self._lease.report(progress)
        if is_overview_due:
            self._write(progress, now)

    @property
    def _done(self) -> int:
        return self._tally.counts.succeeded + self._tally.counts.failed

    def _progress(self, now: float) -> Progress:
        """Counts, and rate and time left from the last few seconds."""
        self._marks.append((now, self._done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_OVER_S:
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (self._done - before) / (now - since) if now - since >= _MARK_EVERY_S else None
        counts = self._tally.counts
        left = counts.incomplete
        failures = without_stacks(self._report) if self._version else None
        return Progress(counts, rate, left / rate if rate else None, failures)

    def _write(self, progress: Progress, now: float) -> None:
        """Write the files. Logs never fail a job: what cannot be written is told once, and tried again."""
        try:
            write_overview(self._logs, self._lease.name, "Running", progress, self._report, ran_s=now - self._began)
            if self._version != self._errors_version and now - self._errors_at >= _ERRORS_EVERY_S:
                self._errors_at, self._errors_version = now, self._version
                write_errors(self._logs, self._report)
        except PlatformError as exc:
            if not self._is_failing:
                log.warning("overview not written", extra={"job": self._lease.name, "reason": str(exc)})
            self._is_failing = True
        else:
            self._is_failing = False


def named_failures(tally: Tally, listing: Path) -> FailureReport:
    """Give the failures so far, in groups, their samples by name. Raises: OSError when the listing is not there."""
    if not tally.failures.version and not tally.recovered.version:
        return FailureReport()
    names = Listing(listing)
    try:
        return failure_report(tally, names.name)
    finally:
        names.close()
