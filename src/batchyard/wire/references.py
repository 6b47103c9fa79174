"""What documents point at: `azureml:name:version` in YAML, ARM ids on the wire; both ways."""

from __future__ import annotations

from dataclasses import replace

from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Reference, Scope, parse_arm_id, parse_reference
from batchyard.wire.mistakes import shown

_NOUNS = {
    "models": "model",
    "environments": "environment",
    "codes": "code",
    "computes": "compute",
    "components": "component",
    "data": "data asset",
}
_PREFIX = "azureml:"


def is_reference(text: str) -> bool:
    """Tell a reference from a local path or a data URI, by its start alone."""
    return (text.startswith(_PREFIX) and not text.startswith("azureml://")) or parse_arm_id(text) is not None


def asset_reference(text: object, *, kind: str, field: str) -> Reference | Mistake:
    """Read a reference to a versioned asset. kind: its ARM collection, set in the answer however it was written."""
    noun = _NOUNS[kind]
    allowed = f"azureml:NAME:VERSION or azureml:NAME@latest of a registered {noun}"
    if isinstance(text, str) and text.startswith("azureml://registries/"):
        return Mistake(field, shown(text), allowed, "Registries are not supported by this version.")
    found = parse_reference(text) if isinstance(text, str) else None
    if found is None or found.kind not in ("", kind):
        return Mistake(field, shown(text), allowed)
    if found.version is None and found.label is None:
        return Mistake(field, shown(text), allowed, f"Add a version, such as azureml:{found.name}@latest.")
    return replace(found, kind=kind)


def compute_name(text: object, *, field: str) -> str | Mistake:
    """Read `azureml:name`, an ARM id, or a bare name."""
    allowed = "the name of a compute, such as azureml:cpu-cluster"
    if not isinstance(text, str) or not text:
        return Mistake(field, shown(text or None), allowed)
    if not is_reference(text):
        return Mistake(field, shown(text), allowed) if set(text) & set("/:@") else text
    found = parse_reference(text)
    if found is None or found.kind not in ("", "computes") or found.version or found.label:
        return Mistake(field, shown(text), allowed)
    return found.name


def reference_to_arm_id(scope: Scope, kind: str, reference: Reference) -> str:
    """Give the ARM id that a reference stands for; its own scope wins over the one given."""
    place = reference.scope or scope
    if reference.label is not None:
        return place.child(kind, reference.name, "labels", reference.label)
    if reference.version is not None:
        return place.child(kind, reference.name, "versions", reference.version)
    return place.child(kind, reference.name)


def short_form(arm_id: object) -> str | None:
    """Give an ARM id as YAML writes it, `azureml:name:version`; other text as it is, None for what is not text."""
    if not isinstance(arm_id, str):
        return None
    found = parse_reference(arm_id)
    if found is None:
        return arm_id
    tail = f":{found.version}" if found.version else f"@{found.label}" if found.label else ""
    return f"{_PREFIX}{found.name}{tail}"
