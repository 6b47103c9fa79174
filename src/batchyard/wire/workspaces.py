"""Workspaces: ARM's body, the YAML of `workspace create`, and what is printed; subscriptions and resource groups."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from batchyard.domain.resource_ids import PROVIDER, Scope
from batchyard.domain.workspaces import LOCATION, Workspace
from batchyard.wire.envelopes import arm_envelope
from batchyard.wire.shapes import (
    ArmShape,
    NoEffect,
    ReadOnly,
    Text,
    TextMap,
    YamlShape,
    name_missing,
    notes_of,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import at, mapping_at, sorted_keys, text_at, without_empty


class WorkspaceFile(YamlShape):
    """The YAML of a workspace."""

    name: Text | None = None
    resource_group: Text | None = None
    location: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    hbi_workspace: NoEffect = None
    storage_account: NoEffect = None
    container_registry: NoEffect = None
    key_vault: NoEffect = None
    application_insights: NoEffect = None
    customer_managed_key: NoEffect = None
    image_build_compute: NoEffect = None
    public_network_access: NoEffect = None
    identity: NoEffect = None
    primary_user_assigned_identity: NoEffect = None
    managed_network: NoEffect = None
    system_datastores_auth_mode: NoEffect = None
    enable_data_isolation: NoEffect = None
    id: ReadOnly = None
    discovery_url: ReadOnly = None
    mlflow_tracking_uri: ReadOnly = None


class _Properties(ArmShape):
    friendly_name: Text | None = None
    description: Text | None = None


class WorkspaceBody(ArmShape):
    """The body of a PUT of a workspace."""

    location: Text | None = None
    tags: TextMap | None = None
    properties: _Properties | None = None


def workspace_from_arm(scope: Scope, id: str, body: Mapping[str, object]) -> Workspace:
    """Read the body of a PUT. id: for a new workspace. Raises: InvalidInput with all mistakes."""
    shape, mistakes = read_shape(WorkspaceBody, body)
    raise_mistakes(f"Workspace {scope.workspace!r}", mistakes)
    given = shape.properties or _Properties()
    return Workspace(
        scope,
        id,
        display_name=given.friendly_name or "",
        description=given.description or "",
        location=shape.location or LOCATION,
        tags=shape.tags or {},
    )


def workspace_from_yaml(document: Mapping[str, object], *, within: Scope) -> Workspace:
    """Read a YAML document. within: says the subscription, and the resource group where the document names none.

    Raises: InvalidInput with all mistakes.
    """
    shape, mistakes = read_shape(WorkspaceFile, document)
    raise_mistakes("Workspace", [*mistakes, *name_missing("workspace", shape.name)])
    scope = Scope(within.subscription, shape.resource_group or within.resource_group, shape.name or "")
    return Workspace(
        scope,
        "",
        display_name=shape.display_name or "",
        description=shape.description or "",
        location=shape.location or LOCATION,
        tags=shape.tags or {},
    )


def workspace_notes(document: Mapping[str, object]) -> tuple[str, ...]:
    """Give a sentence for each key that is accepted but has no effect here, for warnings."""
    return notes_of(read_shape(WorkspaceFile, document)[0])


def workspace_to_arm_body(workspace: Workspace) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    properties = {"friendlyName": workspace.display_name, "description": workspace.description}
    return {
        "location": workspace.location,
        "tags": dict(workspace.tags),
        "properties": without_empty(properties),
    }


def workspace_to_arm(workspace: Workspace, *, base_url: str) -> dict[str, object]:
    """Give a workspace. base_url: `https://host:port` as the caller reached it."""
    scope = workspace.scope
    properties = {
        "friendlyName": workspace.display_name or scope.workspace,
        "description": workspace.description,
        "discoveryUrl": f"{base_url}/discovery",
        "mlFlowTrackingUri": None,
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "workspaceId": scope.workspace if workspace.is_default else workspace.id,
    }
    return arm_envelope(scope, properties=properties, tags=workspace.tags, location=workspace.location)


def workspaces_path(subscription: str, resource_group: str | None) -> str:
    """Give the path that lists the workspaces of a subscription, or of one resource group in it."""
    group = "" if resource_group is None else f"/resourceGroups/{quote(resource_group, safe='')}"
    return f"/subscriptions/{quote(subscription, safe='')}{group}/providers/{PROVIDER}/workspaces"


def subscription_to_arm(id: str) -> dict[str, object]:
    """Give a subscription; its name is its id, as nobody gave it another."""
    return {"id": f"/subscriptions/{id}", "subscriptionId": id, "displayName": id, "state": "Enabled"}


def group_to_arm(workspace: Workspace) -> dict[str, object]:
    """Give the resource group of a workspace."""
    scope = workspace.scope
    return {
        "id": f"/subscriptions/{scope.subscription}/resourceGroups/{scope.resource_group}",
        "name": scope.resource_group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": workspace.location,
        "managedBy": None,
        "properties": {"provisioningState": "Succeeded"},
        "tags": {},
    }


def discovery_to_arm(*, base_url: str) -> dict[str, str]:
    """Give the answer at `discoveryUrl`; the SDK reads only `api`."""
    return {"api": base_url}


def cloud_to_arm(*, base_url: str) -> dict[str, object]:
    """Give this server as a cloud. # Azure: the keys that its SDK reads of `ARM_CLOUD_METADATA_URL`'s list."""
    return {
        "name": "batchyard",
        "portal": "https://portal.azure.com/",
        "resourceManager": base_url,
        "authentication": {"loginEndpoint": base_url, "audiences": ["https://management.azure.com"], "tenant": "local"},
        # The SDK finds blobs by `<accountName>.blob.<this suffix>`; account names carry our host (`wire.datastores`).
        "suffixes": {"storage": "core.windows.net"},
    }


def workspace_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `workspace show` prints: snake_case, sorted, the same keys always."""
    parts = text_at(arm, "id").split("/")
    return sorted_keys(
        {
            "id": at(arm, "id"),
            "name": at(arm, "name"),
            "subscription": parts[2] if len(parts) > 2 else None,
            "resource_group": parts[4] if len(parts) > 4 else None,
            "location": at(arm, "location"),
            "display_name": at(arm, "properties", "friendlyName"),
            "description": at(arm, "properties", "description"),
            "discovery_url": at(arm, "properties", "discoveryUrl"),
            "mlflow_tracking_uri": at(arm, "properties", "mlFlowTrackingUri"),
            "tags": mapping_at(arm, "tags"),
        }
    )
