"""Schedules in ARM's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchyard.domain.resource_ids import Scope
from batchyard.domain.schedules import Schedule
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.shapes import ArmShape, Text, TextMap, raise_mistakes, read_shape


class _Properties(ArmShape):
    # Any: definitions are kept to the letter.
    trigger: dict[str, Any] | None = None
    action: dict[str, Any] | None = None
    is_enabled: bool | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None


class ScheduleBody(ArmShape):
    """The body of a PUT of a schedule."""

    properties: _Properties | None = None


def schedule_from_arm(name: str, body: Mapping[str, object]) -> Schedule:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    shape, mistakes = read_shape(ScheduleBody, body)
    raise_mistakes(f"Schedule {name!r}", mistakes)
    given = shape.properties or _Properties()
    return Schedule(
        name=name,
        trigger=given.trigger or {},
        action=given.action or {},
        is_enabled=given.is_enabled is not False,
        display_name=given.display_name or "",
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
    )


def schedule_to_arm(scope: Scope, schedule: Schedule, meta: StoredMeta) -> dict[str, object]:
    """Give a schedule as GET answers it."""
    properties = {
        "displayName": schedule.display_name or schedule.name,
        "description": schedule.description,
        "tags": dict(schedule.tags),
        "properties": dict(schedule.properties),
        "trigger": dict(schedule.trigger),
        "action": dict(schedule.action),
        "isEnabled": schedule.is_enabled,
        "provisioningState": "Succeeded",
    }
    return arm_envelope(scope, "schedules", schedule.name, properties=properties, meta=meta)
