"""Graphs of steps: whatever is wrong with one is told at once, and what is right can be put in an order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.domain.errors import Mistake
from batchyard.domain.pipelines.components import (
    InputPort,
    OutputPort,
    PortType,
    Signature,
    fits,
    literal_mistake,
    literal_of,
    port_mistakes,
)
from batchyard.domain.pipelines.graphs import (
    Binding,
    Fixed,
    FixedData,
    FromPipeline,
    FromStep,
    Graph,
    StepGraph,
    graph_mistakes,
    needs,
    ready_steps,
)

FOLDER, FILE, NUMBER = PortType.URI_FOLDER, PortType.URI_FILE, PortType.NUMBER
STEP = Signature(
    inputs={
        "data": InputPort(FOLDER),
        "rate": InputPort(NUMBER, default=0.5, least=0, most=1),
        "more": InputPort(FOLDER, is_optional=True),
    },
    outputs={"out": OutputPort(FOLDER), "report": OutputPort(FILE)},
)
PIPELINE = Signature(
    inputs={"data": InputPort(FOLDER), "rate": InputPort(NUMBER, default=1), "maybe": InputPort(FOLDER, True)},
    outputs={"scores": OutputPort(FOLDER)},
)


def step(outputs: dict[str, str] | None = None, **inputs: Binding) -> StepGraph:
    return StepGraph(STEP, inputs, outputs or {})


def told(signature: Signature = PIPELINE, **steps: StepGraph) -> dict[str, Mistake]:
    found = graph_mistakes(Graph(signature, steps))
    assert len({mistake.field for mistake in found if mistake.field != "jobs"}) == len(
        [mistake for mistake in found if mistake.field != "jobs"]
    )
    return {mistake.field: mistake for mistake in found}


def test_a_whole_graph_has_no_mistakes() -> None:
    prep = step(data=FromPipeline("data"), rate=FromPipeline("rate"))
    score = step({"out": "scores"}, data=FromStep("prep", "out"), rate=Fixed("0.25"), more=FromPipeline("maybe"))
    assert told(prep=prep, score=score) == {}


def test_everything_wrong_is_told_at_once_and_by_its_place() -> None:
    found = told(
        a=step({"out": "scores", "uot": "scores"}, daat=FromPipeline("data")),
        b=step({"out": "scores", "report": "scors"}, data=FromPipeline("maybe"), rate=Fixed(2)),
        c=step(data=FromStep("b", "report"), rate=FromPipeline("data"), more=FromStep("nobody", "out")),
        d=step(data=Fixed("here"), rate=FixedData(FILE, "azureml:iris:1"), more=FromStep("a", "nothing")),
    )
    assert set(found) == {
        "jobs.a.outputs.uot",
        "jobs.a.inputs.daat",
        "jobs.a.inputs.data",
        "jobs.b.outputs.report",
        "jobs.b.inputs.data",
        "jobs.b.inputs.rate",
        "jobs.c.inputs.data",
        "jobs.c.inputs.rate",
        "jobs.c.inputs.more",
        "jobs.d.inputs.data",
        "jobs.d.inputs.rate",
        "jobs.d.inputs.more",
        "outputs.scores",
    }
    assert "Did you mean 'data'" in str(found["jobs.a.inputs.daat"])
    assert "which is optional" in found["jobs.b.inputs.data"].found
    assert found["jobs.b.inputs.rate"].allowed == "0 to 1"
    assert found["jobs.c.inputs.data"].allowed == "type uri_folder"
    assert "jobs.a.outputs.out and jobs.b.outputs.out" in found["outputs.scores"].found


def test_an_output_that_no_step_gives_and_a_pipeline_without_steps_are_told() -> None:
    assert set(told()) == {"jobs", "outputs.scores"}


def test_a_step_of_an_unknown_component_hides_no_mistake_of_the_others() -> None:
    unknown = StepGraph(None, {"x": FromPipeline("data")}, {"y": "scores"})
    assert set(told(a=unknown, b=step(data=FromStep("a", "any"), rate=Fixed("x")))) == {"jobs.b.inputs.rate"}


def test_a_cycle_is_named_as_the_way_around() -> None:
    found = told(
        Signature(),
        a=step(data=FromStep("c", "out")),
        b=step(data=FromStep("a", "out")),
        c=step(data=FromStep("b", "out")),
        d=step(data=FromStep("c", "out")),
        e=step(data=FromStep("e", "out")),
    )
    assert set(found) == {"jobs"}
    whole = graph_mistakes(Graph(Signature(), {"e": step(data=FromStep("e", "out"))}))
    assert [mistake.found for mistake in whole] == ["a cycle: e needs e"]


def test_two_cycles_are_both_named_and_what_waits_for_them_is_not() -> None:
    pairs = {"a": "b", "b": "a", "x": "y", "y": "x", "z": "x"}
    steps = {name: step(data=FromStep(other, "out")) for name, other in pairs.items()}
    found = [mistake.found for mistake in graph_mistakes(Graph(Signature(), steps))]
    assert found == ["a cycle: a needs b needs a", "a cycle: x needs y needs x"]


def test_ten_thousand_steps_in_a_row_are_looked_at_without_recursion() -> None:
    last = 10_000
    steps = {f"s{n}": step(data=FromStep(f"s{n - 1}", "out")) for n in range(last, 0, -1)}
    graph = Graph(Signature(inputs={"data": InputPort(FOLDER)}), {**steps, "s0": step(data=FromPipeline("data"))})
    assert graph_mistakes(graph) == []


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    bound = st.one_of(
        st.just(FromPipeline("data")), st.builds(FromStep, st.sampled_from(names), st.sampled_from(["out"]))
    )
    steps = {
        name: step(**{"data": draw(bound), **({"more": draw(bound)} if draw(st.booleans()) else {})}) for name in names
    }
    return Graph(Signature(inputs={"data": InputPort(FOLDER)}), steps)


@settings(max_examples=300)
@given(graphs())
def test_a_graph_has_a_cycle_exactly_where_its_steps_cannot_all_be_run(graph: Graph) -> None:
    done: frozenset[str] = frozenset()
    while ready := ready_steps(graph, done=done, begun=done):
        done |= frozenset(ready)
    mistakes = graph_mistakes(graph)

    assert bool(mistakes) == (done != frozenset(graph.steps))
    for mistake in mistakes:
        way = mistake.found.removeprefix("a cycle: ").split(" needs ")
        assert way[0] == way[-1]
        assert all(after in needs(graph.steps[before]) for before, after in pairwise(way))


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (PortType.STRING, 5, "5"),
        (PortType.STRING, True, "true"),
        (PortType.STRING, "a\0b", None),
        (PortType.STRING, "\ud800", None),
        (PortType.STRING, "x" * 100_001, None),
        (PortType.STRING, ["a"], None),
        (PortType.INTEGER, "5", 5),
        (PortType.INTEGER, 5.0, 5),
        (PortType.INTEGER, "5.0", None),
        (PortType.INTEGER, 5.5, None),
        (PortType.INTEGER, True, None),
        (PortType.INTEGER, "1_000", None),
        (PortType.INTEGER, 10**400, None),
        (PortType.NUMBER, "0.5", 0.5),
        (PortType.NUMBER, "1e3", 1000.0),
        (PortType.NUMBER, "1e999", None),
        (PortType.NUMBER, float("nan"), None),
        (PortType.NUMBER, False, None),
        (PortType.BOOLEAN, "True", True),
        (PortType.BOOLEAN, "0", False),
        (PortType.BOOLEAN, "yes", None),
        (FOLDER, "x", None),
    ],
)
def test_a_literal_is_read_as_its_type_says(type_: PortType, value: object, read: object) -> None:
    found = literal_of(type_, value)
    assert (found, type(found)) == (read, type(read))


def test_a_literal_keeps_to_its_bounds_and_its_list() -> None:
    port = InputPort(PortType.INTEGER, least=1, most=9)
    assert [literal_mistake(port, value, where="x") is None for value in (0, 1, "9", 10)] == [False, True, True, False]
    listed = InputPort(PortType.STRING, allowed=("a", "b"))
    assert literal_mistake(listed, "c", where="x") == Mistake("x", "'c'", "one of 'a', 'b'")
    assert literal_mistake(InputPort(NUMBER, least=0), -1, where="x") == Mistake("x", "-1", "0 or more")


@pytest.mark.parametrize(
    ("port", "fields"),
    [
        (InputPort(NUMBER, default=2, least=0, most=1), ["x.default"]),
        (InputPort(NUMBER, default=2, least=1, most=0), ["x.min"]),
        (InputPort(FOLDER, default="a", least=0), ["x.default", "x.min"]),
        (InputPort(PortType.STRING, most=3), ["x.max"]),
        (InputPort(PortType.STRING, default="c", allowed=("a", "b")), ["x.default"]),
        (InputPort(PortType.BOOLEAN, default=False), []),
    ],
)
def test_a_declaration_that_contradicts_itself_is_told(port: InputPort, fields: list[str]) -> None:
    assert [mistake.field for mistake in port_mistakes(port, where="x")] == fields


def test_models_are_folders_and_whole_numbers_are_numbers_but_not_the_other_way_round() -> None:
    assert fits(PortType.INTEGER, NUMBER)
    assert not fits(NUMBER, PortType.INTEGER)
    assert fits(PortType.MLFLOW_MODEL, FOLDER)
    assert fits(PortType.MLFLOW_MODEL, PortType.CUSTOM_MODEL)
    assert not fits(FOLDER, PortType.MLFLOW_MODEL)
    assert not fits(FILE, FOLDER)
