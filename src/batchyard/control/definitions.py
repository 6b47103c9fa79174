"""What registered components say, followed through what they name; nothing here authorises or changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from batchyard.control import references
from batchyard.domain.assets import AssetKind, Environment
from batchyard.domain.errors import Mistake, merged
from batchyard.domain.pipelines.definitions import (
    CommandDefinition,
    Definition,
    ParallelDefinition,
    PipelineDefinition,
    Step,
    definition_mistakes,
)
from batchyard.domain.pipelines.graphs import FixedData
from batchyard.domain.resource_ids import AssetId, Reference, parse_reference
from batchyard.ports.records import Stored, Transaction

# Reads a definition as it is stored: what it says, None where that cannot be told, and every mistake in it.
Read = Callable[[Mapping[str, object]], tuple[Definition | None, list[Mistake]]]


def mistakes_of(tx: Transaction, spec: Mapping[str, object], *, read: Read) -> list[Mistake]:
    """Name everything wrong with a definition, as it is written and in what it names."""
    if not spec:
        return [Mistake("componentSpec", "nothing", "the definition of the component")]
    definition, found = read(spec)
    if definition is None:
        return found
    wrong = definition_mistakes(definition, lambda reference: definition_at(tx, reference, read=read))
    return merged(merged(found, wrong), _missing(tx, definition))


def definition_at(tx: Transaction, reference: Reference, *, read: Read) -> Definition | Mistake:
    """Give what a registered component says; a Mistake of the field `component` where it cannot be run."""
    stored = references.follow(tx, AssetKind.COMPONENT, reference, field="component")
    if isinstance(stored, Mistake):
        return stored
    definition, found = read(stored.document.spec)
    if definition is not None and not found:
        return definition
    # Kept to the letter by a version that did not look at it.
    remedy = f"It was registered before components were checked, and cannot be run: {found[0]} Register a new version."
    return Mistake("component", f"'{reference.name}:{reference.version}'", "a component that can be run", remedy)


def computes_of(tx: Transaction, component: AssetId, *, read: Read) -> set[str]:
    """Give the computes that the steps of a pipeline component name themselves, inner ones too."""
    return {step.compute for _, step, _ in steps_of(tx, component, read=read) if step.compute}


def environments_of(tx: Transaction, component: AssetId, *, read: Read) -> dict[str, Stored[Environment]]:
    """Give the environments that the steps of a pipeline component run in, each once, by the first step that names it.

    An inner step is named with the steps around it, as in `prepare.clean`. What is not registered is left out: it was
    refused when the component was registered.
    """
    found: dict[str, Stored[Environment]] = {}
    for path, _, definition in steps_of(tx, component, read=read):
        reference = _environment_of(definition)
        stored = reference and references.follow(tx, AssetKind.ENVIRONMENT, reference, field="environment")
        if isinstance(stored, Stored) and stored.key not in [other.key for other in found.values()]:
            found[path] = stored
    return found


def steps_of(
    tx: Transaction, component: AssetId | Reference, *, read: Read, around: str = ""
) -> Iterator[tuple[str, Step, Definition | Mistake]]:
    """Give every step of a pipeline component, inner ones too: its path, and what its component says."""
    if isinstance(component, AssetId):
        component = Reference("components", component.name, component.version)
    definition = definition_at(tx, component, read=read)
    for name, step in definition.steps.items() if isinstance(definition, PipelineDefinition) else ():
        yield around + name, step, definition_at(tx, step.component, read=read)
        yield from steps_of(tx, step.component, read=read, around=f"{around}{name}.")


def _environment_of(definition: Definition | Mistake) -> Reference | None:
    match definition:
        case CommandDefinition():
            return definition.environment
        case ParallelDefinition():
            return definition.task.environment
        case _:
            return None


def _missing(tx: Transaction, definition: Definition) -> Iterator[Mistake]:
    """Name every code, environment, model and data asset that is not registered."""
    for kind, reference, field in _named(definition):
        found = references.follow(tx, kind, reference, field=field) if reference.name else None
        if isinstance(found, Mistake):
            yield found


def _named(definition: Definition) -> Iterator[tuple[AssetKind, Reference, str]]:
    match definition:
        case CommandDefinition():
            yield AssetKind.ENVIRONMENT, definition.environment, "environment"
            if definition.code is not None:
                yield AssetKind.CODE, definition.code, "code"
        case ParallelDefinition():
            yield AssetKind.ENVIRONMENT, definition.task.environment, "task.environment"
            yield AssetKind.CODE, definition.task.code, "task.code"
        case PipelineDefinition():
            for name, step in definition.steps.items():
                for port, binding in step.inputs.items():
                    reference = parse_reference(binding.uri) if isinstance(binding, FixedData) else None
                    if reference is not None:
                        is_model = isinstance(binding, FixedData) and binding.type in references.MODEL_TYPES
                        yield (
                            AssetKind.MODEL if is_model else AssetKind.DATA,
                            reference,
                            f"jobs.{name}.inputs.{port}.path",
                        )
