"""References inside a definition that never changes: with their version, never a label."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Reference
from batchyard.wire.mistakes import shown
from batchyard.wire.references import asset_reference

_LOCAL = "Register it first; `batchyard component create` registers what a YAML file holds."


def pinned(text: object, kind: str, field: str, found: list[Mistake]) -> Reference:
    """Read a reference to a version. Gives: one that leads nowhere after noting the mistake in `found`."""
    reference = asset_reference(text, kind=kind, field=field)
    if isinstance(text, Mapping):
        found.append(inline_mistake(field))
        return Reference(kind, "")
    if isinstance(reference, Mistake):
        remedy = _LOCAL if isinstance(text, str) and not reference.remedy else reference.remedy
        found.append(Mistake(field, shown(text), "azureml:NAME:VERSION", remedy))
        return Reference(kind, "")
    if reference.version is None:
        remedy = "What a component names never changes, and a label may."
        found.append(Mistake(field, shown(text), "a version: azureml:NAME:VERSION", remedy))
    return reference


def inline_mistake(field: str) -> Mistake:
    """Say that something is written out where its name is wanted."""
    return Mistake(field, "an inline definition", "azureml:NAME:VERSION", _LOCAL)
