"""Calibrations: a sample of an input scored by what would serve it, asked for by a caller, carried out by the engine.

Nothing is changed by one, so nothing is audited: what is kept of it is deleted within a day.
"""

from __future__ import annotations

from batchyard.control import invocations, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.errors import InvalidInput, Mistake, NotFound
from batchyard.domain.forecast.calibration import Calibration, SampleWish, sample_of
from batchyard.domain.forecast.preflight import Finding, Level, of_calibration
from batchyard.domain.job_specs import ScoringSpec
from batchyard.domain.jobs import Invocation
from batchyard.ports.datastore import Datastores
from batchyard.ports.records import Operation, OperationStatus, Transaction
from batchyard.ports.tables import Tables

KEPT_S = 24 * 3600.0
MOST_ITEMS, MOST_WORKERS, LONGEST_S = 1_000_000, 1024, 24 * 3600.0


def begin(
    tx: Transaction,
    caller: Caller,
    invocation: Invocation,
    wish: SampleWish,
    *,
    datastores: Datastores,
    tables: Tables,
    now: float,
    new_id: str,
) -> Operation:
    """Check an invocation as `jobs.invoke` does, and have a sample of its input scored by the operation `new_id`.

    Raises: as `jobs.invoke`; and InvalidInput for a wish that is out of range.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    mistakes = wish_mistakes(wish)
    if mistakes:
        raise InvalidInput("The calibration", mistakes)
    reached, served = invocations.reach(tx, invocation)
    spec = invocations.freeze(
        tx, caller, invocation, reached, served, datastores=datastores, tables=tables, new_name=new_id
    )
    return add(tx, spec, wish, asked_by=caller.name, now=now, new_id=new_id)


def add(tx: Transaction, spec: ScoringSpec, wish: SampleWish, *, asked_by: str, now: float, new_id: str) -> Operation:
    """Have a sample scored of the job that would run by this spec."""
    calibration = sample_of(spec, wish)
    key = registry.deployment_key(spec.endpoint, spec.deployment)
    operation = Operation(
        new_id,
        key,
        spec.deployment_revision,
        OperationStatus.RUNNING,
        now,
        asked_by,
        calibration=calibration,
    )
    tx.operations.forget_calibrations(ended_before=now - KEPT_S)
    tx.operations.add(operation)
    return operation


def get(tx: Transaction, caller: Caller, endpoint: str, id: str) -> Operation:
    """Give a calibration of an endpoint, to those who may ask for one: it may hold what the script says of the data.

    Raises: Forbidden; NotFound, also a day after it ended.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    operation = tx.operations.get(id)
    if operation is None or operation.calibration is None or operation.key.parent != endpoint:
        raise NotFound(f"The endpoint {endpoint!r} has no calibration {id!r}. It is kept for a day; ask for another.")
    return operation


def findings(operation: Operation) -> list[Finding]:
    """Say what a calibration that has ended means for a job; nothing while it goes on."""
    if operation.calibration is None or operation.status is OperationStatus.RUNNING:
        return []
    if operation.calibrated is None:
        remedy = "Correct what it names and look again; `batchyard server logs` tells more."
        return [Finding("sample", Level.ERROR, operation.error_message, remedy)]
    return of_calibration(operation.calibrated, operation.calibration.settings)


def complete(tx: Transaction, operation: Operation, told: Calibration, *, now: float) -> None:
    """End it with what it told. Raises: LeaseLost."""
    tx.operations.finish(operation.id, fence=operation.fence, calibrated=told, now=now)


def fail(tx: Transaction, operation: Operation, *, code: str, message: str, now: float) -> None:
    """End it without having told anything. Raises: LeaseLost."""
    tx.operations.finish(operation.id, fence=operation.fence, error_code=code, error_message=message, now=now)


def wish_mistakes(wish: SampleWish) -> list[Mistake]:
    """Name everything of a wish that is out of range."""
    rules = (
        ("items", 1 <= wish.items <= MOST_ITEMS, wish.items, f"1 to {MOST_ITEMS}"),
        ("percent", 0 <= wish.percent <= 100, wish.percent, "0 to 100"),
        ("runItems", all(size >= 1 for size in wish.run_items), list(wish.run_items), "numbers from 1 on"),
        ("workers", 1 <= wish.workers <= MOST_WORKERS, wish.workers, f"1 to {MOST_WORKERS}"),
        ("timeLimitS", 0 < wish.time_limit_s <= LONGEST_S, wish.time_limit_s, f"more than 0, up to {LONGEST_S:g}"),
    )
    place = "properties.sample"
    return [Mistake(f"{place}.{name}", repr(found), allowed) for name, is_good, found, allowed in rules if not is_good]
