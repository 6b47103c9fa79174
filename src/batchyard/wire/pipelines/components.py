"""Components in ARM's dialect; their definitions are kept to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchyard.domain.assets import Component, definition_sha256
from batchyard.domain.resource_ids import Scope
from batchyard.wire.assets import VersionShape, version_to_arm
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.shapes import ArmShape, raise_mistakes, read_shape


class _Properties(VersionShape):
    # Any: what a definition holds is read where it is run.
    component_spec: dict[str, Any] | None = None


class ComponentBody(ArmShape):
    """The body of a PUT of a component's version."""

    properties: _Properties | None = None


def component_from_arm(name: str, version: str | None, body: Mapping[str, object]) -> Component:
    """Read the body of a PUT; version "" in the result takes the next number.

    Raises: InvalidInput with all mistakes, fields as ARM names them.
    """
    shape, mistakes = read_shape(ComponentBody, body)
    raise_mistakes(f"Component {name!r}", mistakes)
    given = shape.properties or _Properties()
    return Component(
        name=name,
        version=version or "",
        spec=given.component_spec or {},
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
        is_anonymous=bool(given.is_anonymous),
        is_archived=bool(given.is_archived),
    )


def component_to_arm(scope: Scope, component: Component, meta: StoredMeta) -> dict[str, object]:
    """Give a component's version as GET answers it; ours: properties.sha256, of the definition."""
    properties = {
        **version_to_arm(component),
        "componentSpec": dict(component.spec),
        "sha256": definition_sha256(component),
        "provisioningState": "Succeeded",
    }
    ids = ("components", component.name, "versions", component.version)
    return arm_envelope(scope, *ids, properties=properties, meta=meta)
