"""Datastores as ARM shows them; the two that every workspace is born with."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.datastores import DatastoreInfo
from batchyard.domain.workspaces import Workspace, blob_account
from batchyard.wire.envelopes import arm_envelope
from batchyard.wire.trees import mapping_at, sorted_keys


def datastore_to_arm(workspace: Workspace, store: DatastoreInfo, *, host: str) -> dict[str, object]:
    """Give a datastore. host: `name:port` as the caller reached it (its Host header).

    # Azure: an account name is a label; the SDK puts it in front of `.blob.core.windows.net`, so that a path in it
    # leads every blob request to our own gateway without DNS (sdk-wire.md 1.4).
    """
    properties = {
        "datastoreType": "AzureBlob",
        "accountName": f"{host}/blob/{blob_account(workspace, store.name)}",
        "containerName": store.container,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": {"credentialsType": "None"},
        "isDefault": store.is_default,
        "description": store.description,
        "properties": {},
        "tags": {},
    }
    return arm_envelope(workspace.scope, "datastores", store.name, properties=properties)


def datastore_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `datastore show` prints."""
    properties = mapping_at(arm, "properties")
    return sorted_keys(
        {
            "id": arm.get("id"),
            "name": arm.get("name"),
            "type": "azure_blob",
            "account_name": properties.get("accountName"),
            "container_name": properties.get("containerName"),
            "endpoint": properties.get("endpoint"),
            "protocol": properties.get("protocol"),
            "is_default": properties.get("isDefault"),
            "description": properties.get("description"),
            "credentials": {},
            "tags": mapping_at(properties, "tags"),
        }
    )
