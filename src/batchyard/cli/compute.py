"""`batchyard compute`: named shares of instances."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.documents import Change

COMMANDS = (
    Command("compute create", "create", output.computes),
    Command("compute show", "show", output.computes),
    Command("compute list", "list_", output.computes),
    Command("compute update", "update", output.computes),
    Command("compute delete", "delete", question="Delete compute {name!r}?"),
)


def create(
    server: Server,
    *,
    file: str | None = None,
    name: str | None = None,
    type: str | None = None,
    size: str | None = None,
    tier: str | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    idle_time_before_scale_down: int | None = None,
    description: str | None = None,
    tags: list[list[str]] | None = None,
    sets: list[list[str]] | None = None,
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Create a compute, or replace the one of the same name."""
    from batchyard.cli.documents import document_from, key_values
    from batchyard.wire.computes import compute_cli_from_arm, compute_from_yaml, compute_notes, compute_to_arm_body

    flags: dict[str, object] = {
        "name": name,
        "type": type if type or file else "amlcompute",
        "size": size,
        "tier": tier,
        "min_instances": min_instances,
        "max_instances": max_instances,
        "idle_time_before_scale_down": idle_time_before_scale_down,
        "description": description,
        "tags": key_values(tags, flag="--tags"),
    }
    document = document_from("compute", file, flags, sets)
    compute = compute_from_yaml(document)
    for note in compute_notes(document):
        server.say(note)
    return compute_cli_from_arm(server.put(server.path("computes", compute.name), compute_to_arm_body(compute)).body)


def show(server: Server, *, name: str) -> Any:
    """Show a compute."""
    from batchyard.wire.computes import compute_cli_from_arm

    return compute_cli_from_arm(server.get(server.path("computes", name)).body)


def list_(server: Server, *, max_results: int | None = None) -> Any:
    """List the computes."""
    from batchyard.wire.computes import compute_cli_from_arm

    return [compute_cli_from_arm(arm) for arm in server.list_all(server.path("computes"), limit=max_results)]


def update(
    server: Server,
    *,
    name: str,
    file: str | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    idle_time_before_scale_down: int | None = None,
    description: str | None = None,
    tags: list[list[str]] | None = None,
    changes: list[Change] | None = None,
    force_string: bool = False,
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Change a compute; what is not named stays."""
    from batchyard.cli import documents
    from batchyard.wire.computes import compute_cli_from_arm, compute_from_yaml, compute_to_arm_body

    flags: dict[str, object] = {
        "min_instances": min_instances,
        "max_instances": max_instances,
        "idle_time_before_scale_down": idle_time_before_scale_down,
        "description": description,
        "tags": documents.key_values(tags, flag="--tags"),
    }
    answer = documents.update(
        server,
        server.path("computes", name),
        to_document=functools.partial(_stored, name),
        change=lambda document: documents.patch_from(
            "compute", document, file, flags, changes, force_string=force_string
        ),
        to_body=lambda document: compute_to_arm_body(compute_from_yaml(document)),
    )
    return compute_cli_from_arm(answer.body)


def delete(
    server: Server,
    *,
    name: str,
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> None:
    """Delete a compute that no deployment uses."""
    server.delete(server.path("computes", name))


def _stored(name: str, arm: Mapping[str, Any]) -> dict[str, object]:
    from batchyard.wire.computes import compute_from_arm, compute_to_yaml

    return compute_to_yaml(compute_from_arm(name, arm))
