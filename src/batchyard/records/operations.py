"""Long-running operations and who works on them; leases by the database's clock, fenced."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from batchyard.domain.errors import Conflict, LeaseLost
from batchyard.domain.forecast.calibration import Calibration, CalibrationSpec
from batchyard.domain.jobs import Owner
from batchyard.ports.job_leases import Holding
from batchyard.ports.records import Key, Kind, Operation, OperationStatus
from batchyard.records import codec
from batchyard.records.clock import database_now
from batchyard.records.job_rows import owner_columns, owner_of
from batchyard.records.tables import AnyRow, operations

_FREE: dict[str, object] = {"lease_until": None, **owner_columns(None)}


class OperationTable:
    """`ports.records.Operations` in one transaction of one workspace."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection = connection
        self._scope = scope
        self._now = database_now(connection)

    def add(self, operation: Operation) -> None:
        """Store a new one. Raises: Conflict when the id is taken."""
        if self.get(operation.id) is not None:
            raise Conflict(f"There is an operation {operation.id!r} already.")
        self._connection.execute(insert(operations).values(scope=self._scope, **_row(operation)))

    def get(self, id: str) -> Operation | None:
        """Give one, or None."""
        query = select(operations).where(operations.c.scope == self._scope, operations.c.id == id)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _operation(row)

    def claim_next(self, owner: Owner, *, lease_s: float) -> Operation | None:
        """Take the oldest running operation that nobody holds or whose lease lapsed, fence + 1."""
        free = or_(operations.c.owner_boot.is_(None), operations.c.lease_until < self._now)
        query = select(operations.c.number).where(self._running(), free).order_by(operations.c.number).limit(1)
        number = self._connection.execute(query).scalar_one_or_none()
        if number is None:
            return None
        claim = (
            update(operations)
            .where(operations.c.number == number)
            .values(fence=operations.c.fence + 1, lease_until=self._now + lease_s, **owner_columns(owner))
        )
        return _operation(self._connection.execute(claim.returning(operations)).one())

    def held(self) -> Sequence[Holding]:
        """Give every running operation that has an owner; each fence before this one's is a process that ended."""
        lapsed = (operations.c.lease_until < self._now).label("lapsed")
        query = select(operations, lapsed).where(self._running(), operations.c.owner_boot.is_not(None))
        rows = self._connection.execute(query.order_by(operations.c.number))
        return [Holding(row.id, row.fence, owner_of(row), bool(row.lapsed), row.fence - 1) for row in rows]

    def release(self, id: str, *, fence: int) -> None:
        """Let go of one whose owner ended; nothing if the fence moved on."""
        self._connection.execute(update(operations).where(self._held_by(id, fence)).values(_FREE))

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
        status = OperationStatus.FAILED if error_code else OperationStatus.SUCCEEDED
        values = {"status": status.value, "ended_at": now, "error": _error(error_code, error_message), **_FREE}
        values["calibrated"] = _encoded(calibrated)
        done = update(operations).where(self._held_by(id, fence)).values(values).returning(operations.c.number)
        if self._connection.execute(done).one_or_none() is None:
            raise LeaseLost(f"Operation {id!r} is not held with fence {fence} (any more).")

    def forget_calibrations(self, *, ended_before: float) -> None:
        """Delete calibrations that ended before a time."""
        ended = and_(operations.c.ended_at < ended_before, operations.c.calibration.is_not(None))
        self._connection.execute(delete(operations).where(operations.c.scope == self._scope, ended))

    def _running(self) -> ColumnElement[bool]:
        return and_(operations.c.scope == self._scope, operations.c.status == OperationStatus.RUNNING.value)

    def _held_by(self, id: str, fence: int) -> ColumnElement[bool]:
        return and_(self._running(), operations.c.id == id, operations.c.fence == fence)


def _row(operation: Operation) -> dict[str, object]:
    return {
        "id": operation.id,
        "kind": operation.key.kind.value,
        "parent": operation.key.parent,
        "name": operation.key.name,
        "version": operation.key.version,
        "revision": operation.revision,
        "status": operation.status.value,
        "created_at": operation.created_at,
        "created_by": operation.created_by,
        "ended_at": operation.ended_at,
        "error": _error(operation.error_code, operation.error_message),
        "fence": operation.fence,
        "calibration": _encoded(operation.calibration),
        "calibrated": _encoded(operation.calibrated),
    }


def _encoded(value: CalibrationSpec | Calibration | None) -> str | None:
    return None if value is None else codec.encode(value)


def _error(code: str, message: str) -> str:
    return codec.encode_mapping({"code": code, "message": message})


def _operation(row: AnyRow) -> Operation:
    error = codec.decode_texts(row.error)
    return Operation(
        row.id,
        Key(Kind(row.kind), row.name, row.version, row.parent),
        row.revision,
        OperationStatus(row.status),
        row.created_at,
        row.created_by,
        ended_at=row.ended_at,
        error_code=error["code"],
        error_message=error["message"],
        fence=row.fence,
        calibration=None if row.calibration is None else codec.decode(CalibrationSpec, row.calibration),
        calibrated=None if row.calibrated is None else codec.decode(Calibration, row.calibrated),
    )
