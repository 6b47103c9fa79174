"""Schedules as YAML files and as the command line prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Scope, parse_reference
from batchyard.domain.schedules import Schedule
from batchyard.wire.mistakes import shown
from batchyard.wire.shapes import Text, TextMap, Truth, YamlShape, name_missing, raise_mistakes, read_shape
from batchyard.wire.trees import creation_context, mapping_at, sorted_keys, text_at

# Key of a trigger's file -> of ARM; those with a star must be there.
_TRIGGERS = {
    "cron": {"expression": "*expression"},
    "recurrence": {"frequency": "*frequency", "interval": "*interval", "schedule": "schedule"},
}
_ANY_TRIGGER = {"time_zone": "timeZone", "start_time": "startTime", "end_time": "endTime"}
_PATTERN = {"hours": "hours", "minutes": "minutes", "week_days": "weekDays", "month_days": "monthDays"}


class ScheduleFile(YamlShape):
    """The YAML of a schedule."""

    name: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    is_enabled: Truth | None = None
    # Any: read by the kind of trigger.
    trigger: dict[str, Any] | None = None
    # Any: a job's name, or its definition, which is kept to the letter.
    create_job: Any = None


def schedule_from_yaml(scope: Scope, document: Mapping[str, object]) -> Schedule:
    """Read a schedule's file. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    shape, mistakes = read_shape(ScheduleFile, document)
    mistakes += name_missing("schedule", shape.name)
    trigger = _trigger(shape.trigger, mistakes)
    action = _action(scope, shape.create_job, mistakes)
    raise_mistakes(f"Schedule {shape.name!r}" if shape.name else "Schedule", mistakes)
    return Schedule(
        name=shape.name or "",
        trigger=trigger,
        action=action,
        is_enabled=shape.is_enabled is not False,
        display_name=shape.display_name or "",
        description=shape.description or "",
        tags=shape.tags or {},
    )


def schedule_to_arm_body(schedule: Schedule) -> dict[str, object]:
    """Give the body of a PUT."""
    properties = {
        "displayName": schedule.display_name,
        "description": schedule.description,
        "tags": dict(schedule.tags),
        "properties": dict(schedule.properties),
        "trigger": dict(schedule.trigger),
        "action": dict(schedule.action),
        "isEnabled": schedule.is_enabled,
    }
    return {"properties": properties}


def schedule_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `schedule show` prints."""
    properties = mapping_at(arm, "properties")
    trigger = mapping_at(properties, "trigger")
    kind = text_at(trigger, "triggerType").lower()
    return sorted_keys(
        {
            "id": arm.get("id"),
            "name": arm.get("name"),
            "display_name": properties.get("displayName"),
            "description": properties.get("description"),
            "tags": mapping_at(properties, "tags"),
            "is_enabled": properties.get("isEnabled") is not False,
            "trigger": {
                "type": kind,
                **{_snake(key): value for key, value in trigger.items() if key != "triggerType"},
            },
            "create_job": mapping_at(properties, "action", "jobDefinition"),
            "provisioning_state": properties.get("provisioningState"),
            "creation_context": creation_context(arm),
        }
    )


def _trigger(given: Mapping[str, object] | None, mistakes: list[Mistake]) -> dict[str, object]:
    if given is None:
        mistakes.append(Mistake("trigger", "nothing", "a cron expression or a recurrence, with its `type`"))
        return {}
    kind = str(given.get("type", "cron" if "expression" in given else "recurrence")).lower()
    if kind not in _TRIGGERS:
        mistakes.append(Mistake("trigger.type", shown(given.get("type")), "cron or recurrence"))
        return {}
    names = {**_TRIGGERS[kind], **_ANY_TRIGGER}
    known = ", ".join(sorted(("type", *names)))
    mistakes += [
        Mistake(f"trigger.{key}", "an unknown key", f"one of {known}")
        for key in given
        if key != "type" and key not in names
    ]
    mistakes += [
        Mistake(f"trigger.{key}", "nothing", f"the {key} of a {kind}")
        for key, name in names.items()
        if name.startswith("*") and given.get(key) in (None, "")
    ]
    found = {names[key].lstrip("*"): value for key, value in given.items() if key in names and value is not None}
    if isinstance(found.get("schedule"), Mapping):
        found["schedule"] = {_PATTERN.get(key, key): value for key, value in mapping_at(found, "schedule").items()}
    return {"triggerType": kind.capitalize(), **found}


def _action(scope: Scope, given: object, mistakes: list[Mistake]) -> dict[str, object]:
    if isinstance(given, Mapping) and given:
        return {"actionType": "CreateJob", "jobDefinition": dict(given)}
    text = given if isinstance(given, str) else ""
    reference = parse_reference(text)
    job = reference.name if reference is not None else text.removeprefix("azureml:")
    if not job or "/" in job:
        mistakes.append(Mistake("create_job", shown(given), "azureml:JOB, or the definition of a job"))
        return {}
    return {
        "actionType": "CreateJob",
        "jobDefinition": {"jobType": "Pipeline", "sourceJobId": scope.child("jobs", job)},
    }


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
