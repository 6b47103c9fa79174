"""`batchyard workspace`: where everything of this server lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (Command("workspace show", "show"),)


def show(server: Server, *, workspace: str | None = None) -> Any:
    """Show the workspace."""
    from dataclasses import replace

    from batchyard.wire.workspaces import workspace_cli_from_arm

    scope = server.scope if workspace is None else replace(server.scope, workspace=workspace)
    return workspace_cli_from_arm(server.get(scope.arm_id).body)
