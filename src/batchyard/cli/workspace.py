"""`batchyard workspace`: what endpoints, jobs, assets and data are named in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command
from batchyard.cli.reasons import change_headers

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.resource_ids import Scope

COMMANDS = (
    Command(
        "workspace create",
        "create",
        output.workspaces,
        example=("Make one with the names that scripts already use", "batchyard workspace create -n team -g research"),
    ),
    Command("workspace show", "show", output.workspaces),
    Command("workspace list", "list_", output.workspaces),
    Command("workspace delete", "delete", question="Delete the workspace with its assets and its history?"),
)


def create(
    server: Server,
    *,
    file: str | None = None,
    name: str | None = None,
    display_name: str | None = None,
    description: str | None = None,
    location: str | None = None,
    tags: list[list[str]] | None = None,
    sets: list[list[str]] | None = None,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Create a workspace, or change the one of the same name; -g and --subscription name where."""
    from batchyard.cli.documents import document_from, key_values
    from batchyard.wire.workspaces import workspace_from_yaml, workspace_notes, workspace_to_arm_body

    flags: dict[str, object] = {
        "name": name or (server.scope.workspace if "workspace" in server.named and not file else None),
        "resource_group": server.scope.resource_group if "resource_group" in server.named else None,
        "display_name": display_name,
        "description": description,
        "location": location,
        "tags": key_values(tags, flag="--tags"),
    }
    document = document_from("workspace", file, flags, sets)
    wanted = workspace_from_yaml(document, within=server.scope)
    for note in workspace_notes(document):
        server.say(note)
    headers = change_headers(reason, ticket)
    return _printed(server.put(_path(wanted.scope), workspace_to_arm_body(wanted), headers=headers).body)


def show(server: Server, *, workspace: str | None = None) -> Any:
    """Show a workspace."""
    return _printed(server.get(_path(_named(server, workspace))).body)


def list_(server: Server, *, max_results: int | None = None) -> Any:
    """List the workspaces; with -g those of a resource group, with --subscription those of a subscription."""
    from batchyard.wire.workspaces import workspaces_path

    if "subscription" in server.named:
        subscriptions = [server.scope.subscription]
    else:
        subscriptions = [str(one["subscriptionId"]) for one in server.list_all("/subscriptions")]
    group = server.scope.resource_group if "resource_group" in server.named else None
    found = [arm for one in subscriptions for arm in server.list_all(workspaces_path(one, group))]
    return [_printed(arm) for arm in found[:max_results]]


def delete(
    server: Server,
    *,
    workspace: str | None = None,
    reason: str = "",
    ticket: str = "",
    all_resources: bool = False,  # noqa: ARG001  # Azure's; there is nothing beside the workspace
    permanently_delete: bool = False,  # noqa: ARG001  # Azure's; a deleted one never comes back
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> None:
    """Delete a workspace that has no endpoints and no unfinished jobs; its files stay in the home."""
    server.delete(_path(_named(server, workspace)), headers=change_headers(reason, ticket))


def _named(server: Server, workspace: str | None) -> Scope:
    from dataclasses import replace

    return server.scope if workspace is None else replace(server.scope, workspace=workspace)


def _path(scope: Scope) -> str:
    """Give the path of a workspace, each name one segment of it."""
    from dataclasses import replace
    from urllib.parse import quote

    names = {name: quote(getattr(scope, name), safe="") for name in ("subscription", "resource_group", "workspace")}
    return replace(scope, **names).arm_id


def _printed(arm: Mapping[str, Any]) -> Any:
    from batchyard.wire.workspaces import workspace_cli_from_arm

    return workspace_cli_from_arm(arm)
