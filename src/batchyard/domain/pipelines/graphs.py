"""Pipelines: steps bound to each other, and everything that can be wrong with such a graph, told at once.

Nothing here runs a step. Bindings are Azure's expressions (azure-batch A.9): a step's input takes an input of the
pipeline, an output of another step, or a literal; an output of the pipeline is an output of one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from batchyard.domain.errors import Mistake
from batchyard.domain.pipelines.components import (
    InputPort,
    Literal,
    OutputPort,
    PortType,
    Signature,
    did_you_mean,
    fits,
    literal_mistake,
    port_mistakes,
)


@dataclass(frozen=True, slots=True)
class FromPipeline:
    """`${{parent.inputs.NAME}}`."""

    name: str

    def __str__(self) -> str:
        return f"${{{{parent.inputs.{self.name}}}}}"


@dataclass(frozen=True, slots=True)
class FromStep:
    """`${{parent.jobs.STEP.outputs.NAME}}`."""

    step: str
    name: str

    def __str__(self) -> str:
        return f"${{{{parent.jobs.{self.step}.outputs.{self.name}}}}}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """A literal, written in the pipeline itself."""

    value: Literal


@dataclass(frozen=True, slots=True)
class FixedData:
    """Data that the pipeline names itself. uri: as it was written."""

    type: PortType
    uri: str


Binding = FromPipeline | FromStep | Fixed | FixedData


@dataclass(frozen=True, slots=True)
class StepGraph:
    """A step as the graph sees it.

    signature: of its component; None where that is not known, so that nothing of it can be judged.
    inputs: input of the component -> what it takes. outputs: output of the component -> output of the pipeline that
    it is; those that are not named go to the step's own place.
    """

    signature: Signature | None
    inputs: Mapping[str, Binding] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Graph:
    """A pipeline: what it takes and gives, and its steps by name, in the order of the document."""

    signature: Signature
    steps: Mapping[str, StepGraph]


def graph_mistakes(graph: Graph) -> list[Mistake]:
    """Name everything wrong with a pipeline: what is unbound, unknown or of another type, and every cycle."""
    found: list[Mistake] = []
    for name, port in graph.signature.inputs.items():
        found += port_mistakes(port, where=f"inputs.{name}")
    if not graph.steps:
        found.append(Mistake("jobs", "nothing", "one step or more"))
    for name, step in graph.steps.items():
        if step.signature is not None:
            found += _unknown_names(name, step, step.signature)
            found += _input_mistakes(graph, name, step, step.signature)
            found += _unbound_inputs(name, step, step.signature)
    return [*found, *_output_mistakes(graph), *_cycle_mistakes(graph)]


def needs(step: StepGraph) -> frozenset[str]:
    """Give the steps whose outputs a step takes."""
    return inputs_need(step.inputs)


def inputs_need(inputs: Mapping[str, Binding]) -> frozenset[str]:
    """Give the steps whose outputs these inputs take."""
    return frozenset(binding.step for binding in inputs.values() if isinstance(binding, FromStep))


def in_order(needs_of: Mapping[str, frozenset[str]]) -> list[str]:
    """Give the names of steps, each behind those that it needs, else as they come; those of a cycle come last."""
    left, found = dict(needs_of), list[str]()
    while left:
        name = next((name for name, needed in left.items() if not needed & left.keys() - {name}), next(iter(left)))
        found.append(name)
        del left[name]
    return found


def ready_steps(graph: Graph, *, done: frozenset[str], begun: frozenset[str]) -> tuple[str, ...]:
    """Give the steps that can begin, in the order of the document. done: finished; begun: these, and running ones."""
    return tuple(name for name, step in graph.steps.items() if name not in begun and needs(step) <= done)


def _unknown_names(name: str, step: StepGraph, signature: Signature) -> list[Mistake]:
    kinds = (("inputs", step.inputs, signature.inputs), ("outputs", step.outputs, signature.outputs))
    return [
        _unknown(f"jobs.{name}.{kind}.{port}", repr(port), known, what=f"{kind} of its component", name=port)
        for kind, bound, known in kinds
        for port in bound
        if port not in known
    ]


def _unbound_inputs(name: str, step: StepGraph, signature: Signature) -> list[Mistake]:
    return [
        Mistake(f"jobs.{name}.inputs.{port}", "nothing", f"a {declared.type.value}: its component requires one")
        for port, declared in signature.inputs.items()
        if declared.is_required and port not in step.inputs
    ]


def _input_mistakes(graph: Graph, name: str, step: StepGraph, signature: Signature) -> Iterator[Mistake]:
    for port, binding in step.inputs.items():
        wanted = signature.inputs.get(port)
        if wanted is not None:
            mistake = _binding_mistake(graph, binding, wanted, where=f"jobs.{name}.inputs.{port}")
            if mistake is not None:
                yield mistake


def _binding_mistake(graph: Graph, binding: Binding, wanted: InputPort, *, where: str) -> Mistake | None:
    if isinstance(binding, Fixed):
        if wanted.type.is_literal:
            return literal_mistake(wanted, binding.value, where=where)
        allowed = f"a {wanted.type.value}: an input of the pipeline, or an output of another step"
        return Mistake(where, repr(binding.value), allowed)
    if isinstance(binding, FixedData):
        return _type_mistake(where, repr(binding.uri), binding.type, wanted.type)
    if isinstance(binding, FromPipeline):
        source = graph.signature.inputs.get(binding.name)
        if source is None:
            inputs = graph.signature.inputs
            return _unknown(where, str(binding), inputs, what="inputs of the pipeline", name=binding.name)
        if wanted.is_required and source.may_lack:
            allowed = "an input that is always given: its component requires one"
            return Mistake(where, f"{binding}, which is optional", allowed, "Give it a default, or require it.")
        return _type_mistake(where, str(binding), source.type, wanted.type)
    step = graph.steps.get(binding.step)
    if step is None:
        return _unknown(where, str(binding), graph.steps, what="steps", name=binding.step)
    if step.signature is None:
        return None
    output = step.signature.outputs.get(binding.name)
    if output is None:
        outputs = step.signature.outputs
        return _unknown(where, str(binding), outputs, what=f"outputs of step {binding.step!r}", name=binding.name)
    return _type_mistake(where, str(binding), output.type, wanted.type)


def _type_mistake(where: str, found: str, given: PortType, wanted: PortType) -> Mistake | None:
    if fits(given, wanted):
        return None
    return Mistake(where, f"{found} of type {given.value}", f"type {wanted.value}")


def _output_mistakes(graph: Graph) -> Iterator[Mistake]:
    givers: dict[str, list[tuple[str, OutputPort | None]]] = {name: [] for name in graph.signature.outputs}
    for name, step in graph.steps.items():
        for port, output in step.outputs.items():
            where = f"jobs.{name}.outputs.{port}"
            if output not in givers:
                outputs = graph.signature.outputs
                yield _unknown(where, repr(output), outputs, what="outputs of the pipeline", name=output)
            elif step.signature is None:
                givers[output].append((where, None))
            elif port in step.signature.outputs:
                givers[output].append((where, step.signature.outputs[port]))
    for output, given in givers.items():
        wanted = graph.signature.outputs[output].type
        if not given:
            yield Mistake(
                f"outputs.{output}", "no step that gives it", f"one step with ${{{{parent.outputs.{output}}}}}"
            )
        if len(given) > 1:
            yield Mistake(f"outputs.{output}", " and ".join(where for where, _ in given), "one step that gives it")
        for where, giver in given:
            mistake = _type_mistake(where, f"output {output!r}", giver.type, wanted) if giver is not None else None
            if mistake is not None:
                yield mistake


def _cycle_mistakes(graph: Graph) -> Iterator[Mistake]:
    """Name a way around for whatever can never begin; each cycle that is named is named once."""
    stuck = _stuck(graph)
    seen: set[str] = set()
    for start in stuck:
        way: dict[str, int] = {}
        name = start
        while name not in seen:
            seen.add(name)
            way[name] = len(way)
            # Every step that is stuck waits for one that is stuck too.
            name = stuck[name]
        if name in way:
            around = list(way)[way[name] :]
            found = f"a cycle: {' needs '.join([*around, name])}"
            yield Mistake("jobs", found, "steps that can be put in an order")


def _stuck(graph: Graph) -> dict[str, str]:
    """Give the steps that can never begin, each with one that it waits for and that is stuck too."""
    waits = {name: {other for other in needs(step) if other in graph.steps} for name, step in graph.steps.items()}
    followers: dict[str, list[str]] = {name: [] for name in waits}
    for name, others in waits.items():
        for other in others:
            followers[other].append(name)
    left = {name: len(others) for name, others in waits.items()}
    free = [name for name, count in left.items() if not count]
    while free:
        name = free.pop()
        del left[name]
        for follower in followers[name]:
            left[follower] -= 1
            if not left[follower]:
                free.append(follower)
    return {name: min(other for other in waits[name] if other in left) for name in left}


def _unknown(where: str, found: str, known: Mapping[str, object], *, what: str, name: str | None = None) -> Mistake:
    allowed = f"one of the {what}: {', '.join(known)}" if known else f"one of the {what}: there are none"
    return Mistake(where, found, allowed, did_you_mean(found if name is None else name, list(known)))
