"""`batchyard datastore`: named places of bytes. A workspace has the two that it was born with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("datastore show", "show", output.datastores),
    Command("datastore list", "list_", output.datastores),
)


def show(server: Server, *, name: str) -> Any:
    """Show a datastore."""
    from batchyard.wire.datastores import datastore_cli_from_arm

    return datastore_cli_from_arm(server.get(server.path("datastores", name)).body)


def list_(server: Server, *, max_results: int | None = None) -> Any:
    """List the datastores, the default one first."""
    from batchyard.wire.datastores import datastore_cli_from_arm

    return [datastore_cli_from_arm(arm) for arm in server.list_all(server.path("datastores"), limit=max_results)]
