"""Pipeline jobs that are made on their own: the body of a PUT of a job, and the part of it that is a component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.pipelines.invocations import AskedData, AskedInput, PipelineWish
from batchyard.domain.resource_ids import Reference, Scope
from batchyard.wire.durations import seconds_from_iso
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.pipelines.deployments import settings_from
from batchyard.wire.pipelines.values import inputs_from_arm, outputs_from_arm
from batchyard.wire.references import asset_reference, compute_name
from batchyard.wire.shapes import ArmShape, Text, TextMap, raise_mistakes, read_shape
from batchyard.wire.trees import mapping_at, without_empty

# The step that a command job is here: a pipeline of one.
ONE_STEP = "main"
_KINDS = {"pipeline": "Pipeline", "command": "Command"}


@dataclass(frozen=True, slots=True)
class PipelineJobDraft:
    """A job as somebody asks for it.

    component: a registered pipeline; without one spec is the definition of one, in which inputs that are values lack
    a type: what their steps take says it. steps: definitions to be registered for steps that name none, by the step.
    """

    wish: PipelineWish
    settings: PipelineSettings
    component: Reference | None = None
    spec: Mapping[str, object] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


class _Properties(ArmShape):
    job_type: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    experiment_name: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    component_id: Text | None = None
    compute_id: Text | None = None
    # Read one by one, so that each has its own mistakes.
    inputs: object = None
    outputs: object = None
    jobs: object = None
    settings: object = None


class PipelineJobBody(ArmShape):
    """The body of a PUT of a job that is not there yet."""

    properties: _Properties | None = None


def pipeline_job_from_arm(name: str, body: Mapping[str, object], scope: Scope) -> PipelineJobDraft:
    """Read the body of a PUT of a job that is not there yet; a command job becomes a pipeline of one step.

    Raises: InvalidInput with all mistakes, fields as ARM names them; jobs of another kind are named.
    """
    written = mapping_at({key.lower(): value for key, value in body.items()}, "properties")
    shape, mistakes = read_shape(_Properties, written, prefix="properties.")
    wrong = name_mistake("job", name)
    found = [] if wrong is None else [wrong]
    kind = (shape.job_type or "").lower()
    if kind not in _KINDS:
        allowed = " or ".join(_KINDS.values())
        remedy = "Other jobs are made by invoking a batch endpoint." if not kind else "No other kind of job runs here."
        found.append(Mistake("properties.jobType", shown(shape.job_type), allowed, remedy))
        raise_mistakes(f"Job {name!r}", found)
    inputs = inputs_from_arm(shape.inputs, scope, "properties.inputs", found)
    outputs = outputs_from_arm(shape.outputs, scope, "properties.outputs", found)
    ports = {
        "inputs": {name: _input_port(given) for name, given in inputs.items()},
        "outputs": {name: {"type": (given.type or PortType.URI_FOLDER).value} for name, given in outputs.items()},
    }
    wish = PipelineWish(
        inputs=inputs,
        outputs=outputs,
        job_name=name,
        experiment_name=shape.experiment_name or None,
        display_name=shape.display_name or "",
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
    )
    settings = _settings(shape, found)
    if kind == "command":
        draft = _of_command(wish, settings, written, ports)
    else:
        draft = _of_pipeline(wish, settings, shape, ports, found)
    raise_mistakes(f"Job {name!r}", merged(mistakes, found))
    return draft


def has_definition(body: Mapping[str, object]) -> bool:
    """Whether the body of a PUT of a job writes out what is to run; one that edits a job which is there does not."""
    written = mapping_at({key.lower(): value for key, value in body.items()}, "properties")
    given = {key.lower(): value for key, value in written.items()}
    return bool(given.get("jobs") or given.get("command"))


def source_job_of(body: Mapping[str, object]) -> str | None:
    """Give the job that a component is to be made of, by its name; None for a component that says what it is.

    # Azure: what its SDK PUTs for the `job_definition` of a deployment.
    """
    properties = mapping_at({key.lower(): value for key, value in body.items()}, "properties")
    spec = mapping_at({key.lower(): value for key, value in properties.items()}, "componentspec")
    named = spec.get("sourceJobId") or spec.get("source_job_id")
    return named.rstrip("/").rsplit("/", 1)[-1].removeprefix("azureml:") if isinstance(named, str) else None


def _of_pipeline(
    wish: PipelineWish,
    settings: PipelineSettings,
    shape: _Properties,
    ports: Mapping[str, object],
    found: list[Mistake],
) -> PipelineJobDraft:
    if shape.component_id is None:
        # Azure: its SDK sends `jobs: {}` beside a component.
        return PipelineJobDraft(wish, settings, spec={"type": "pipeline", **ports, "jobs": shape.jobs or {}})
    component = asset_reference(shape.component_id, kind="components", field="properties.componentId")
    if isinstance(component, Mistake):
        found.append(component)
        return PipelineJobDraft(wish, settings)
    return PipelineJobDraft(wish, settings, component=component)


def _of_command(
    wish: PipelineWish, settings: PipelineSettings, written: Mapping[str, object], ports: Mapping[str, object]
) -> PipelineJobDraft:
    given = {key.lower(): value for key, value in written.items()}
    limits = {key.lower(): value for key, value in mapping_at(given, "limits").items()}
    timeout = limits.get("timeout")
    seconds = seconds_from_iso(timeout) if isinstance(timeout, str) else timeout
    resources = {key.lower(): value for key, value in mapping_at(given, "resources").items()}
    step = without_empty(
        {
            "type": "command",
            "command": given.get("command"),
            "code": given.get("codeid"),
            "environment": given.get("environmentid"),
            "environment_variables": given.get("environmentvariables"),
            "distribution": given.get("distribution"),
            "resources": without_empty({"instance_count": resources.get("instancecount")}),
            "limits": without_empty({"timeout": seconds}),
        }
    )
    typed = {name: port or {"type": "string"} for name, port in mapping_at(ports, "inputs").items()}
    bound = {
        "inputs": {name: f"${{{{parent.inputs.{name}}}}}" for name in typed},
        "outputs": {name: f"${{{{parent.outputs.{name}}}}}" for name in mapping_at(ports, "outputs")},
    }
    whole = {"type": "pipeline", **ports, "inputs": typed, "jobs": {ONE_STEP: bound}}
    return PipelineJobDraft(wish, settings, spec=whole, steps={ONE_STEP: {**step, **ports, "inputs": typed}})


def _input_port(given: AskedInput) -> dict[str, object]:
    return {"type": (given.type or PortType.URI_FOLDER).value} if isinstance(given, AskedData) else {}


def _settings(shape: _Properties, found: list[Mistake]) -> PipelineSettings:
    # Keys that begin with `_` are notes of Azure's clients.
    given = {key: value for key, value in mapping_at(shape.settings).items() if not key.startswith("_")}
    compute = shape.compute_id
    if compute and not given.get("default_compute"):
        name = compute_name(compute, field="properties.computeId")
        if isinstance(name, Mistake):
            found.append(name)
        else:
            given["default_compute"] = name
    return settings_from(given, "properties.settings", found)
