"""`batchyard schedule`: when which job is to be made. Kept and shown; nothing acts on them yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command
from batchyard.cli.reasons import change_headers

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("schedule create", "create", output.schedules),
    Command("schedule show", "show", output.schedules),
    Command("schedule list", "list_", output.schedules),
    Command("schedule enable", "enable", output.schedules),
    Command("schedule disable", "disable", output.schedules),
    Command("schedule delete", "delete", question="Delete schedule {name!r}? Jobs that it made stay."),
)


def create(
    server: Server,
    *,
    file: str,
    name: str | None = None,
    sets: list[list[str]] | None = None,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Create a schedule, or replace the one of the same name. It is kept and shown; nothing acts on it yet."""
    from batchyard.cli.documents import document_from
    from batchyard.wire.schedule_files import schedule_cli_from_arm, schedule_from_yaml, schedule_to_arm_body

    schedule = schedule_from_yaml(server.scope, document_from("schedule", file, {"name": name}, sets))
    path = server.path("schedules", schedule.name)
    answer = server.put(path, schedule_to_arm_body(schedule), headers=change_headers(reason, ticket))
    server.say("Schedules are kept and shown; this version makes no jobs of them.")
    return schedule_cli_from_arm(answer.body)


def show(server: Server, *, name: str) -> Any:
    """Show a schedule."""
    from batchyard.wire.schedule_files import schedule_cli_from_arm

    return schedule_cli_from_arm(server.get(server.path("schedules", name)).body)


def list_(
    server: Server, *, max_results: int | None = None, include_disabled: bool = False, disabled_only: bool = False
) -> Any:
    """List the enabled schedules, by name."""
    from batchyard.cli.failures import UsageMistake
    from batchyard.wire.schedule_files import schedule_cli_from_arm

    if include_disabled and disabled_only:
        raise UsageMistake("Give --include-disabled or --disabled-only, not both.")
    view = "DisabledOnly" if disabled_only else "All" if include_disabled else "EnabledOnly"
    found = server.list_all(server.path("schedules"), limit=max_results, listViewType=view)
    return [schedule_cli_from_arm(arm) for arm in found]


def enable(server: Server, *, name: str, reason: str = "", ticket: str = "") -> Any:
    """Enable a schedule again."""
    return _set_enabled(server, name, is_enabled=True, reason=reason, ticket=ticket)


def disable(server: Server, *, name: str, reason: str = "", ticket: str = "") -> Any:
    """Disable a schedule, and keep it."""
    return _set_enabled(server, name, is_enabled=False, reason=reason, ticket=ticket)


def delete(
    server: Server,
    *,
    name: str,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> None:
    """Delete a schedule; jobs that it made stay."""
    server.delete(server.path("schedules", name), headers=change_headers(reason, ticket))


def _set_enabled(server: Server, name: str, *, is_enabled: bool, reason: str, ticket: str) -> Any:
    from batchyard.wire.schedule_files import schedule_cli_from_arm

    path = server.path("schedules", name)
    found = server.get(path)
    headers = {**change_headers(reason, ticket), "If-Match": str(found.headers.get("etag") or found.body.get("etag"))}
    body = {**found.body, "properties": {**found.body["properties"], "isEnabled": is_enabled}}
    return schedule_cli_from_arm(server.put(path, body, headers=headers).body)
