"""The steps of a pipeline are shown behind those that they need."""

from __future__ import annotations

from batchyard.domain.pipelines.graphs import in_order


def test_a_step_stands_behind_those_that_it_needs_and_else_as_written() -> None:
    needs = {"a": frozenset("c"), "b": frozenset(), "c": frozenset("d"), "d": frozenset("b"), "e": frozenset()}

    assert in_order(needs) == ["b", "d", "c", "a", "e"]


def test_a_cycle_loses_nothing() -> None:
    assert sorted(in_order({"a": frozenset("b"), "b": frozenset("a"), "c": frozenset("c")})) == ["a", "b", "c"]
