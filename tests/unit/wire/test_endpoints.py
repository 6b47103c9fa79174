"""Batch endpoints in both dialects."""

from __future__ import annotations

import pytest

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.deployments import Deployment, DeploymentKind
from batchyard.domain.endpoints import DefaultChange, Endpoint, ProvisioningState
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE, AssetId
from batchyard.wire.documents import apply_set, load_yaml
from batchyard.wire.endpoints import (
    endpoint_cli_from_arm,
    endpoint_from_arm,
    endpoint_from_yaml,
    endpoint_notes,
    endpoint_to_arm,
    endpoint_to_arm_body,
    endpoint_to_yaml,
)
from batchyard.wire.envelopes import StoredMeta

META = StoredMeta(1, '"e1"', 0.0, "ada", 0.0, "ada")
URI = "https://localhost:8443/x/jobs"

# Recorded from azure-ai-ml 1.35.2: batch_endpoints.begin_create_or_update.
SDK_BODY = {
    "location": "local",
    "tags": {"team": "vision"},
    "properties": {
        "description": "Digits",
        "authMode": "aadToken",
        "properties": {},
        "defaults": {"deploymentName": "dpl"},
    },
}
ENDPOINT = Endpoint("digits", "Digits", default_deployment="dpl", tags={"team": "vision"})


def test_the_body_of_the_sdk_is_read_and_answered() -> None:
    assert endpoint_from_arm("digits", SDK_BODY) == ENDPOINT
    arm = endpoint_to_arm(DEFAULT_SCOPE, ENDPOINT, META, scoring_uri=URI)
    assert arm["id"] == f"{DEFAULT_SCOPE.arm_id}/batchEndpoints/digits"
    assert endpoint_from_arm("digits", arm) == ENDPOINT


def test_defaults_are_always_an_object() -> None:
    arm = endpoint_to_arm(DEFAULT_SCOPE, Endpoint("digits"), META, scoring_uri=URI)
    properties = arm["properties"]
    assert isinstance(properties, dict)
    assert properties["defaults"] == {"deploymentName": None}
    assert properties["scoringUri"] == URI


def test_yaml_goes_to_arm_and_back_unchanged() -> None:
    text = "name: digits\ndescription: Digits\nauth_mode: aad_token\ntags: {team: vision}\n"
    text += "defaults:\n  deployment_name: dpl\n"
    endpoint = endpoint_from_yaml(load_yaml(text, subject="endpoint.yml"))
    assert endpoint == ENDPOINT
    assert endpoint_from_arm("digits", endpoint_to_arm_body(endpoint)) == endpoint
    assert endpoint_from_yaml(endpoint_to_yaml(endpoint)) == endpoint


def test_set_switches_and_removes_the_default() -> None:
    switched = apply_set(endpoint_to_yaml(ENDPOINT), ["defaults.deployment_name=other"])
    assert endpoint_from_yaml(switched).default_deployment == "other"
    removed = apply_set(endpoint_to_yaml(ENDPOINT), ["defaults.deployment_name=null"])
    assert endpoint_from_yaml(removed).default_deployment is None


def test_show_prints_history_and_deployments() -> None:
    history = [DefaultChange(0.0, "ada", None, "dpl", "first", "T-1")]
    deployment = Deployment(
        "dpl",
        "digits",
        DeploymentKind.MODEL,
        "cpu-cluster",
        model=AssetId("digits", "2"),
        environment=AssetId("env", "1"),
        state=ProvisioningState.SUCCEEDED,
        build=EnvironmentBuild("ab" * 32, "3.11.7"),
    )
    arm = endpoint_to_arm(
        DEFAULT_SCOPE, ENDPOINT, META, scoring_uri=URI, default_history=history, deployments=[deployment]
    )
    printed = endpoint_cli_from_arm(arm)
    assert list(printed) == sorted(printed)
    assert printed["default_history"] == [
        {
            "actor": "ada",
            "after": "dpl",
            "before": None,
            "reason": "first",
            "ticket": "T-1",
            "time": "1970-01-01T00:00:00.000000+00:00",
        }
    ]
    assert printed["deployments"] == [
        {
            "compute": "azureml:cpu-cluster",
            "environment": "azureml:env:1",
            "environment_hash": "ab" * 32,
            "is_default": True,
            "model": "azureml:digits:2",
            "name": "dpl",
            "provisioning_state": "Succeeded",
        }
    ]
    assert printed["defaults"] == {"deployment_name": "dpl"}
    assert printed["auth_mode"] == "aad_token"
    assert endpoint_from_yaml(printed) == ENDPOINT


def test_all_mistakes_are_told_in_either_dialect() -> None:
    with pytest.raises(InvalidInput) as caught:
        endpoint_from_yaml(
            {"name": "9", "auth_mode": "key", "defaults": {"deployment": "x"}, "traffic": {"a": 100}, "tags": []}
        )
    fields = {mistake.field for mistake in caught.value.mistakes}
    assert fields == {"name", "auth_mode", "defaults.deployment", "traffic", "tags"}
    with pytest.raises(InvalidInput) as caught:
        endpoint_from_arm("9", {"properties": {"authMode": "Key", "defaults": {"deploymentName": "a_b"}}})
    fields = {mistake.field for mistake in caught.value.mistakes}
    assert fields == {"name", "properties.authMode", "properties.defaults.deploymentName"}


def test_keys_without_effect_are_noted() -> None:
    document = {"name": "digits", "identity": {"type": "system_assigned"}, "scoring_uri": "x"}
    assert endpoint_from_yaml(document) == Endpoint("digits")
    assert endpoint_notes(document) == (
        "`identity` is accepted but has no effect here.",
        "Read-only keys are left out: scoring_uri.",
    )
