"""Computes in both dialects."""

from __future__ import annotations

import pytest

from batchyard.domain.computes import Compute
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.wire.computes import (
    compute_cli_from_arm,
    compute_from_arm,
    compute_from_yaml,
    compute_notes,
    compute_to_arm,
    compute_to_arm_body,
    compute_to_yaml,
)
from batchyard.wire.documents import apply_set, load_yaml
from batchyard.wire.envelopes import StoredMeta

META = StoredMeta(3, '"e3"', 0.0, "ada", 60.0, "bob")

# Recorded from azure-ai-ml 1.35.2: compute.begin_create_or_update(AmlCompute).
SDK_BODY = {
    "location": "local",
    "properties": {
        "computeType": "AmlCompute",
        "disableLocalAuth": True,
        "properties": {
            "vmSize": "STANDARD_D2_V2",
            "osType": "Linux",
            "enableNodePublicIp": True,
            "remoteLoginPortPublicAccess": "NotSpecified",
            "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 5, "nodeIdleTimeBeforeScaleDown": "PT2M"},
        },
    },
}

YAML = """
$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
name: batch-cluster
type: amlcompute
size: STANDARD_DS3_v2
tier: LowPriority
min_instances: 1
max_instances: 4
idle_time_before_scale_down: 300
location: westeurope
description: For nightly scoring
tags: {team: vision}
"""


def test_the_body_of_the_sdk_is_read() -> None:
    compute = compute_from_arm("cpu-cluster", SDK_BODY)
    assert compute == Compute("cpu-cluster", size="STANDARD_D2_V2", max_instances=5)


def test_yaml_goes_to_arm_and_back_unchanged() -> None:
    compute = compute_from_yaml(load_yaml(YAML, subject="compute.yml"))
    assert compute == Compute(
        name="batch-cluster",
        size="STANDARD_DS3_v2",
        tier="low_priority",
        min_instances=1,
        max_instances=4,
        idle_time_before_scale_down_s=300,
        location="westeurope",
        description="For nightly scoring",
        tags={"team": "vision"},
    )
    assert compute_from_arm("batch-cluster", compute_to_arm_body(compute)) == compute
    assert compute_from_yaml(compute_to_yaml(compute)) == compute


def test_an_answer_has_what_the_sdk_requires_and_reads_back() -> None:
    compute = compute_from_arm("cpu-cluster", SDK_BODY)
    arm = compute_to_arm(DEFAULT_SCOPE, compute, META)
    assert arm["id"] == f"{DEFAULT_SCOPE.arm_id}/computes/cpu-cluster"
    assert arm["type"] == "Microsoft.MachineLearningServices/workspaces/computes"
    assert arm["etag"] == '"e3"'
    assert compute_from_arm("cpu-cluster", arm) == compute


def test_show_prints_the_same_sorted_keys() -> None:
    printed = compute_cli_from_arm(compute_to_arm(DEFAULT_SCOPE, Compute("cpu-cluster"), META))
    assert list(printed) == sorted(printed)
    assert printed["type"] == "amlcompute"
    assert printed["tier"] == "dedicated"
    assert printed["max_instances"] == 1
    assert printed["idle_time_before_scale_down"] == 120
    assert printed["provisioning_state"] == "Succeeded"
    assert printed["creation_context"] == {
        "created_at": "1970-01-01T00:00:00.000000+00:00",
        "created_by": "ada",
        "created_by_type": "User",
        "last_modified_at": "1970-01-01T00:01:00.000000+00:00",
        "last_modified_by": "bob",
    }


def test_what_show_prints_can_be_created_from() -> None:
    compute = Compute("cpu-cluster", max_instances=3)
    assert compute_from_yaml(compute_cli_from_arm(compute_to_arm(DEFAULT_SCOPE, compute, META))) == compute


def test_set_patches_a_compute() -> None:
    document = apply_set(compute_to_yaml(Compute("cpu-cluster")), ["max_instances=8", "tags.a=b"])
    assert compute_from_yaml(document) == Compute("cpu-cluster", max_instances=8, tags={"a": "b"})


def test_all_mistakes_of_yaml_are_told_once() -> None:
    text = "name: 1x\ntype: kubernetes\ntier: cheap\nmax_instances: none\nmin_instances: -1\nmax_instance: 3"
    with pytest.raises(InvalidInput) as caught:
        compute_from_yaml(load_yaml(text, subject="x"))
    told = {mistake.field: mistake.found for mistake in caught.value.mistakes}
    assert told == {
        "name": "'1x'",
        "type": "'kubernetes'",
        "tier": "'cheap'",
        "max_instances": "'none'",
        "min_instances": "-1",
        "max_instance": "an unknown key",
    }
    assert len(caught.value.mistakes) == 6


def test_a_missing_name_is_told_with_its_rule() -> None:
    with pytest.raises(InvalidInput, match="name: found nothing, expected 3 to 24 letters"):
        compute_from_yaml({})


def test_mistakes_of_a_body_have_the_names_of_arm() -> None:
    scale = {"minNodeCount": -1, "maxNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "2 minutes"}
    body = {"properties": {"computeType": "AKS", "properties": {"vmPriority": "Spot", "scaleSettings": scale}}}
    with pytest.raises(InvalidInput) as caught:
        compute_from_arm("cpu-cluster", body)
    inner = "properties.properties"
    assert {mistake.field for mistake in caught.value.mistakes} == {
        "properties.computeType",
        f"{inner}.vmPriority",
        f"{inner}.scaleSettings.minNodeCount",
        f"{inner}.scaleSettings.maxNodeCount",
        f"{inner}.scaleSettings.nodeIdleTimeBeforeScaleDown",
    }


def test_keys_of_azure_without_effect_are_accepted_and_noted() -> None:
    document = {
        "name": "cpu-cluster",
        "network_settings": {"subnet": "s"},
        "identity": {"type": "system_assigned"},
        "ssh_public_access_enabled": False,
        "ssh_settings": {"admin_username": "a"},
        "enable_node_public_ip": True,
    }
    assert compute_from_yaml(document) == Compute("cpu-cluster")
    notes = compute_notes(document)
    assert [note.split("`")[1] for note in notes] == [
        "ssh_public_access_enabled",
        "ssh_settings",
        "network_settings",
        "identity",
        "enable_node_public_ip",
    ]


@pytest.mark.parametrize("tier", ["low_priority", "LowPriority", "lowPriority", "LOW_PRIORITY"])
def test_a_tier_is_read_however_it_is_cased(tier: str) -> None:
    assert compute_from_yaml({"name": "cpu-cluster", "tier": tier}).tier == "low_priority"
