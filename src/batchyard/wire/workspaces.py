"""The workspace as ARM shows it."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.workspaces import Workspace
from batchyard.wire.envelopes import arm_envelope
from batchyard.wire.trees import at, mapping_at, sorted_keys, text_at


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
            "resource_group": parts[4] if len(parts) > 4 else None,
            "location": at(arm, "location"),
            "display_name": at(arm, "properties", "friendlyName"),
            "description": at(arm, "properties", "description"),
            "discovery_url": at(arm, "properties", "discoveryUrl"),
            "mlflow_tracking_uri": at(arm, "properties", "mlFlowTrackingUri"),
            "tags": mapping_at(arm, "tags"),
        }
    )
