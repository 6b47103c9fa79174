"""Null where a mapping is meant says the same as none: tags and properties of everything that is created."""

from __future__ import annotations

from typing import Any

import pytest

from .bench import WS, Bench

STORE = "azureml://datastores/workspaceblobstore/paths"
INNER = {"tags": None, "properties": None, "description": None}
STEP = {"type": "command", "command": "echo", "environment": "azureml:env:1"}
TRIGGER = {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"}
BODIES: dict[str, dict[str, Any]] = {
    "/computes/fresh": {"tags": None, "properties": {"computeType": "AmlCompute", "properties": {}}},
    "/batchEndpoints/fresh": {"tags": None, "properties": {"authMode": "aadToken", "defaults": None, **INNER}},
    "/models/fresh/versions/1": {"properties": {"modelUri": f"{STORE}/in/a.txt", "flavors": None, **INNER}},
    "/environments/fresh/versions/1": {"properties": {"condaFile": "dependencies: []\n", **INNER}},
    "/data/fresh/versions/1": {"properties": {"dataType": "uri_folder", "dataUri": f"{STORE}/in/", **INNER}},
    "/components/fresh/versions/1": {"properties": {"componentSpec": {**STEP, "tags": None}, **INNER}},
    "/schedules/fresh": {"properties": {"trigger": TRIGGER, "action": {"actionType": "CreateJob"}, **INNER}},
}


@pytest.mark.parametrize("path", BODIES)
def test_null_tags_and_properties_are_none_and_fail_nothing(bench: Bench, path: str) -> None:
    bench.upload("in/a.txt", "a")
    bench.environment()

    made = bench.client.put(WS + path, json=BODIES[path])

    assert made.status_code in (200, 201), made.text
    found = bench.client.get(WS + path).json()
    assert (found.get("tags") or found["properties"].get("tags") or {}) == {}


def test_a_deployment_with_null_tags_environment_variables_and_properties_is_made(bench: Bench) -> None:
    bench.prerequisites()
    nulls = {"properties": None, "environmentVariables": None, "description": None, "retrySettings": None}
    body = {"location": "local", "tags": None, "properties": bench.deployment_body(**nulls)}

    made = bench.client.put(f"{WS}/batchEndpoints/digits/deployments/blue", json=body)

    assert made.status_code == 201, made.text
    properties = made.json()["properties"]
    assert made.json()["tags"] == {}
    assert properties["environmentVariables"] == {}
    assert properties["retrySettings"] == {"maxRetries": 3, "timeout": "PT30S"}
