"""What somebody asks of a pipeline: values and data by name, held against what its component takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchyard.domain.errors import Mistake
from batchyard.domain.pipelines.components import (
    InputMode,
    InputPort,
    Literal,
    OutputMode,
    PortType,
    Signature,
    did_you_mean,
    fits,
    literal_mistake,
    literal_of,
)
from batchyard.domain.resource_ids import DatastorePath


@dataclass(frozen=True, slots=True)
class AskedData:
    """Data for an input, not looked at yet.

    uri: as of an invocation's `InputSource`, or a registered model for inputs of model types. type: as said, None
    where it was not. mode: over that of the component, None for that.
    """

    uri: str
    type: PortType | None = None
    mode: InputMode | None = None


@dataclass(frozen=True, slots=True)
class AskedOutput:
    """What was said of an output; None and "" where nothing was.

    place: the folder, or the file's full path for a uri_file. model: the name of the model that it is to be registered
    as, with a version, or the next number for "".
    """

    place: DatastorePath | None = None
    type: PortType | None = None
    mode: OutputMode | None = None
    model: str = ""
    model_version: str = ""


AskedInput = Literal | AskedData


@dataclass(frozen=True, slots=True)
class PipelineWish:
    """What a job of a pipeline is to be given, and how it is to be called; the part that all ways to make one share.

    unnamed: data that was given without the name of an input, as to a model. request_id, job_name, experiment_name,
    tags: as of `domain.jobs.Invocation`.
    """

    inputs: Mapping[str, AskedInput] = field(default_factory=dict)
    outputs: Mapping[str, AskedOutput] = field(default_factory=dict)
    unnamed: AskedData | None = None
    job_name: str | None = None
    experiment_name: str | None = None
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineInvocation:
    """An invocation that reaches the deployment of a pipeline component; see `domain.jobs.Invocation`."""

    endpoint: str
    wish: PipelineWish
    deployment: str | None = None
    deployment_may_be_stale: bool = False
    request_id: str | None = None


def inputs_for(wish: PipelineWish, signature: Signature) -> tuple[dict[str, AskedInput], list[Mistake]]:
    """Give what each input gets, by default too, and everything that does not fit; data is not looked at."""
    asked, found = _named(wish, signature)
    given: dict[str, AskedInput] = {}
    for name, value in asked.items():
        port, where = signature.inputs.get(name), f"inputs.{name}"
        if port is None:
            found.append(_unknown(where, name, "input", signature.inputs))
            continue
        mistake = _mistake(port, value, where)
        if mistake is not None:
            found.append(mistake)
        elif isinstance(value, AskedData):
            given[name] = replace(value, type=value.type or port.type, mode=value.mode or port.mode)
        elif (literal := literal_of(port.type, value)) is not None:
            given[name] = literal
    for name, port in signature.inputs.items():
        if name not in asked and port.default is not None:
            given[name] = port.default
        elif name not in asked and port.is_required:
            about = f" ({port.description})" if port.description else ""
            found.append(Mistake(f"inputs.{name}", "nothing", f"a {port.type.value}: it is required{about}"))
    return given, found


def output_mistakes(wish: PipelineWish, signature: Signature) -> list[Mistake]:
    """Name every output that the component does not give, or gives as something else."""
    found = []
    for name, asked in wish.outputs.items():
        port, where = signature.outputs.get(name), f"outputs.{name}"
        if port is None:
            found.append(_unknown(where, name, "output", signature.outputs))
            continue
        if asked.type is not None and not fits(port.type, asked.type):
            found.append(Mistake(f"{where}.type", asked.type.value, f"{port.type.value}, as its component says"))
        if asked.model and port.type not in (PortType.MLFLOW_MODEL, PortType.CUSTOM_MODEL):
            allowed = f"nothing: a {port.type.value} is not registered; mlflow_model and custom_model are"
            found.append(Mistake(f"{where}.name", repr(asked.model), allowed))
    return found


def _named(wish: PipelineWish, signature: Signature) -> tuple[dict[str, AskedInput], list[Mistake]]:
    """Give unnamed data the name of the one input that holds data."""
    asked = dict(wish.inputs)
    if wish.unnamed is None:
        return asked, []
    data = [name for name, port in signature.inputs.items() if not port.type.is_literal]
    if len(data) == 1 and data[0] not in asked:
        return {data[0]: wish.unnamed, **asked}, []
    known = ", ".join(f"{name} ({port.type.value})" for name, port in signature.inputs.items())
    allowed = "the name of an input: the component takes " + (known or "none")
    remedy = "Name each with `--set inputs.NAME.path=…` or in a file with `--file`." if data else ""
    return asked, [Mistake("inputs", f"{wish.unnamed.uri!r} without a name", allowed, remedy)]


def _mistake(port: InputPort, value: AskedInput, where: str) -> Mistake | None:
    if isinstance(value, AskedData):
        if port.type.is_literal:
            said = f"{value.type.value} " if value.type else ""
            remedy = f"Give it as `{where}.default`." if value.type is None else ""
            return Mistake(where, f"{said}{value.uri!r}", f"a value of type {port.type.value}", remedy)
        if value.type is not None and not fits(value.type, port.type):
            return Mistake(f"{where}.type", value.type.value, f"{port.type.value}, as its component says")
        return None
    if not port.type.is_literal:
        return Mistake(where, repr(value), f"data of type {port.type.value}", f"Give its place as `{where}.path`.")
    return literal_mistake(port, value, where=where)


def _unknown(where: str, name: str, noun: str, known: Mapping[str, object]) -> Mistake:
    allowed = f"one of the component's {noun}s: {', '.join(known)}" if known else f"nothing: it has no {noun}s"
    return Mistake(where, repr(name), allowed, did_you_mean(name, list(known)))
