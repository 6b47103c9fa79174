"""What a pipeline job runs by: a wish held against a component, all mistakes at once, and frozen."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchyard.control import audit, definitions, invocations, pinned_paths, references, registry
from batchyard.control.pipeline_drafts import compute_mistakes
from batchyard.control.sealed_places import sealed_by
from batchyard.domain.access import Caller
from batchyard.domain.datastores import BLOB_STORE, DATASTORES
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import CallerError, Conflict, InvalidInput, Mistake
from batchyard.domain.job_specs import Given, InputKind, InputSource, OutputTarget, PipelineSpec, StepData, StepOutput
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.names import name_mistake
from batchyard.domain.pinned_paths import JOBS_FOLDER
from batchyard.domain.pipelines.components import InputMode, OutputPort, PortType
from batchyard.domain.pipelines.definitions import PipelineDefinition, kind_of
from batchyard.domain.pipelines.invocations import (
    AskedData,
    AskedOutput,
    PipelineWish,
    inputs_for,
    output_mistakes,
)
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference
from batchyard.ports.datastore import Datastores
from batchyard.ports.records import Transaction

_FREE_PLACE = "a place that is free"


@dataclass(frozen=True, slots=True)
class Through:
    """By which way a pipeline is run: "" and 0 where nobody invoked an endpoint."""

    endpoint: str = ""
    deployment: str = ""
    revision: int = 0
    routed_by: str = ""


def freeze(
    tx: Transaction,
    caller: Caller,
    wish: PipelineWish,
    *,
    component: AssetId,
    settings: PipelineSettings,
    through: Through,
    datastores: Datastores,
    read: definitions.Read,
    new_name: str,
    subject: str,
) -> PipelineSpec:
    """Check what a pipeline is to be run with and give the spec of its job. subject: of mistakes.

    Raises: InvalidInput with every mistake; Conflict when an output exists and nothing else is wrong.
    """
    job = wish.job_name or new_name
    found = _name_mistakes(wish)
    definition = _pipeline(tx, component, read)
    if isinstance(definition, Mistake):
        raise InvalidInput(subject, [*found, definition])
    asked, mistakes = inputs_for(wish, definition.signature)
    inputs: dict[str, Given] = {}
    for name, value in asked.items():
        given, wrong = _data(tx, caller, value, datastores, name) if isinstance(value, AskedData) else (value, [])
        mistakes += wrong
        inputs |= {} if given is None else {name: given}
    mistakes += output_mistakes(wish, definition.signature)
    outputs = _outputs(wish, definition.signature.outputs, settings, job)
    places, taken = _place_findings(tx, outputs, datastores)
    refused = [] if places else _refused(tx, outputs, settings, through)
    found += [*mistakes, *places, *compute_mistakes(tx, definition, settings, read, where="component")]
    if found or refused:
        found += [_occupied(name, outputs, exc) for name, exc in taken.items()]
    pinned_paths.refuse(subject, found, refused)
    if taken:
        raise next(iter(taken.values()))
    return PipelineSpec(
        job=job,
        endpoint=through.endpoint,
        deployment=through.deployment,
        deployment_revision=through.revision,
        routed_by=through.routed_by,
        component=component,
        settings=settings,
        inputs=inputs,
        outputs=outputs,
        experiment_name=wish.experiment_name or through.endpoint or "Default",
    )


def queue(tx: Transaction, act: audit.Act, wish: PipelineWish, spec: PipelineSpec, *, request_id: str | None) -> Job:
    """Store a pipeline job that is to begin, and the audit row of it."""
    job = Job(
        spec=spec,
        status=JobStatus.QUEUED,
        created_at=act.now,
        created_by=act.actor,
        phases={"queued": act.now},
        request_id=request_id,
        display_name=wish.display_name or spec.job,
        description=wish.description,
        tags=wish.tags,
        properties=wish.properties,
    )
    tx.jobs.add(job)
    audit.record(tx, act, audit.job_target(job.name), before=None, after=spec)
    return job


def _pipeline(tx: Transaction, component: AssetId, read: definitions.Read) -> PipelineDefinition | Mistake:
    reference = Reference("components", component.name, component.version)
    definition = definitions.definition_at(tx, reference, read=read)
    if isinstance(definition, Mistake | PipelineDefinition):
        return definition
    remedy = "Make a pipeline component with it as its one step."
    return Mistake("component", f"'{component}', a {kind_of(definition)} component", "a pipeline component", remedy)


def _name_mistakes(wish: PipelineWish) -> list[Mistake]:
    mistake = name_mistake("job", wish.job_name, field="job_name") if wish.job_name is not None else None
    return [] if mistake is None else [mistake]


def _data(
    tx: Transaction, caller: Caller, asked: AskedData, datastores: Datastores, name: str
) -> tuple[StepData | None, list[Mistake]]:
    """Follow what an input names to where its data lies, and look whether that can be read."""
    type_, field = asked.type or PortType.URI_FOLDER, f"inputs.{name}"
    kind = InputKind.FILE if type_ is PortType.URI_FILE else InputKind.FOLDER
    if type_ in references.MODEL_TYPES:
        source, mistakes = references.model_of(tx, asked.uri, type_, field=field)
    else:
        source, mistakes = references.source_of(tx, InputSource(kind, asked.uri), field=field)
        if source.kind is not kind:
            mistakes.append(Mistake(field, f"'{source.asset}', a {source.kind.value}", f"a {type_.value}"))
    if mistakes:
        return None, mistakes
    if source.sealed is None:
        mistakes = invocations.input_mistakes(caller, source, datastores, field=field)
    if mistakes and type_ is PortType.CUSTOM_MODEL:
        # Of what the user keeps a model in is not said anywhere: a folder, or one file.
        source = InputSource(InputKind.FILE, source.uri, source.asset)
        mistakes = invocations.input_mistakes(caller, source, datastores, field=field)
    return StepData(source, type_, asked.mode or InputMode.RO_MOUNT), mistakes


def _outputs(
    wish: PipelineWish, ports: Mapping[str, OutputPort], settings: PipelineSettings, job: str
) -> dict[str, StepOutput]:
    """Say where each output goes: below the job's own folder, in the deployment's path, unless a place is named."""
    folder = settings.output_path or DatastorePath(settings.default_datastore or BLOB_STORE.name, JOBS_FOLDER)
    outputs = {}
    for name, port in ports.items():
        asked = wish.outputs.get(name, AskedOutput())
        place = asked.place or DatastorePath(folder.datastore, f"{folder.path}/{job}/{name}")
        # One place has one spelling, or two outputs could have it.
        place = DatastorePath(place.datastore, invocations.normal_path(place.path))
        registers = AssetId(asked.model, asked.model_version) if asked.model else None
        outputs[name] = StepOutput(place, port.type, asked.mode or port.mode, registers)
    return outputs


def _place_findings(
    tx: Transaction, outputs: Mapping[str, StepOutput], datastores: Datastores
) -> tuple[list[Mistake], dict[str, Conflict]]:
    """Say what is wrong with the outputs' places, and apart from it which of them are taken already."""
    found: list[Mistake] = []
    taken: dict[str, Conflict] = {}
    for name, output in outputs.items():
        mistakes = list(_place_mistakes(tx, f"outputs.{name}", output))
        found += mistakes
        if mistakes:
            continue
        try:
            datastores.check_output(_target(output))
        except Conflict as exc:
            taken[name] = exc
        except CallerError as exc:
            shown = repr(str(output.place))
            found += registry.as_mistakes(exc, field=f"outputs.{name}", found=shown, allowed=_FREE_PLACE)
    return [*found, *_overlaps(outputs)], taken


def _refused(
    tx: Transaction, outputs: Mapping[str, StepOutput], settings: PipelineSettings, through: Through
) -> list[Mistake]:
    where = {"endpoint": through.endpoint, "deployment": through.deployment}
    found: list[Mistake] = []
    for name, output in outputs.items():
        field, own = f"outputs.{name}", settings.output_path
        found += pinned_paths.mistakes_of(tx, output.place, **where, own=own, field=field)
    return found


def _target(output: StepOutput) -> OutputTarget:
    if output.type is not PortType.URI_FILE:
        return OutputTarget(output.place, "")
    folder, file_name = posixpath.split(output.place.path)
    return OutputTarget(DatastorePath(output.place.datastore, folder), file_name, into_existing=True)


def _place_mistakes(tx: Transaction, field: str, output: StepOutput) -> Iterator[Mistake]:
    wrong = invocations.place_mistakes(output.place, field=field)
    yield from wrong
    stores = [store.name for store in DATASTORES]
    if output.place.datastore not in stores:
        yield registry.unknown(field, output.place.datastore, "datastore", stores)
    elif not wrong and not output.place.path:
        yield Mistake(field, repr(str(output.place)), "a place below the datastore's root")
    elif not wrong and (version := sealed_by(tx, output.place)) is not None:
        yield Mistake(field, f"{str(output.place)!r}, which belongs to {version}, which never changes", _FREE_PLACE)


def _overlaps(outputs: Mapping[str, StepOutput]) -> Iterator[Mistake]:
    """Say which outputs would be written to one place, or one inside of another, or become one version of a model."""
    named = list(outputs.items())
    for i, (name, output) in enumerate(named):
        for other, earlier in named[:i]:
            mine, theirs = f"{output.place}/", f"{earlier.place}/"
            if mine.startswith(theirs) or theirs.startswith(mine):
                found = f"{str(output.place)!r}, where outputs.{other} goes to"
                yield Mistake(f"outputs.{name}", found, "a place of its own")
            # Without a version each takes the next number.
            if output.registers is not None and output.registers.version and output.registers == earlier.registers:
                found = f"'{output.registers}', as which outputs.{other} is registered"
                yield Mistake(f"outputs.{name}", found, "a version of its own")


def _occupied(name: str, outputs: Mapping[str, StepOutput], exc: Conflict) -> Mistake:
    return Mistake(f"outputs.{name}", repr(str(outputs[name].place)), _FREE_PLACE, str(exc))
