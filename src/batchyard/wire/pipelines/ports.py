"""Inputs and outputs of components, and how the steps of a pipeline are bound to each other.

Azure writes them in two dialects, which are both read: YAML (`type`, `path`) and its clients' (`job_input_type`, `uri`,
numbers as text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.components import (
    InputMode,
    InputPort,
    Literal,
    OutputMode,
    OutputPort,
    PortType,
    literal_of,
)
from batchyard.domain.pipelines.expressions import unread, whole_expression
from batchyard.domain.pipelines.graphs import Binding, Fixed, FixedData, FromPipeline, FromStep
from batchyard.wire.mistakes import shown
from batchyard.wire.shapes import Text, Truth, YamlShape, read_shape

_T = TypeVar("_T")
_M = TypeVar("_M", InputMode, OutputMode)

_BOUND = "a literal, ${{parent.inputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}"
# Azure: the modes as its clients write them at a step, beside those of YAML.
INPUT_MODES = {"readonlymount": InputMode.RO_MOUNT, "download": InputMode.DOWNLOAD, "direct": InputMode.DIRECT}
OUTPUT_MODES = {"readwritemount": OutputMode.RW_MOUNT, "upload": OutputMode.UPLOAD}


class _InputYaml(YamlShape):
    type: Text | None = None
    optional: Truth | None = None
    description: Text | None = None
    mode: Text | None = None
    # Values of the input's own type: read below.
    default: object = None
    min: object = None
    max: object = None
    enum: object = None


class _OutputYaml(YamlShape):
    type: Text | None = None
    description: Text | None = None
    mode: Text | None = None


class _BindingYaml(YamlShape):
    type: Text | None = None
    job_input_type: Text | None = None
    value: object = None
    path: object = None
    uri: object = None
    mode: Text | None = None


class _TargetYaml(YamlShape):
    type: Text | None = None
    job_output_type: Text | None = None
    value: object = None
    path: object = None
    uri: object = None
    mode: Text | None = None


def inputs_of(document: object, found: list[Mistake]) -> dict[str, InputPort]:
    """Read `inputs` of a component. found: gets the mistakes."""
    return _each(document, "inputs", "input", found, _input)


def outputs_of(document: object, found: list[Mistake]) -> dict[str, OutputPort]:
    """Read `outputs` of a component. found: gets the mistakes."""
    return _each(document, "outputs", "output", found, _output)


def bindings_of(document: object, where: str, found: list[Mistake]) -> tuple[dict[str, Binding], dict[str, InputMode]]:
    """Read `inputs` of a step, and the modes that it names. where: of the step, such as `jobs.prep`."""
    bindings: dict[str, Binding] = {}
    modes: dict[str, InputMode] = {}
    for name, value in _mapping(document, f"{where}.inputs", found).items():
        field = f"{where}.inputs.{name}"
        if isinstance(value, Mapping):
            shape, mistakes = read_shape(_BindingYaml, value, prefix=f"{field}.")
            found += mistakes
            mode = mode_of(shape.mode, INPUT_MODES, f"{field}.mode", found)
            modes |= {} if mode is None else {name: mode}
            binding = _bound(shape, field, found)
        else:
            binding = None if value is None else _literal_or_bound(value, field, found)
        bindings |= {} if binding is None else {name: binding}
    return bindings, modes


def targets_of(document: object, where: str, found: list[Mistake]) -> tuple[dict[str, str], dict[str, OutputMode]]:
    """Read `outputs` of a step: those that are an output of the pipeline, and the modes. where: of the step."""
    targets: dict[str, str] = {}
    modes: dict[str, OutputMode] = {}
    for name, value in _mapping(document, f"{where}.outputs", found).items():
        field = f"{where}.outputs.{name}"
        shape, mistakes = (
            read_shape(_TargetYaml, value, prefix=f"{field}.")
            if isinstance(value, Mapping)
            else (_TargetYaml(value=value), [])
        )
        found += mistakes
        mode = mode_of(shape.mode, OUTPUT_MODES, f"{field}.mode", found)
        modes |= {} if mode is None else {name: mode}
        target = _target(shape, field, found)
        targets |= {} if target is None else {name: target}
    return targets, modes


def input_named(text: object, *, field: str, found: list[Mistake]) -> str:
    """Read `${{inputs.NAME}}`; "" after noting the mistake."""
    return _named(text, "inputs", field, found)


def output_named(text: object, *, field: str, found: list[Mistake]) -> str:
    """Read `${{outputs.NAME}}`; "" after noting the mistake."""
    return _named(text, "outputs", field, found)


def _each(
    document: object, field: str, noun: str, found: list[Mistake], read: Callable[[object, str, list[Mistake]], _T]
) -> dict[str, _T]:
    ports: dict[str, _T] = {}
    for name, value in _mapping(document, field, found).items():
        mistake = name_mistake(noun, name, field=f"{field}.{name}")
        found += [mistake] if mistake else []
        ports[name] = read(value, f"{field}.{name}", found)
    return ports


def _mapping(document: object, field: str, found: list[Mistake]) -> dict[str, object]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        found.append(Mistake(field, shown(document), "a mapping"))
        return {}
    return {str(name): value for name, value in document.items()}


def _input(value: object, field: str, found: list[Mistake]) -> InputPort:
    shape, mistakes = read_shape(_InputYaml, value, prefix=f"{field}.")
    found += mistakes
    type_ = _type(shape.type, field, found)
    enum = shape.enum if isinstance(shape.enum, list | tuple) else [] if shape.enum is None else [shape.enum]
    return InputPort(
        type=type_,
        is_optional=bool(shape.optional),
        default=_value(type_, shape.default, f"{field}.default", found),
        least=_bound_of(shape.min, f"{field}.min", found),
        most=_bound_of(shape.max, f"{field}.max", found),
        allowed=tuple(literal for one in enum if (literal := _value(type_, one, f"{field}.enum", found)) is not None),
        mode=mode_of(shape.mode, INPUT_MODES, f"{field}.mode", found) or InputMode.RO_MOUNT,
        description=shape.description or "",
    )


def _output(value: object, field: str, found: list[Mistake]) -> OutputPort:
    shape, mistakes = read_shape(_OutputYaml, value, prefix=f"{field}.")
    found += mistakes
    type_ = _type(shape.type, field, found, is_output=True)
    mode = mode_of(shape.mode, OUTPUT_MODES, f"{field}.mode", found) or OutputMode.RW_MOUNT
    return OutputPort(type_, mode, shape.description or "")


def _type(text: str | None, field: str, found: list[Mistake], *, is_output: bool = False) -> PortType:
    known = {type_.value: type_ for type_ in PortType if not (is_output and type_.is_literal)}
    type_ = known.get(text or "")
    if type_ is not None:
        return type_
    remedy = "Use uri_folder; a parallel step says how to read it with `input_format`." if text == "mltable" else ""
    found.append(Mistake(f"{field}.type", shown(text), " or ".join(known), remedy))
    return PortType.URI_FOLDER


def _value(type_: PortType, value: object, field: str, found: list[Mistake]) -> Literal | None:
    if value is None:
        return None
    if not type_.is_literal:
        found.append(Mistake(field, shown(value), f"nothing: inputs of type {type_.value} have none"))
        return None
    literal = literal_of(type_, value)
    if literal is None:
        found.append(Mistake(field, shown(value), f"a value of type {type_.value}"))
    return literal


def _bound_of(value: object, field: str, found: list[Mistake]) -> float | None:
    number = None if value is None else literal_of(PortType.NUMBER, value)
    if value is not None and number is None:
        found.append(Mistake(field, shown(value), "a number"))
    return number if isinstance(number, int | float) else None


def mode_of(text: str | None, known: Mapping[str, _M], field: str, found: list[Mistake]) -> _M | None:
    """Read a mode of one of two dialects; None after noting the mistake. known: modes as Azure's clients write them."""
    if text is None:
        return None
    spelled = {mode.value.replace("_", ""): mode for mode in known.values()} | dict(known)
    mode = spelled.get(text.replace("_", "").lower())
    if mode is None:
        found.append(Mistake(field, shown(text), " or ".join(mode.value for mode in known.values())))
    return mode


def _bound(shape: _BindingYaml, field: str, found: list[Mistake]) -> Binding | None:
    """Read the binding of a mapping: a literal, data at a place, or either as an expression."""
    type_text = shape.type or shape.job_input_type
    place = shape.path if shape.path is not None else shape.uri
    if (place is None) == (shape.value is None):
        found.append(Mistake(field, "neither path nor value" if place is None else "path and value", "one of them"))
        return None
    if shape.value is not None:
        return _literal_or_bound(shape.value, field, found)
    if not isinstance(place, str) or not place:
        found.append(Mistake(f"{field}.path", shown(place), "a place, or an expression"))
        return None
    if "${{" in place:
        return _literal_or_bound(place, field, found)
    known = {one.value: one for one in PortType if not one.is_literal}
    if type_text is not None and type_text not in known:
        found.append(Mistake(f"{field}.type", shown(type_text), " or ".join(known)))
        return None
    return FixedData(known.get(type_text or "", PortType.URI_FOLDER), place)


def _literal_or_bound(value: object, field: str, found: list[Mistake]) -> Binding | None:
    if isinstance(value, str) and ("${{" in value or unread(value)):
        binding = _expression(whole_expression(value) or ())
        if binding is None:
            found.append(Mistake(field, shown(value), _BOUND))
        return binding
    if isinstance(value, str | int | float):
        return Fixed(value)
    found.append(Mistake(field, shown(value), _BOUND))
    return None


def _expression(path: tuple[str, ...]) -> Binding | None:
    match path:
        case ("parent", "inputs", name):
            return FromPipeline(name)
        case ("parent", "jobs", step, "outputs", name):
            return FromStep(step, name)
        case _:
            return None


def _target(shape: _TargetYaml, field: str, found: list[Mistake]) -> str | None:
    given = next((one for one in (shape.value, shape.path, shape.uri) if one is not None), None)
    if given is None:
        return None
    path = whole_expression(given) if isinstance(given, str) else None
    match path:
        case ("parent", "outputs", name):
            return name
        case _:
            remedy = "Where outputs go is said when the endpoint is invoked."
            found.append(Mistake(field, shown(given), "${{parent.outputs.NAME}}, or nothing", remedy))
            return None


def _named(text: object, what: str, field: str, found: list[Mistake]) -> str:
    path = whole_expression(text) if isinstance(text, str) else None
    match path:
        case (kind, name) if kind == what:
            return name
        case _:
            found.append(Mistake(field, shown(text), f"${{{{{what}.NAME}}}}"))
            return ""
