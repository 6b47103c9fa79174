"""Long-running operations of the database: promises that take time to keep, and who works on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from batchyard.domain.jobs import Owner
from batchyard.ports.records import Holding, Key

if TYPE_CHECKING:
    from batchyard.domain.forecast.calibration import Calibration, CalibrationSpec


class OperationStatus(Enum):
    """Azure's words for a long-running operation."""

    RUNNING = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Operation:
    """A promise that takes time to keep. key/revision: the document it is about.

    calibration: what is to be calibrated; None for a PUT of a deployment, which is provisioned. calibrated: what that
    told, once it has Succeeded.
    """

    id: str
    key: Key
    revision: int
    status: OperationStatus
    created_at: float
    created_by: str
    ended_at: float | None = None
    error_code: str = ""
    error_message: str = ""
    fence: int = 0
    calibration: CalibrationSpec | None = None
    calibrated: Calibration | None = None


class Operations(Protocol):
    """Long-running operations and who works on them; leases as for jobs."""

    def add(self, operation: Operation) -> None:
        """Store a new one."""

    def get(self, id: str) -> Operation | None:
        """Give one, or None."""

    def claim_next(self, owner: Owner, *, lease_s: float) -> Operation | None:
        """Take the oldest running operation that is free or whose lease lapsed, fence + 1; None when none waits."""

    def held(self) -> Sequence[Holding]:
        """Give every running operation that has an owner (name is the id)."""

    def release(self, id: str, *, fence: int) -> None:
        """Let go of one whose owner ended, so that `claim_next` gives it again; nothing if the fence moved on."""

    def finish(
        self,
        id: str,
        *,
        fence: int,
        error_code: str = "",
        error_message: str = "",
        calibrated: Calibration | None = None,
        now: float,
    ) -> None:
        """End it: Succeeded without an error code, else Failed. Raises: LeaseLost."""

    def forget_calibrations(self, *, ended_before: float) -> None:
        """Delete calibrations that ended before a time: nobody asks for them any more."""
