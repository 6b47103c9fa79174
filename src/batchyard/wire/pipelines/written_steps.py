"""Steps that are written out in a pipeline's YAML, taken apart: the component that they are, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.pipelines.expressions import whole_expression
from batchyard.wire.trees import at, mapping_at, text_at

# What is said of a step and not of its component.
_OF_THE_STEP = {
    *("type", "name", "display_name", "description", "tags", "comment", "component", "componentId"),
    *("inputs", "outputs", "compute", "computeId", "environment_variables", "resources", "limits"),
    *("distribution", "identity", "queue_settings"),
}
_INLINE = ("command", "task", "jobs")


def is_inline(step: Mapping[str, object]) -> bool:
    """Tell whether a step is written out, and names no component."""
    return step.get("component") is None and step.get("componentId") is None and any(key in step for key in _INLINE)


def component_of(
    step: Mapping[str, object], pipeline: Mapping[str, object], outputs: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    """Give the component that a written out step is; the types of its inputs are those of what is given to them.

    outputs: `outputs` of the components of all steps that are known here, by the name of the step.
    """
    kind = step.get("type") or ("parallel" if "task" in step else "pipeline" if "jobs" in step else "command")
    inputs = {name: _input(value, pipeline, outputs) for name, value in mapping_at(step, "inputs").items()}
    return {
        **{key: value for key, value in step.items() if key not in _OF_THE_STEP},
        "type": kind,
        "inputs": inputs,
        "outputs": outputs_of(step, pipeline),
    }


def outputs_of(step: Mapping[str, object], pipeline: Mapping[str, object]) -> dict[str, object]:
    """Give `outputs` of the component that a written out step is."""
    return {name: _output(value, pipeline) for name, value in mapping_at(step, "outputs").items()}


def used(step: Mapping[str, object], component: str) -> dict[str, object]:
    """Give a step that names its component. component: its id."""
    return {**{key: value for key, value in step.items() if key in _OF_THE_STEP}, "component": component}


def _input(
    value: object, pipeline: Mapping[str, object], outputs: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    given = mapping_at(value)
    mode = {"mode": given["mode"]} if given.get("mode") else {}
    source = next((given[key] for key in ("path", "value") if given.get(key) is not None), None) if given else value
    match whole_expression(source) if isinstance(source, str) else None:
        case ("parent", "inputs", name):
            declared = mapping_at(pipeline, "inputs", name)
            may_lack = declared.get("optional") and declared.get("default") is None
            type_ = declared.get("type") or given.get("type") or "uri_folder"
            return {"type": type_, **({"optional": True} if may_lack else {}), **mode}
        case ("parent", "jobs", step, "outputs", name):
            known = at(outputs, step, name, "type")
            return {"type": given.get("type") or known or "uri_folder", **mode}
        case _:
            return {"type": given.get("type") or ("uri_folder" if given else _literal_type(source)), **mode}


def _literal_type(value: object) -> str:
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number"}
    return kinds.get(type(value), "string")


def _output(value: object, pipeline: Mapping[str, object]) -> dict[str, object]:
    given = mapping_at(value)
    source = next((given[key] for key in ("path", "value") if given.get(key) is not None), None) if given else value
    mode = {"mode": given["mode"]} if given.get("mode") else {}
    match whole_expression(source) if isinstance(source, str) else None:
        case ("parent", "outputs", name):
            return {"type": text_at(pipeline, "outputs", name, "type") or given.get("type") or "uri_folder", **mode}
        case _:
            return {"type": given.get("type") or "uri_folder", **mode}
