"""`batchyard schema`: the JSON schemas of the YAML files, for editors; they come with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # JSON schemas

from batchyard.cli.failures import CommandFailed
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("schema show", "show", example=("For an editor.", "batchyard schema show deployment > deployment.json")),
    Command("schema list", "list_"),
)


def show(server: Server, *, name: str) -> Any:  # noqa: ARG001  # every command is given one
    """Print the schema of a noun's YAML file; no server is asked. A noun may be spelled as its commands are."""
    from batchyard.wire.file_schemas import NAMES, file_schema

    known = name.removeprefix("batch-")
    if known not in NAMES:
        raise CommandFailed(f"There is no schema {name!r}. There are: {', '.join(NAMES)}.")
    return file_schema(known)


def list_(server: Server) -> Any:  # noqa: ARG001  # every command is given one
    """List the names of the schemas."""
    from batchyard.wire.file_schemas import NAMES

    return list(NAMES)
