"""Pipeline jobs that are asked for by themselves: the component that each has in the end, and the job of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchyard.control import audit, components, definitions, invocations, references
from batchyard.control.pipeline_drafts import settings_mistakes
from batchyard.control.pipeline_specs import Through, freeze, queue
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.assets import ANONYMOUS_COMPONENT, AssetKind, Component
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Conflict, InvalidInput, Mistake
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import InputPort, PortType, fits
from batchyard.domain.pipelines.definitions import PipelineDefinition
from batchyard.domain.pipelines.graphs import FromPipeline
from batchyard.domain.pipelines.invocations import PipelineWish
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.ports.datastore import Datastores
from batchyard.ports.records import Stored, Transaction


def create(
    tx: Transaction,
    caller: Caller,
    wish: PipelineWish,
    settings: PipelineSettings,
    *,
    component: Reference | None,
    spec: Mapping[str, object],
    steps: Mapping[str, Mapping[str, object]],
    datastores: Datastores,
    read: definitions.Read,
    now: float,
    new_name: str,
    reason: str = "",
    ticket: str = "",
) -> Job:
    """Register what a job is made of, check what it is given, and queue it.

    component: a registered pipeline; without one spec is a definition in which inputs that are values may lack their
    type, and steps are definitions to be registered for steps that name none.
    Raises: Forbidden; InvalidInput with every mistake; Conflict (name taken, an output exists).
    """
    authorise(caller, Action.JOB_WRITE)
    subject = f"Job {wish.job_name or new_name!r}"
    invocations.refuse_taken(tx, wish.job_name)
    found = list(settings_mistakes(tx, settings))
    stored = references.follow(tx, AssetKind.COMPONENT, component, field="component") if component else None
    found += [stored] if isinstance(stored, Mistake) else []
    if found:
        raise InvalidInput(subject, found)
    if stored is None or isinstance(stored, Mistake):
        id = _component_of_definition(tx, caller, wish, spec, steps, read=read, now=now)
    else:
        id = AssetId(stored.key.name, stored.key.version)
    frozen = freeze(
        tx,
        caller,
        wish,
        component=id,
        settings=settings,
        through=Through(),
        datastores=datastores,
        read=read,
        new_name=new_name,
        subject=subject,
    )
    act = audit.Act(caller.name, Action.JOB_WRITE, now, reason, ticket, {"component": str(id)})
    return queue(tx, act, wish, frozen, request_id=None)


def refuse_another(
    tx: Transaction,
    caller: Caller,
    job: Job,
    wish: PipelineWish,
    *,
    spec: Mapping[str, object],
    steps: Mapping[str, Mapping[str, object]],
    read: definitions.Read,
    now: float,
) -> None:
    """Refuse a definition under the name of a job that runs another one: it would be taken for an edit and never run.

    Raises: Forbidden; InvalidInput; Conflict.
    """
    authorise(caller, Action.JOB_WRITE)
    asked = _component_of_definition(tx, caller, wish, spec, steps, read=read, now=now)
    if not isinstance(job.spec, PipelineSpec) or job.spec.component != asked:
        raise Conflict(
            f"A job {job.name!r} exists already, and runs something else. Choose another name, or leave it out."
        )


def _component_of_definition(
    tx: Transaction,
    caller: Caller,
    wish: PipelineWish,
    spec: Mapping[str, object],
    steps: Mapping[str, Mapping[str, object]],
    *,
    read: definitions.Read,
    now: float,
) -> AssetId:
    named = {name: _registered(tx, caller, step, read=read, now=now) for name, step in steps.items()}
    return _registered(tx, caller, _typed(tx, _with_steps(spec, named), wish, read), read=read, now=now)


def component_of(tx: Transaction, job: Job) -> Stored[Component]:
    """Give the component that a pipeline job runs, for a deployment of the same. Raises: Conflict."""
    if not isinstance(job.spec, PipelineSpec):
        raise Conflict(
            f"Job {job.name!r} is no pipeline job, and a deployment of it would be one. Name a pipeline job."
        )
    named = job.spec.component
    return references.find_version(tx, AssetKind.COMPONENT, named.name, version=named.version)


def _registered(
    tx: Transaction, caller: Caller, spec: Mapping[str, object], *, read: definitions.Read, now: float
) -> AssetId:
    """Register a definition that nobody named, under a version made of what it says; the same one once."""
    version = audit.fingerprint(spec)[:30]
    component = Component(ANONYMOUS_COMPONENT, version, spec=spec, is_anonymous=True)
    stored = components.register(tx, caller, component, read=read, now=now)
    return AssetId(stored.key.name, stored.key.version)


def _with_steps(spec: Mapping[str, object], named: Mapping[str, AssetId]) -> dict[str, object]:
    jobs = spec.get("jobs")
    if not named or not isinstance(jobs, Mapping):
        return dict(spec)
    return {
        **spec,
        "jobs": {
            name: {**step, "component": f"azureml:{named[name]}"} if name in named else step
            for name, step in jobs.items()
        },
    }


def _typed(
    tx: Transaction, spec: Mapping[str, object], wish: PipelineWish, read: definitions.Read
) -> dict[str, object]:
    """Give each input that is a value the type, and the bounds, that its steps take it with."""
    written = spec.get("inputs")
    if not isinstance(written, Mapping):  # Whatever else it is, the component is refused for it.
        return dict(spec)
    inputs: dict[str, object] = {str(name): port for name, port in written.items()}
    open_ports = [name for name, port in inputs.items() if not port]
    if not open_ports:
        return dict(spec)
    provisional = {**spec, "inputs": {name: port or {"type": "string"} for name, port in inputs.items()}}
    definition = read(provisional)[0]
    takers = _takers(tx, definition, read) if isinstance(definition, PipelineDefinition) else {}
    for name in open_ports:
        inputs[name] = _port_of(takers.get(name, []), wish.inputs.get(name))
    return {**spec, "inputs": inputs}


def _takers(tx: Transaction, pipeline: PipelineDefinition, read: definitions.Read) -> dict[str, list[InputPort]]:
    """Give the inputs of steps that each input of a pipeline is bound to."""
    takers: dict[str, list[InputPort]] = {}
    for step in pipeline.steps.values():
        component = definitions.definition_at(tx, step.component, read=read) if step.component.name else None
        if component is None or isinstance(component, Mistake):
            continue
        for port, binding in step.inputs.items():
            declared = component.signature.inputs.get(port)
            if isinstance(binding, FromPipeline) and declared is not None:
                takers.setdefault(binding.name, []).append(declared)
    return takers


def _port_of(takers: Sequence[InputPort], value: object) -> dict[str, object]:
    """Declare an input as its takers do: the narrowest type, and the bounds where there is one taker."""
    types = [port.type for port in takers]
    narrow = [one for one in types if all(fits(one, other) for other in types)]
    port: dict[str, object] = {"type": (narrow or types or [_type_of(value)])[0].value}
    if len(takers) == 1:
        only = takers[0]
        bounds = {"min": only.least, "max": only.most, "enum": list(only.allowed) or None}
        port |= {name: bound for name, bound in bounds.items() if bound is not None}
    return port


def _type_of(value: object) -> PortType:
    kinds = {bool: PortType.BOOLEAN, int: PortType.INTEGER, float: PortType.NUMBER}
    return kinds.get(type(value), PortType.STRING)
