"""Computes: ARM's `AmlCompute` body, the YAML of A.7, and what `compute show` prints."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.computes import Compute, compute_mistakes
from batchyard.domain.resource_ids import Scope
from batchyard.wire.durations import iso_from_seconds, seconds_from_iso
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.mistakes import merged, renamed
from batchyard.wire.shapes import (
    ArmShape,
    Duration,
    NoEffect,
    ReadOnly,
    Text,
    TextMap,
    WholeNumber,
    YamlShape,
    given,
    name_missing,
    notes_of,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import at, creation_context, mapping_at, sorted_keys, text_at, without_empty

_TIERS = {"dedicated": "Dedicated", "low_priority": "LowPriority"}
_ARM_NAMES = {
    "type": "properties.computeType",
    "size": "properties.properties.vmSize",
    "tier": "properties.properties.vmPriority",
    "min_instances": "properties.properties.scaleSettings.minNodeCount",
    "max_instances": "properties.properties.scaleSettings.maxNodeCount",
    "idle_time_before_scale_down": "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown",
}


class ComputeFile(YamlShape):
    """The YAML of a compute."""

    name: Text | None = None
    type: Text | None = None
    size: Text | None = None
    tier: Text | None = None
    min_instances: WholeNumber | None = None
    max_instances: WholeNumber | None = None
    idle_time_before_scale_down: WholeNumber | None = None
    location: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    ssh_public_access_enabled: NoEffect = None
    ssh_settings: NoEffect = None
    network_settings: NoEffect = None
    identity: NoEffect = None
    enable_node_public_ip: NoEffect = None
    id: ReadOnly = None
    provisioning_state: ReadOnly = None
    provisioning_errors: ReadOnly = None
    created_on: ReadOnly = None
    creation_context: ReadOnly = None


class _ScaleSettings(ArmShape):
    min_node_count: WholeNumber | None = None
    max_node_count: WholeNumber | None = None
    node_idle_time_before_scale_down: Duration | None = None


class _AmlProperties(ArmShape):
    vm_size: Text | None = None
    vm_priority: Text | None = None
    scale_settings: _ScaleSettings | None = None


class _Properties(ArmShape):
    compute_type: Text | None = None
    description: Text | None = None
    properties: _AmlProperties | None = None


class ComputeBody(ArmShape):
    """The body of a PUT of a compute."""

    location: Text | None = None
    tags: TextMap | None = None
    properties: _Properties | None = None


def compute_from_arm(name: str, body: Mapping[str, object]) -> Compute:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    shape, mistakes = read_shape(ComputeBody, body)
    outer = shape.properties or _Properties()
    inner = outer.properties or _AmlProperties()
    scale = inner.scale_settings or _ScaleSettings()
    default = Compute(name)
    idle_s = scale.node_idle_time_before_scale_down
    compute = Compute(
        name=name,
        type=(outer.compute_type or default.type).lower(),
        size=inner.vm_size or default.size,
        tier=_tier(inner.vm_priority),
        min_instances=default.min_instances if scale.min_node_count is None else scale.min_node_count,
        max_instances=default.max_instances if scale.max_node_count is None else scale.max_node_count,
        idle_time_before_scale_down_s=default.idle_time_before_scale_down_s if idle_s is None else int(idle_s),
        description=outer.description or "",
        location=shape.location or default.location,
        tags=shape.tags or {},
    )
    raise_mistakes(f"Compute {name!r}", merged(mistakes, renamed(compute_mistakes(compute), _ARM_NAMES)))
    return compute


def compute_to_arm(scope: Scope, compute: Compute, meta: StoredMeta) -> dict[str, object]:
    """Give a compute as GET answers it."""
    body = compute_to_arm_body(compute)
    properties = {**mapping_at(body, "properties"), "provisioningState": "Succeeded", "provisioningErrors": None}
    return arm_envelope(
        scope,
        "computes",
        compute.name,
        properties=properties,
        meta=meta,
        tags=compute.tags,
        location=compute.location,
    )


def compute_from_yaml(document: Mapping[str, object]) -> Compute:
    """Read a YAML document. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    shape, mistakes = read_shape(ComputeFile, document)
    values = given(shape, "type", "size", "min_instances", "max_instances", "location", "description", "tags")
    if shape.idle_time_before_scale_down is not None:
        values["idle_time_before_scale_down_s"] = shape.idle_time_before_scale_down
    compute = Compute(name=shape.name or "", tier=_tier(shape.tier), **values)
    mistakes += name_missing("compute", shape.name)
    raise_mistakes(f"Compute {compute.name!r}", merged(mistakes, compute_mistakes(compute)))
    return compute


def compute_notes(document: Mapping[str, object]) -> tuple[str, ...]:
    """Give a sentence for each key that is accepted but has no effect here, for warnings."""
    return notes_of(read_shape(ComputeFile, document)[0])


def compute_to_yaml(compute: Compute) -> dict[str, object]:
    """Give the YAML document of a compute, to patch with `--set` and read again."""
    return without_empty(
        {
            "name": compute.name,
            "type": compute.type,
            "size": compute.size,
            "tier": compute.tier,
            "min_instances": compute.min_instances,
            "max_instances": compute.max_instances,
            "idle_time_before_scale_down": compute.idle_time_before_scale_down_s,
            "location": compute.location,
            "description": compute.description,
            "tags": dict(compute.tags),
        }
    )


def compute_to_arm_body(compute: Compute) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    scale = {
        "minNodeCount": compute.min_instances,
        "maxNodeCount": compute.max_instances,
        "nodeIdleTimeBeforeScaleDown": iso_from_seconds(compute.idle_time_before_scale_down_s),
    }
    inner = {
        "vmSize": compute.size,
        "vmPriority": _TIERS.get(compute.tier, compute.tier),
        "osType": "Linux",
        "scaleSettings": scale,
    }
    properties = {
        "computeType": "AmlCompute",
        "description": compute.description,
        "disableLocalAuth": True,
        "properties": inner,
    }
    return {"location": compute.location, "tags": dict(compute.tags), "properties": properties}


def compute_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `compute show` prints: snake_case, sorted, the same keys always."""
    inner = ("properties", "properties")
    idle = text_at(arm, *inner, "scaleSettings", "nodeIdleTimeBeforeScaleDown")
    idle_s = seconds_from_iso(idle)
    return sorted_keys(
        {
            "id": at(arm, "id"),
            "name": at(arm, "name"),
            "type": text_at(arm, "properties", "computeType").lower(),
            "size": at(arm, *inner, "vmSize"),
            "tier": _tier(text_at(arm, *inner, "vmPriority")),
            "min_instances": at(arm, *inner, "scaleSettings", "minNodeCount"),
            "max_instances": at(arm, *inner, "scaleSettings", "maxNodeCount"),
            "idle_time_before_scale_down": None if idle_s is None else int(idle_s),
            "location": at(arm, "location"),
            "description": at(arm, "properties", "description"),
            "tags": mapping_at(arm, "tags"),
            "provisioning_state": at(arm, "properties", "provisioningState"),
            "creation_context": creation_context(arm),
        }
    )


def _tier(text: str | None) -> str:
    """Spell a tier as YAML does; what is no tier stays as it is, for the domain to refuse."""
    squeezed = (text or "dedicated").replace("_", "").replace("-", "").lower()
    return next((tier for tier, arm in _TIERS.items() if arm.lower() == squeezed), text or "dedicated")
