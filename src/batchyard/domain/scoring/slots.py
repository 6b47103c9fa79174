"""Workers that end before they are of use: counted for each slot, in a row, so that they do not go on for ever.

Nobody is charged for them; what ends is the job, with the script's own error where there is one.
"""

from __future__ import annotations

from batchyard.domain.job_states import JobStatus
from batchyard.domain.scoring.events import Worker, WorkerEnded
from batchyard.domain.scoring.ledger import AttemptFailed, Verdict

STARTS_WITHOUT_SUCCESS = 3  # Starts of one slot that may fail before the job ends with the script's own error.
ENDS_WITHOUT_WORK = 10  # Workers of one slot that may end, ready but without any report, before the job ends.


class Slots:
    """The slots of a job's workers and what went wrong in each since something went well."""

    def __init__(self) -> None:
        self._failed_starts: dict[tuple[str, int], int] = {}
        self._idle_ends: dict[tuple[str, int], int] = {}

    def ready(self, worker: Worker) -> None:
        """A worker was started well."""
        self._failed_starts.pop((worker.node, worker.slot), None)

    def start_failed(self, event: WorkerEnded) -> tuple[AttemptFailed, Verdict] | None:
        """A worker ended in import or `init()`; give what ends the job once its slot cannot be started."""
        place = (event.worker.node, event.worker.slot)
        failures = self._failed_starts[place] = self._failed_starts.get(place, 0) + 1
        failure = event.start_failure
        if failures < STARTS_WITHOUT_SUCCESS or failure is None:
            return None
        what = (failure.error_class.value, failure.error, failure.message, failure.stack)
        reason = (
            f"The scoring script could not be started {failures} times in a row: {failure.error}: {failure.message}"
        )
        record = AttemptFailed(-1, failures, *what, event.worker.name)
        return record, Verdict(JobStatus.FAILED.value, "ScriptStartFailed", reason)

    def ended(self, event: WorkerEnded, *, has_worked: bool) -> Verdict | None:
        """A worker ended after `init()`; give what ends the job when its slot's workers never come to work."""
        place = (event.worker.node, event.worker.slot)
        if has_worked:
            self._idle_ends.pop(place, None)
            return None
        ends = self._idle_ends[place] = self._idle_ends.get(place, 0) + 1
        if ends < ENDS_WITHOUT_WORK:
            return None
        reason = f"Workers ended {ends} times in a row after `init()` and before scoring anything; see their logs."
        return Verdict(JobStatus.FAILED.value, "WorkersKeepEnding", reason)
