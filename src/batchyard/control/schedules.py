"""Schedules: stored, shown, enabled and disabled, deleted."""

from __future__ import annotations

from batchyard.control import audit, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.errors import InvalidInput, Mistake, not_found
from batchyard.domain.names import name_mistake
from batchyard.domain.schedules import Schedule
from batchyard.ports.records import Kind, Page, Stored, Transaction


def create_or_update(
    tx: Transaction,
    caller: Caller,
    schedule: Schedule,
    *,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> Stored[Schedule]:
    """Store a schedule whole. Raises: Forbidden; InvalidInput with every mistake; PreconditionFailed."""
    authorise(caller, Action.SCHEDULE_WRITE)
    named = name_mistake("schedule", schedule.name)
    mistakes = [] if named is None else [named]
    if not schedule.trigger:
        mistakes.append(Mistake("trigger", "nothing", "a cron expression or a recurrence"))
    if not schedule.action:
        mistakes.append(Mistake("action", "nothing", "what to do"))
    if mistakes:
        raise InvalidInput(f"Schedule {schedule.name!r}", mistakes)
    act = audit.Act(caller.name, Action.SCHEDULE_WRITE, now, reason, ticket)
    return audit.save(tx, act, registry.schedule_key(schedule.name), schedule, if_match=if_match)


def get(tx: Transaction, caller: Caller, name: str) -> Stored[Schedule]:
    """Give one. Raises: Forbidden; NotFound naming near ones."""
    authorise(caller, Action.SCHEDULE_READ)
    stored = tx.documents.get(registry.schedule_key(name))
    if stored is None:
        raise not_found("schedule", name, registry.names(tx, Kind.SCHEDULE))
    return stored


def list_schedules(
    tx: Transaction, caller: Caller, *, limit: int = 1000, token: str | None = None
) -> Page[Stored[Schedule]]:
    """Give a page of them, by name. Raises: Forbidden."""
    authorise(caller, Action.SCHEDULE_READ)
    return tx.documents.list(Kind.SCHEDULE, limit=limit, token=token)


def delete(
    tx: Transaction,
    caller: Caller,
    name: str,
    *,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> bool:
    """Delete one; False when there was none. Raises: Forbidden; PreconditionFailed."""
    authorise(caller, Action.SCHEDULE_DELETE)
    act = audit.Act(caller.name, Action.SCHEDULE_DELETE, now, reason, ticket)
    return audit.delete(tx, act, registry.schedule_key(name), if_match=if_match)
