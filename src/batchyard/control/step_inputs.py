"""What a step is given when it begins: every binding followed to a value or a place. No verb of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from batchyard.control import references
from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import CommandSpec, Given, InputKind, InputSource, PipelineSpec, StepData, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import (
    InputPort,
    PortType,
    Signature,
    literal_mistake,
    literal_of,
)
from batchyard.domain.pipelines.definitions import Step
from batchyard.domain.pipelines.graphs import Binding, Fixed, FixedData, FromPipeline
from batchyard.domain.resource_ids import parse_datastore_uri
from batchyard.ports.records import Transaction
from batchyard.ports.web import is_web

_PLACE = "azureml://datastores/<datastore>/paths/<path>"


@dataclass(frozen=True, slots=True)
class Around:
    """What a step's bindings lead to: the pipeline's inputs, as they were given, and the steps that have begun."""

    signature: Signature
    inputs: Mapping[str, Given]
    steps: Mapping[str, Job]


def inputs_of(
    tx: Transaction, step: Step, signature: Signature, around: Around
) -> tuple[dict[str, Given], list[Mistake]]:
    """Give the value of each input of a step's component, and what is wrong with them.

    signature: of its component. Defaults are filled in; an optional input that nobody gives is left out.
    """
    values: dict[str, Given] = {}
    found: list[Mistake] = []
    for name, port in signature.inputs.items():
        mode = step.input_modes.get(name)
        port = port if mode is None else replace(port, mode=mode)
        value = _value(tx, step.inputs.get(name), port, around, where=f"inputs.{name}")
        if isinstance(value, Mistake):
            found.append(value)
        elif value is not None:
            values[name] = value
        elif port.is_required:
            found.append(Mistake(f"inputs.{name}", "nothing", f"a {port.type.value}: its component requires one"))
    return values, found


def outputs_of(job: Job) -> Mapping[str, StepOutput]:
    """Give where the outputs of a step's job go, by name."""
    if isinstance(job.spec, CommandSpec | PipelineSpec):
        return job.spec.outputs
    return job.spec.step.outputs if job.spec.step else {}


def kind_of(type_: PortType) -> InputKind:
    """Tell whether data of a type is one file or a folder."""
    return InputKind.FILE if type_ is PortType.URI_FILE else InputKind.FOLDER


def _value(
    tx: Transaction, binding: Binding | None, port: InputPort, around: Around, *, where: str
) -> Given | Mistake | None:
    """Give what an input takes; None for nothing."""
    match binding:
        case None:
            return port.default
        case Fixed():
            return _literal(port, binding.value, where)
        case FixedData():
            return _named_data(tx, binding, port, where)
        case FromPipeline():
            value = around.inputs.get(binding.name)
            if value is None and binding.name in around.signature.inputs:
                value = around.signature.inputs[binding.name].default
            if value is None:
                return port.default
            if isinstance(value, StepData):
                return replace(value, type=port.type, mode=port.mode)
            return _literal(port, value, where)
    giver = around.steps.get(binding.step)
    output = None if giver is None else outputs_of(giver).get(binding.name)
    if output is None:
        return Mistake(where, str(binding), "an output of a step that has finished")
    return StepData(InputSource(kind_of(output.type), str(output.place)), port.type, port.mode)


def _literal(port: InputPort, value: object, where: str) -> Given | Mistake:
    """Read a value as the step's component has it, which may allow less than the pipeline does."""
    mistake = literal_mistake(port, value, where=where)
    read = literal_of(port.type, value)
    if mistake is not None or read is None:
        return mistake or Mistake(where, repr(value), f"a value of type {port.type.value}")
    return read


def _named_data(tx: Transaction, binding: FixedData, port: InputPort, where: str) -> StepData | Mistake:
    """Follow what the pipeline itself names; nothing is read in place of the server's own files."""
    if binding.type in references.MODEL_TYPES:
        source, mistakes = references.model_of(tx, binding.uri, binding.type, field=where)
    else:
        source, mistakes = references.source_of(tx, InputSource(kind_of(binding.type), binding.uri), field=where)
    if mistakes:
        return mistakes[0]
    if parse_datastore_uri(source.uri) is None and not is_web(source.uri):
        return Mistake(where, repr(binding.uri), _PLACE, "Upload it first.")
    return StepData(source, port.type, port.mode)
