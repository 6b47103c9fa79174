"""Definitions of components, read: a pure function from what is stored to the letter to what it says.

YAML files and Azure's clients write almost the same; where they differ (`component`, `componentId`), both are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypedDict

from batchyard.domain.deployments import variable_mistakes
from batchyard.domain.errors import Mistake, merged
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.components import Signature
from batchyard.domain.pipelines.definitions import (
    CommandDefinition,
    Definition,
    ParallelDefinition,
    ParallelSettings,
    ParallelTask,
    PipelineDefinition,
    Step,
)
from batchyard.domain.resource_ids import Reference
from batchyard.wire.deployment_settings import ResourcesYaml
from batchyard.wire.mistakes import shown
from batchyard.wire.pipelines.parallel_steps import ParallelYaml, settings_of, task_of
from batchyard.wire.pipelines.pinned_references import inline_mistake, pinned
from batchyard.wire.pipelines.ports import bindings_of, input_named, inputs_of, outputs_of, targets_of
from batchyard.wire.references import compute_name
from batchyard.wire.shapes import Duration, Text, TextMap, Truth, YamlShape, read_shape

KINDS = ("command", "parallel", "pipeline")

# What Azure's components may have and nothing here does: refused by name, since leaving it out would change the run.
_REFUSED = {
    "distribution": "nothing: a step is one process, on one machine",
    "identity": "nothing: steps have no identity of their own",
    "queue_settings": "nothing: steps run in the order in which they are ready",
    "sourceJobId": "nothing: components are not made of jobs",
    "source_job_id": "nothing: components are not made of jobs",
}


class _Head(YamlShape):
    name: Text | None = None
    version: Text | None = None
    type: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    tags: object = None
    is_deterministic: Truth | None = None
    inputs: object = None
    outputs: object = None


class _LimitsYaml(YamlShape):
    timeout: Duration | None = None
    job_limits_type: Text | None = None


class CommandYaml(_Head):
    """A component that runs a program."""

    command: Text | None = None
    code: Text | None = None
    environment: object = None
    environment_variables: TextMap | None = None
    resources: ResourcesYaml | None = None
    limits: _LimitsYaml | None = None


class ParallelComponentYaml(_Head, ParallelYaml):
    """A component that scores the items of an input."""

    environment_variables: TextMap | None = None
    resources: ResourcesYaml | None = None


class PipelineYaml(_Head):
    """A component of steps."""

    jobs: object = None


class _StepYaml(_Head):
    component: object = None
    componentId: object = None  # noqa: N815 - Azure's word
    compute: object = None
    computeId: object = None  # noqa: N815 - Azure's word
    environment_variables: TextMap | None = None
    resources: ResourcesYaml | None = None
    limits: _LimitsYaml | None = None


class _ParallelStepYaml(_StepYaml, ParallelYaml):
    pass


def read_definition(spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:
    """Read a definition, with every mistake in it; None where its inputs and outputs, or its steps, are not readable.

    What it says is looked at by `domain.pipelines.definitions.definition_mistakes`.
    """
    found = list(_unusable_texts(spec))
    if found:
        return None, found
    given = _without_refused(spec, "", found)
    kind = given.get("type") or ("pipeline" if "jobs" in given else "command")
    if kind not in KINDS:
        return None, [*found, Mistake("type", shown(kind), " or ".join(KINDS))]
    shape, mistakes = read_shape(_SHAPES[str(kind)], given)
    found += mistakes
    ports: list[Mistake] = []
    signature = Signature(inputs_of(shape.inputs, ports), outputs_of(shape.outputs, ports))
    found = merged(found, ports)
    definition: Definition
    if isinstance(shape, PipelineYaml):
        definition = _pipeline(shape, signature, found)
    elif isinstance(shape, ParallelComponentYaml):
        definition = _parallel(shape, signature, found)
    else:
        definition = _command(shape, signature, found)
    return None if ports else definition, found


_SHAPES: dict[str, type[CommandYaml] | type[ParallelComponentYaml] | type[PipelineYaml]] = {
    "command": CommandYaml,
    "parallel": ParallelComponentYaml,
    "pipeline": PipelineYaml,
}


def _unusable_texts(spec: Mapping[str, object]) -> Iterator[Mistake]:
    """Name every text that no process can be given, whatever it is for: with NUL, or with half of a character."""
    todo: list[tuple[str, object]] = [("", spec)]
    while todo:
        where, value = todo.pop()
        if isinstance(value, Mapping):
            todo += [(where, str(name)) for name in value]
            todo += [(f"{where}.{name}" if where else str(name), one) for name, one in value.items()]
        elif isinstance(value, list):
            todo += [(where, one) for one in value]
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value)):
            yield Mistake(
                where.encode("utf-8", "backslashreplace").decode(), shown(value), "text in Unicode without NUL"
            )


def _command(shape: CommandYaml, signature: Signature, found: list[Mistake]) -> CommandDefinition:
    if not (shape.command or "").strip():
        found.append(Mistake("command", shown(shape.command), "what is to be run"))
    return CommandDefinition(
        signature=signature,
        command=shape.command or "",
        environment=pinned(shape.environment, "environments", "environment", found),
        code=pinned(shape.code, "codes", "code", found) if shape.code is not None else None,
        environment_variables=_variables(shape.environment_variables, "", found),
        instance_count=_instances(shape.resources, "", found) or 1,
        timeout_s=_timeout(shape.limits, "", found),
        is_deterministic=shape.is_deterministic is not False,
    )


def _parallel(shape: ParallelComponentYaml, signature: Signature, found: list[Mistake]) -> ParallelDefinition:
    return ParallelDefinition(
        signature=signature,
        task=task_of(shape.task, found),
        input_data=input_named(shape.input_data, field="input_data", found=found),
        settings=settings_of(shape, found),
        environment_variables=_variables(shape.environment_variables, "", found),
        instance_count=_instances(shape.resources, "", found) or 1,
        is_deterministic=shape.is_deterministic is not False,
    )


def _pipeline(shape: PipelineYaml, signature: Signature, found: list[Mistake]) -> PipelineDefinition:
    steps: dict[str, Step] = {}
    if shape.jobs is not None and not isinstance(shape.jobs, Mapping):
        found.append(Mistake("jobs", shown(shape.jobs), "a mapping of names to steps"))
    elif shape.jobs is not None:
        steps = {str(name): _step(str(name), step, found) for name, step in shape.jobs.items()}
    return PipelineDefinition(signature, steps, is_deterministic=shape.is_deterministic is not False)


def _step(name: str, document: object, found: list[Mistake]) -> Step:
    where = f"jobs.{name}"
    mine: list[Mistake] = []
    wrong = name_mistake("step", name, field=where)
    given = _without_refused(document, f"{where}.", mine) if isinstance(document, Mapping) else {}
    if wrong is not None or not isinstance(document, Mapping):
        found.append(wrong or Mistake(where, shown(document), "a mapping"))
        return Step(Reference("components", ""))
    kind = given.get("type")
    if kind is not None and kind not in KINDS:
        found += [*mine, Mistake(f"{where}.type", shown(kind), " or ".join(KINDS))]
        return Step(Reference("components", ""))
    if {"command", "task", "jobs"} & given.keys() and not {"component", "componentId"} & given.keys():
        found += [*mine, inline_mistake(f"{where}.component")]
        return Step(Reference("components", ""))
    shape, mistakes = read_shape(_ParallelStepYaml if kind == "parallel" else _StepYaml, given, prefix=f"{where}.")
    mine += mistakes
    bindings, input_modes = bindings_of(shape.inputs, where, mine)
    targets, output_modes = targets_of(shape.outputs, where, mine)
    step = Step(
        component=_component(shape, where, mine),
        kind=str(kind or ""),
        inputs=bindings,
        input_modes=input_modes,
        outputs=targets,
        output_modes=output_modes,
        compute=_compute(shape, where, mine),
        environment_variables=_variables(shape.environment_variables, f"{where}.", mine),
        instance_count=_instances(shape.resources, f"{where}.", mine),
        timeout_s=_timeout(shape.limits, f"{where}.", mine),
        **(_parallel_part(shape, where, mine) if isinstance(shape, _ParallelStepYaml) else {}),
    )
    found += mine
    return step


class _ParallelPart(TypedDict, total=False):
    settings: ParallelSettings
    task: ParallelTask | None
    input_data: str | None


def _parallel_part(shape: _ParallelStepYaml, where: str, found: list[Mistake]) -> _ParallelPart:
    field = f"{where}.input_data"
    return {
        "settings": settings_of(shape, found, prefix=f"{where}."),
        "task": None if shape.task is None else task_of(shape.task, found, prefix=f"{where}."),
        "input_data": None if shape.input_data is None else input_named(shape.input_data, field=field, found=found),
    }


def _component(shape: _StepYaml, where: str, found: list[Mistake]) -> Reference:
    named = shape.component if shape.component is not None else shape.componentId
    if shape.component is not None and shape.componentId is not None:
        found.append(Mistake(f"{where}.component", "component and componentId", "one of them"))
        return Reference("components", "")
    return pinned(named, "components", f"{where}.component", found)


def _compute(shape: _StepYaml, where: str, found: list[Mistake]) -> str:
    named = shape.compute if shape.compute is not None else shape.computeId
    if named is None:
        return ""
    name = compute_name(named, field=f"{where}.compute")
    if isinstance(name, str):
        return name
    found.append(name)
    return ""


def _variables(given: Mapping[str, str] | None, prefix: str, found: list[Mistake]) -> dict[str, str]:
    found += variable_mistakes(given or {}, prefix)
    return dict(given or {})


def _instances(shape: ResourcesYaml | None, prefix: str, found: list[Mistake]) -> int | None:
    count = shape.instance_count if shape is not None else None
    if count is not None and count < 1:
        found.append(Mistake(f"{prefix}resources.instance_count", str(count), "1 or more"))
    return count


def _timeout(shape: _LimitsYaml | None, prefix: str, found: list[Mistake]) -> float | None:
    seconds = shape.timeout if shape is not None else None
    if seconds is not None and not seconds > 0:
        found.append(Mistake(f"{prefix}limits.timeout", f"{seconds:g}", "more than 0 seconds"))
    return seconds


def _without_refused(spec: Mapping[str, object], prefix: str, found: list[Mistake]) -> dict[str, object]:
    """Give a definition without what is refused by name, after noting it, and without what says nothing.

    Keys that begin with `_` or `$` are notes of Azure's clients.
    """
    given = {
        str(key): value for key, value in spec.items() if value is not None and not str(key).startswith(("_", "$"))
    }
    for key in [key for key in given if key in _REFUSED]:
        found.append(Mistake(f"{prefix}{key}", shown(given.pop(key)), _REFUSED[key]))
    return given
