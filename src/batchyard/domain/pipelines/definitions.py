"""What components run, by kind: the typed reading of a registered definition, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from batchyard.domain.deployments import LONGEST_TIMEOUT_S, TOLERATES_ALL, LoggingLevel
from batchyard.domain.errors import Mistake
from batchyard.domain.names import file_name_mistake
from batchyard.domain.pipelines.components import (
    InputMode,
    OutputMode,
    Signature,
    command_mistakes,
    did_you_mean,
    port_mistakes,
)
from batchyard.domain.pipelines.graphs import Binding, Graph, StepGraph, graph_mistakes
from batchyard.domain.pipelines.tabular import TabularFormat
from batchyard.domain.resource_ids import Reference


@dataclass(frozen=True, slots=True)
class CommandDefinition:
    """A program of the user's, run once.

    command: for `sh -c`, with expressions. code: a registered code version, None where the command needs none.
    is_deterministic: whether equal inputs give equal outputs, so that a run may be used again.
    timeout_s: wall time of the command, None for any.
    """

    signature: Signature
    command: str
    environment: Reference
    code: Reference | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_count: int = 1
    timeout_s: float | None = None
    is_deterministic: bool = True


@dataclass(frozen=True, slots=True)
class ParallelTask:
    """What scores: a script with the contract of a scoring script.

    append_row_to: the output that the rows go to, None where the script writes what it gives.
    """

    code: Reference
    entry_script: str
    environment: Reference
    program_arguments: str = ""
    append_row_to: str | None = None


@dataclass(frozen=True, slots=True)
class ParallelSettings:
    """How the input of a parallel step is cut and scored (azure-batch A.10). None: not said.

    mini_batch_size: items; mini_batch_bytes: of tabular input, in its place.
    """

    mini_batch_size: int | None = None
    mini_batch_bytes: int | None = None
    partition_keys: tuple[str, ...] | None = None
    input_format: TabularFormat | None = None
    error_threshold: int | None = None
    mini_batch_error_threshold: int | None = None
    max_concurrency_per_instance: int | None = None
    max_retries: int | None = None
    timeout_s: float | None = None
    logging_level: LoggingLevel | None = None
    append_row_file_name: str | None = None


# Azure's defaults of a parallel step, which are not those of a deployment (A.10).
PARALLEL_DEFAULTS = ParallelSettings(
    mini_batch_size=1,
    partition_keys=(),
    error_threshold=TOLERATES_ALL,
    mini_batch_error_threshold=TOLERATES_ALL,
    max_concurrency_per_instance=1,
    max_retries=2,
    timeout_s=60.0,
    logging_level=LoggingLevel.INFO,
    append_row_file_name="parallel_run_step.txt",
)


@dataclass(frozen=True, slots=True)
class ParallelDefinition:
    """A scoring script that is run over the items of one input. input_data: the name of that input."""

    signature: Signature
    task: ParallelTask
    input_data: str
    settings: ParallelSettings = field(default_factory=ParallelSettings)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_count: int = 1
    is_deterministic: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline. kind: as the document says it, "" where it does not. compute: "" for the pipeline's.

    outputs: output of the component -> output of the pipeline that it is. Modes, environment variables and instance
    count: over those of the component. task, input_data: as clients repeat them of a parallel component.
    """

    component: Reference
    kind: str = ""
    inputs: Mapping[str, Binding] = field(default_factory=dict)
    input_modes: Mapping[str, InputMode] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    output_modes: Mapping[str, OutputMode] = field(default_factory=dict)
    compute: str = ""
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_count: int | None = None
    timeout_s: float | None = None
    settings: ParallelSettings = field(default_factory=ParallelSettings)
    task: ParallelTask | None = None
    input_data: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineDefinition:
    """Steps by name, in the order of the document."""

    signature: Signature
    steps: Mapping[str, Step]
    is_deterministic: bool = True


Definition = CommandDefinition | ParallelDefinition | PipelineDefinition

_KINDS = {CommandDefinition: "command", ParallelDefinition: "parallel", PipelineDefinition: "pipeline"}


def kind_of(definition: Definition) -> str:
    """Give Azure's word for the kind of a component."""
    return _KINDS[type(definition)]


def over(settings: ParallelSettings, choices: ParallelSettings) -> ParallelSettings:
    """Give settings with what choices say laid over them."""
    said = {one.name: value for one in fields(choices) if (value := getattr(choices, one.name)) is not None}
    size = said.get("mini_batch_size")
    if settings.mini_batch_bytes is not None and size is not None:
        # Azure: its clients repeat the `10kb` of a component at the step, as the number of bytes alone.
        said |= {"mini_batch_size": None, "mini_batch_bytes": size}
    elif "mini_batch_bytes" in said:
        said["mini_batch_size"] = None
    return replace(settings, **said)


def definition_mistakes(
    definition: Definition, definition_of: Callable[[Reference], Definition | Mistake]
) -> list[Mistake]:
    """Name everything wrong with a component that can be seen before it runs.

    definition_of: follows the reference of a step; a Mistake where it leads nowhere.
    """
    match definition:
        case CommandDefinition():
            return [*_ports(definition.signature), *command_mistakes(definition.command, definition.signature)]
        case ParallelDefinition():
            return [*_ports(definition.signature), *_parallel_mistakes(definition)]
        case PipelineDefinition():
            return _pipeline_mistakes(definition, definition_of)


def parallel_settings_mistakes(settings: ParallelSettings, *, prefix: str = "") -> list[Mistake]:
    """Name every setting of a parallel step that is out of range, or contradicts another."""
    rules = (
        ("mini_batch_size", settings.mini_batch_size, 1),
        ("mini_batch_size", settings.mini_batch_bytes, 1),
        ("max_concurrency_per_instance", settings.max_concurrency_per_instance, 1),
        ("error_threshold", settings.error_threshold, TOLERATES_ALL),
        ("mini_batch_error_threshold", settings.mini_batch_error_threshold, TOLERATES_ALL),
        ("retry_settings.max_retries", settings.max_retries, 0),
    )
    found = [
        Mistake(prefix + name, str(value), f"{least} or more")
        for name, value, least in rules
        if value is not None and value < least
    ]
    if settings.timeout_s is not None and not 0 < settings.timeout_s <= LONGEST_TIMEOUT_S:
        allowed = f"more than 0 and at most {LONGEST_TIMEOUT_S} seconds"
        found.append(Mistake(f"{prefix}retry_settings.timeout", f"{settings.timeout_s:g}", allowed))
    if settings.append_row_file_name is not None:
        name = file_name_mistake(settings.append_row_file_name, field=f"{prefix}append_row_file_name")
        found += [name] if name else []
    return found


def _ports(signature: Signature) -> list[Mistake]:
    return [one for name, port in signature.inputs.items() for one in port_mistakes(port, where=f"inputs.{name}")]


def _parallel_mistakes(definition: ParallelDefinition) -> Iterator[Mistake]:
    inputs, outputs = definition.signature.inputs, definition.signature.outputs
    data = {name: port for name, port in inputs.items() if not port.type.is_literal}
    if definition.input_data not in data:
        yield _not_among("input_data", definition.input_data, "inputs", data)
    elif data[definition.input_data].may_lack:
        allowed = "an input that is always given: it is what is cut into mini-batches"
        yield Mistake("input_data", f"{definition.input_data!r}, which is optional", allowed)
    target = definition.task.append_row_to
    if target is not None and target not in outputs:
        yield _not_among("task.append_row_to", target, "outputs", outputs)
    yield from command_mistakes(definition.task.program_arguments, definition.signature, where="task.program_arguments")
    yield from _tabular_mistakes(definition.settings)


def _tabular_mistakes(settings: ParallelSettings, *, prefix: str = "") -> Iterator[Mistake]:
    """Say that what cuts tables needs to know how to read them, and that keys and sizes exclude each other."""
    if settings.mini_batch_bytes is not None and settings.input_format is None:
        allowed = "a number of files, or a size with input_format: csv, jsonl or parquet"
        yield Mistake(f"{prefix}mini_batch_size", f"{settings.mini_batch_bytes} bytes", allowed)
    if settings.partition_keys and settings.input_format is None:
        allowed = "csv, jsonl or parquet, since partition_keys are given"
        yield Mistake(f"{prefix}input_format", "nothing", allowed)
    if settings.partition_keys and (settings.mini_batch_size or settings.mini_batch_bytes) is not None:
        yield Mistake(f"{prefix}mini_batch_size", "a value", "nothing, since partition_keys are given")


def _not_among(where: str, name: str, what: str, known: Mapping[str, object]) -> Mistake:
    found = f"${{{{{what}.{name}}}}}"
    listed = ", ".join(f"${{{{{what}.{one}}}}}" for one in known)
    allowed = f"one of {listed}" if known else f"one of the {what} that hold data: none is declared"
    return Mistake(where, found, allowed, did_you_mean(name, list(known)))


def _pipeline_mistakes(
    definition: PipelineDefinition, definition_of: Callable[[Reference], Definition | Mistake]
) -> list[Mistake]:
    steps: dict[str, StepGraph] = {}
    found: list[Mistake] = []
    for name, step in definition.steps.items():
        # A step without a name of a component was refused when it was read.
        component = definition_of(step.component) if step.component.name else None
        if component is None or isinstance(component, Mistake):
            found += [replace(component, field=f"jobs.{name}.component")] if component is not None else []
            steps[name] = StepGraph(None, step.inputs, step.outputs)
            continue
        found += _step_mistakes(name, step, component)
        steps[name] = StepGraph(component.signature, step.inputs, step.outputs)
    return found + graph_mistakes(Graph(definition.signature, steps))


def _step_mistakes(name: str, step: Step, component: Definition) -> Iterator[Mistake]:
    where, kind = f"jobs.{name}", kind_of(component)
    if step.kind and step.kind != kind:
        yield Mistake(f"{where}.type", repr(step.kind), f"{kind!r}, the type of its component")
    yield from _not_for(step, kind, where)
    if isinstance(component, ParallelDefinition):
        # Azure: its clients repeat task and input_data of the component; what they say is the component's.
        if step.task is not None and step.task != component.task:
            yield Mistake(f"{where}.task", "another task than that of its component", "the same, or nothing")
        if step.input_data is not None and step.input_data != component.input_data:
            yield Mistake(f"{where}.input_data", repr(step.input_data), f"{component.input_data!r}, or nothing")
        yield from _tabular_mistakes(over(component.settings, step.settings), prefix=f"{where}.")


def _not_for(step: Step, kind: str, where: str) -> Iterator[Mistake]:
    """Name what only steps of another kind can have."""
    given = {
        "settings of a parallel step": ("parallel", step.settings != ParallelSettings()),
        "task": ("parallel", step.task is not None),
        "input_data": ("parallel", step.input_data is not None),
        "limits.timeout": ("command", step.timeout_s is not None),
    }
    for what, (only, is_given) in given.items():
        if is_given and only != kind:
            yield Mistake(where, what, f"a step of type {only} for it: its component is a {kind}")
    if kind == "pipeline":
        for what, is_said in (
            ("environment_variables", bool(step.environment_variables)),
            ("resources.instance_count", step.instance_count is not None),
        ):
            if is_said:
                yield Mistake(f"{where}.{what}", "a value", "nothing: the steps of the inner pipeline say it")
