"""What Azure's SDK can ask for and this server does not do is told in one envelope, with 4xx, and changes nothing."""

from __future__ import annotations

import pytest

from .bench import WS, Bench

#: SDK operation -> the request it sends. The SDK repeats a 5xx for a minute before its user hears of it.
NOT_SERVED = {
    "workspaces.begin_update": ("PATCH", ""),
    "workspaces.begin_diagnose": ("POST", "/diagnose"),
    "workspaces.begin_provision_network": ("POST", "/provisionManagedNetwork"),
    "workspaces.begin_sync_keys": ("POST", "/resyncKeys"),
    "workspaces.get_keys": ("POST", "/listKeys"),
    "datastores.create_or_update": ("PUT", "/datastores/mine"),
    "datastores.delete": ("DELETE", "/datastores/workspaceblobstore"),
    "compute.begin_attach": ("PUT", "/computes/attached"),
    "compute.begin_start": ("POST", "/computes/cpu/start"),
    "compute.begin_stop": ("POST", "/computes/cpu/stop"),
    "compute.begin_restart": ("POST", "/computes/cpu/restart"),
    "compute.enable_sso": ("POST", "/computes/cpu/enableSso"),
    "compute.list_nodes": ("POST", "/computes/cpu/listNodes"),
    "models.package": ("POST", "/models/net/versions/1/package"),
    "jobs.begin_delete": ("DELETE", "/jobs/one"),
    "schedules.trigger": ("POST", "/schedules/nightly/trigger"),
    "online_endpoints": ("PUT", "/onlineEndpoints/one"),
    "connections": ("GET", "/connections"),
    "feature_sets": ("GET", "/featuresets"),
}
BODY = {"location": "local", "properties": {"jobType": "Command", "computeType": "Kubernetes", "properties": {}}}


@pytest.mark.parametrize("operation", NOT_SERVED)
def test_an_operation_that_is_not_served_is_told_at_once(bench: Bench, operation: str) -> None:
    method, path = NOT_SERVED[operation]

    answer = bench.client.request(method, WS + path, json=BODY)

    assert answer.status_code in (400, 404, 405), answer.text
    assert answer.json()["error"]["message"]
    assert "Retry-After" not in answer.headers
