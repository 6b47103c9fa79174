"""Pipeline and command jobs as YAML files: what a job is called and given apart from the definition that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.invocations import PipelineWish
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.pipelines.deployments import settings_from, settings_map
from batchyard.wire.pipelines.jobs import ONE_STEP
from batchyard.wire.pipelines.values import inputs_to_arm, outputs_to_arm
from batchyard.wire.references import compute_name
from batchyard.wire.shapes import NoEffect, ReadOnly, Text, TextMap, YamlShape, notes_of, read_shape
from batchyard.wire.trees import mapping_at, without_empty

_TYPES = ("pipeline", "command")
# Of a command job, what is its one step's.
_OF_STEP = ("command", "code", "environment", "environment_variables", "resources", "limits", "distribution")


class PipelineJobFile(YamlShape):
    """The YAML of a pipeline job, or of a command job, which runs as a pipeline of one step."""

    name: Text | None = None
    type: Text | None = None
    display_name: Text | None = None
    description: Text | None = None
    experiment_name: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    compute: object = None
    # Read by themselves, so that their mistakes have places of their own.
    settings: object = None
    inputs: object = None
    outputs: object = None
    component: object = None
    jobs: object = None
    command: object = None
    code: object = None
    environment: object = None
    environment_variables: object = None
    resources: object = None
    limits: object = None
    distribution: object = None
    identity: NoEffect = None
    services: NoEffect = None
    id: ReadOnly = None
    status: ReadOnly = None
    creation_context: ReadOnly = None


@dataclass(frozen=True, slots=True)
class JobYaml:
    """A job as its file writes it. wish: without inputs and outputs.

    component: a reference, a path or a definition; without one spec is the definition that its steps make.
    """

    wish: PipelineWish
    settings: Mapping[str, object]
    component: object = None
    spec: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def job_from_yaml(document: Mapping[str, object]) -> tuple[JobYaml, list[Mistake]]:
    """Read as much as can be read, with all mistakes, so that the caller can add what it finds in files."""
    shape, mistakes = read_shape(PipelineJobFile, document)
    wrong = name_mistake("job", shape.name) if shape.name else None
    found = [] if wrong is None else [wrong]
    kind = (shape.type or ("pipeline" if shape.jobs is not None or shape.component is not None else "command")).lower()
    if kind not in _TYPES:
        found.append(Mistake("type", shown(shape.type), " or ".join(_TYPES), "No other kind of job runs here."))
    elif kind == "pipeline" and (shape.jobs is None) == (shape.component is None):
        said = "neither" if shape.jobs is None else "jobs and component"
        found.append(Mistake("jobs", said, "jobs, or component: a pipeline component in their place"))
    ports = {"inputs": _ports(shape.inputs), "outputs": _ports(shape.outputs)}
    jobs = {ONE_STEP: _one_step(document, ports)} if kind == "command" else shape.jobs
    if kind == "pipeline":
        found += [Mistake(key, "a value", "nothing: a step says it") for key in _OF_STEP if key in document]
    wish = PipelineWish(
        job_name=shape.name,
        experiment_name=shape.experiment_name,
        display_name=shape.display_name or "",
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
    )
    spec = {} if shape.component is not None else {"type": "pipeline", **ports, "jobs": jobs}
    written = JobYaml(wish, _settings(shape, found), shape.component, spec, notes_of(shape))
    return written, merged(mistakes, found)


def job_to_arm_body(
    wish: PipelineWish, settings: Mapping[str, object], *, component: str | None, spec: Mapping[str, object]
) -> dict[str, object]:
    """Give the body of a PUT. component: an id, or None where spec has the steps, each naming its component."""
    return {
        "properties": {
            "jobType": "Pipeline",
            "inputs": inputs_to_arm(wish.inputs),
            "outputs": {**{name: {} for name in mapping_at(spec, "outputs")}, **outputs_to_arm(wish.outputs)},
            **({"componentId": component} if component else {"jobs": spec.get("jobs")}),
            **without_empty(
                {
                    "displayName": wish.display_name,
                    "description": wish.description,
                    "experimentName": wish.experiment_name,
                    "tags": dict(wish.tags),
                    "properties": dict(wish.properties),
                    "settings": dict(settings),
                }
            ),
        }
    }


def _ports(document: object) -> dict[str, object]:
    """Declare inputs or outputs as what is given for them; what is wrong with that is told elsewhere."""
    return {name: {"type": _type(given)} for name, given in mapping_at(document).items()}


def _type(given: object) -> str:
    said = mapping_at(given)
    if said.get("type"):
        return str(said["type"])
    value = next((said[key] for key in ("default", "value") if said.get(key) is not None), None) if said else given
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return kinds.get(type(value), "uri_folder")


def _one_step(document: Mapping[str, object], ports: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    bound = {kind: {name: f"${{{{parent.{kind}.{name}}}}}" for name in ports[kind]} for kind in ("inputs", "outputs")}
    return {"type": "command", **{key: document[key] for key in _OF_STEP if document.get(key) is not None}, **bound}


def _settings(shape: PipelineJobFile, found: list[Mistake]) -> dict[str, object]:
    settings = settings_from(shape.settings, "settings", found)
    given = settings_map(settings)
    if shape.compute is not None and not settings.default_compute:
        name = compute_name(shape.compute, field="compute")
        if isinstance(name, Mistake):
            found.append(name)
        else:
            given["default_compute"] = name
    return given
