"""Workspaces: everything else is named inside one. Their names compare without case, as ARM's do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope

LOCATION = "local"


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace.

    scope: its names, spelled as they were when it was made. id: names its rows and files; never given again, so that
    nothing of a deleted workspace comes back with a new one of the same name. Times: epoch seconds, UTC.
    """

    scope: Scope
    id: str
    display_name: str = ""
    description: str = ""
    location: str = LOCATION
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    created_by: str = ""
    modified_at: float = 0.0
    modified_by: str = ""

    @property
    def is_default(self) -> bool:
        """Whether it is the one that is there from the start."""
        return self.id == DEFAULT_WORKSPACE.id


# Its id is the text that its rows carry since there was no other workspace.
DEFAULT_WORKSPACE = Workspace(DEFAULT_SCOPE, DEFAULT_SCOPE.arm_id)


def blob_account(workspace: Workspace, store: str) -> str:
    """Give the name of the storage account under which the blob gateway has a datastore of this workspace."""
    return store if workspace.is_default else f"{store}.{workspace.id}"


def workspace_of_account(account: str) -> str | None:
    """Give the id of the workspace that an account is of; None for the default one, whose accounts name none."""
    return account.partition(".")[2] or None


def is_same(one: Scope, other: Scope) -> bool:
    """Whether two scopes name one workspace."""
    return one.arm_id.lower() == other.arm_id.lower()


def workspace_mistakes(scope: Scope) -> list[Mistake]:
    """Say what is wrong with the names of a new workspace; [] when nothing is."""
    found = (
        name_mistake("workspace", scope.workspace),
        name_mistake("resource group", scope.resource_group, field="resource_group"),
        name_mistake("subscription", scope.subscription, field="subscription"),
    )
    return [mistake for mistake in found if mistake is not None]


def creating_command(scope: Scope) -> str:
    """Give the command that makes a workspace."""
    return (
        f"batchyard workspace create -n {scope.workspace} -g {scope.resource_group} --subscription {scope.subscription}"
    )
