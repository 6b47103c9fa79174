"""Components as YAML files and as the command line prints them; their definitions are kept to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchyard.domain.assets import ANONYMOUS_COMPONENT, Component
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import parse_reference
from batchyard.wire.assets import version_cli, version_mistakes, version_to_arm
from batchyard.wire.mistakes import shown
from batchyard.wire.shapes import Text, TextMap, YamlShape, name_missing, raise_mistakes, read_shape
from batchyard.wire.trees import mapping_at, sorted_keys

COMPONENT_TYPES = ("command", "parallel", "pipeline")


class ComponentHead(YamlShape):
    """What is read of the YAML of a component; the rest is kept to the letter."""

    name: Text | None = None
    version: Text | None = None
    type: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None


@dataclass(frozen=True, slots=True)
class ComponentYaml:
    """A component as its file writes it. version: None takes the next number. code: a local path, or None.

    spec: the whole definition without `$schema`, to the letter.
    """

    name: str
    version: str | None
    spec: Mapping[str, object]
    description: str
    tags: Mapping[str, str]
    code: str | None


def component_from_yaml(document: Mapping[str, object]) -> ComponentYaml:
    """Read a component's file. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    head = {key: value for key, value in document.items() if key in ComponentHead.model_fields}
    shape, mistakes = read_shape(ComponentHead, head)
    mistakes += name_missing("component", shape.name)
    if shape.name:
        mistakes += version_mistakes("component", shape.name, shape.version)
    kind = shape.type or ("pipeline" if "jobs" in document else "command")
    if kind not in COMPONENT_TYPES:
        mistakes.append(Mistake("type", shown(kind), " or ".join(COMPONENT_TYPES)))
    raise_mistakes(f"Component {shape.name!r}" if shape.name else "Component", mistakes)
    code = document.get("code")
    spec = {key: value for key, value in document.items() if key != "$schema"}
    return ComponentYaml(
        name=shape.name or "",
        version=shape.version,
        spec={**spec, "type": kind},
        description=shape.description or "",
        tags=shape.tags or {},
        code=code if isinstance(code, str) and not _is_registered(code) else None,
    )


def component_to_arm_body(written: ComponentYaml, version: str, spec: Mapping[str, object]) -> dict[str, object]:
    """Give the body of a PUT. spec: the definition, with what was local registered."""
    spec = {**spec, "name": written.name, "version": version}
    component = Component(written.name, version, spec=spec, description=written.description, tags=written.tags)
    return {"properties": {**version_to_arm(component), "componentSpec": spec}}


def anonymous_to_arm_body(spec: Mapping[str, object]) -> dict[str, object]:
    """Give the body of a PUT of a component that nobody named."""
    component = Component(ANONYMOUS_COMPONENT, "", is_anonymous=True)
    return {"properties": {**version_to_arm(component), "componentSpec": {**spec, "name": ANONYMOUS_COMPONENT}}}


def component_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `component show` prints: the definition, and what is known of the version."""
    spec = mapping_at(arm, "properties", "componentSpec")
    known = {key: value for key, value in version_cli(arm).items() if value not in (None, "")}
    return sorted_keys({"display_name": None, "type": None, **spec, **known})


def _is_registered(text: str) -> bool:
    return text.startswith(("azureml:", "git+", "http:", "https:")) or parse_reference(text) is not None
