"""What all answers share: envelopes, errors, operations, datastores, the workspace."""

from __future__ import annotations

from batchyard.domain.datastores import BLOB_STORE
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.domain.workspaces import DEFAULT_WORKSPACE
from batchyard.wire.datastores import datastore_cli_from_arm, datastore_to_arm
from batchyard.wire.envelopes import iso, page_to_arm
from batchyard.wire.errors import ErrorDetail, error_from_arm, error_to_arm
from batchyard.wire.operations import operation_to_arm
from batchyard.wire.workspaces import discovery_to_arm, workspace_to_arm

WS = DEFAULT_SCOPE.arm_id


def test_times_are_utc_with_microseconds() -> None:
    assert iso(1_795_341_600.123456) == "2026-11-22T10:00:00.123456+00:00"


def test_an_error_carries_every_mistake_there_and_back() -> None:
    mistakes = [Mistake("settings.mini_batch_size", "0", "1 or more"), Mistake("", "nothing", "a body")]
    body = error_to_arm("ValidationError", "2 mistakes", mistakes)
    assert error_from_arm(body) == (
        "ValidationError",
        "2 mistakes",
        (
            ErrorDetail("InvalidField", str(mistakes[0]), "settings.mini_batch_size"),
            ErrorDetail("InvalidField", str(mistakes[1]), ""),
        ),
    )


def test_an_unreadable_error_reads_as_empty() -> None:
    for body in (None, "x", {}, {"error": "x"}, {"error": {"code": 5, "details": {}}}, {"error": {"details": [1]}}):
        assert error_from_arm(body) == ("", "", ())


def test_a_page_has_its_next_link() -> None:
    assert page_to_arm([{"a": 1}], "https://x/?token=2") == {"value": [{"a": 1}], "nextLink": "https://x/?token=2"}


def test_a_running_operation_has_no_end() -> None:
    answer = operation_to_arm(DEFAULT_SCOPE, "op-1", status="InProgress", started_at=0.0)
    assert answer == {
        "id": f"{WS}/batchDeploymentOperations/op-1",
        "name": "op-1",
        "status": "InProgress",
        "startTime": "1970-01-01T00:00:00.000000+00:00",
        "properties": {
            "log": "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.operation-op-1/build.txt"
        },
    }


def test_a_failed_operation_says_why() -> None:
    answer = operation_to_arm(
        DEFAULT_SCOPE,
        "op-1",
        status="Failed",
        started_at=0.0,
        ended_at=1.0,
        error_code="ScriptError",
        error_message="no run",
    )
    assert answer["error"] == {"code": "ScriptError", "message": "no run"}
    assert answer["endTime"] == "1970-01-01T00:00:01.000000+00:00"


def test_a_datastore_leads_the_sdk_to_our_own_gateway() -> None:
    arm = datastore_to_arm(DEFAULT_WORKSPACE, BLOB_STORE, host="localhost:8443")
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert properties["datastoreType"] == "AzureBlob"
    assert properties["accountName"] == "localhost:8443/blob/workspaceblobstore"
    assert properties["containerName"] == "azureml-blobstore"
    assert properties["credentials"] == {"credentialsType": "None"}
    printed = datastore_cli_from_arm(arm)
    assert list(printed) == sorted(printed)
    assert (printed["name"], printed["is_default"]) == ("workspaceblobstore", True)


def test_the_workspace_has_a_location_and_a_discovery_url() -> None:
    arm = workspace_to_arm(DEFAULT_WORKSPACE, base_url="https://localhost:8443")
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert (arm["id"], arm["name"], arm["location"]) == (WS, "default", "local")
    assert arm["type"] == "Microsoft.MachineLearningServices/workspaces"
    assert properties["discoveryUrl"] == "https://localhost:8443/discovery"
    assert discovery_to_arm(base_url="https://localhost:8443") == {"api": "https://localhost:8443"}
