"""How a pipeline goes on: each step begins once, after what it needs, and whatever happens there is an end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.domain.pipelines.components import Signature
from batchyard.domain.pipelines.graphs import FromStep, Graph, StepGraph, needs
from batchyard.domain.pipelines.progress import Moves, next_moves

QUEUED, RUNNING, FINALIZING = JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.FINALIZING
COMPLETED, FAILED, CANCELED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED


def graph(**needed: str) -> Graph:
    """Give steps by name, each with the names of those that it needs."""
    return Graph(
        Signature(),
        {
            name: StepGraph(None, {f"in{n}": FromStep(other, "out") for n, other in enumerate(others.split())})
            for name, others in needed.items()
        },
    )


CHAIN = graph(a="", b="a", c="b")
FORK = graph(a="", left="a", right="a", joined="left right", alone="")


def moves(
    of: Graph,
    *,
    goes_on: bool = False,
    cancel_requested: bool = False,
    given_up: bool = False,
    **steps: JobStatus,
) -> Moves:
    return next_moves(of, steps, continue_on_step_failure=goes_on, cancel_requested=cancel_requested, given_up=given_up)


def test_what_needs_nothing_begins_at_once() -> None:
    assert moves(FORK) == Moves(begin=("a", "alone"))


def test_independent_steps_begin_together_once_what_they_need_has_finished() -> None:
    assert moves(FORK, a=COMPLETED, alone=RUNNING) == Moves(begin=("left", "right"))


def test_a_step_waits_for_all_that_it_needs() -> None:
    assert not moves(FORK, a=COMPLETED, alone=COMPLETED, left=COMPLETED, right=RUNNING)


def test_the_pipeline_is_completed_once_every_step_is() -> None:
    assert moves(CHAIN, a=COMPLETED, b=COMPLETED, c=COMPLETED) == Moves(end=COMPLETED)


def test_a_failed_step_cancels_the_others_and_then_fails_the_pipeline() -> None:
    assert moves(FORK, a=FAILED, alone=RUNNING) == Moves(cancel=("alone",))
    assert moves(FORK, a=FAILED, alone=CANCELED) == Moves(end=FAILED)


def test_a_step_that_somebody_cancelled_is_one_that_failed() -> None:
    assert moves(CHAIN, a=CANCELED) == Moves(end=FAILED)


def test_what_does_not_need_a_failed_step_goes_on_where_that_is_wanted() -> None:
    assert moves(FORK, goes_on=True, a=COMPLETED, left=FAILED, alone=COMPLETED) == Moves(begin=("right",))
    assert not moves(FORK, goes_on=True, a=COMPLETED, left=FAILED, right=RUNNING, alone=COMPLETED)
    assert moves(FORK, goes_on=True, a=COMPLETED, left=FAILED, right=COMPLETED, alone=COMPLETED) == Moves(end=FAILED)


def test_a_cancel_reaches_every_step_that_can_still_be_cancelled() -> None:
    asked = moves(
        FORK, cancel_requested=True, a=COMPLETED, left=QUEUED, right=JobStatus.PAUSED, alone=JobStatus.CANCEL_REQUESTED
    )
    assert asked == Moves(cancel=("left", "right"))


def test_a_sealed_step_is_waited_for_and_not_asked_to_end() -> None:
    assert not moves(CHAIN, cancel_requested=True, a=FINALIZING)
    assert moves(CHAIN, cancel_requested=True, a=COMPLETED) == Moves(end=CANCELED)


def test_a_cancel_goes_before_a_failure() -> None:
    assert moves(CHAIN, cancel_requested=True, a=FAILED) == Moves(end=CANCELED)


def test_a_pipeline_that_is_given_up_ends_its_steps_first() -> None:
    assert moves(FORK, given_up=True, a=RUNNING, alone=COMPLETED) == Moves(cancel=("a",))
    assert moves(FORK, given_up=True) == Moves(end=FAILED)


def test_steps_of_which_none_can_begin_fail_the_pipeline() -> None:
    assert moves(graph(a="b", b="a")) == Moves(end=FAILED)


@pytest.mark.parametrize("status", sorted(set(JobStatus) - FINAL, key=lambda one: one.value))
def test_nothing_ends_while_a_step_is_at_work(status: JobStatus) -> None:
    for cancel_requested in (False, True):
        assert moves(CHAIN, cancel_requested=cancel_requested, a=status).end is None


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Give a graph without cycles: steps need only what comes before them."""
    count = draw(st.integers(1, 8))
    return graph(**{f"s{n}": " ".join(f"s{other}" for other in range(n) if draw(st.booleans())) for n in range(count)})


@settings(max_examples=200)
@given(of=graphs(), goes_on=st.booleans(), cancel_at=st.integers(0, 30), data=st.data())
def test_every_step_begins_at_most_once_after_what_it_needs_and_there_is_an_end(
    of: Graph, goes_on: bool, cancel_at: int, data: st.DataObject
) -> None:
    steps: dict[str, JobStatus] = {}
    found, turn = Moves(), 0
    while found.end is None:
        found = moves(of, goes_on=goes_on, cancel_requested=turn >= cancel_at, **steps)
        for name in found.begin:
            assert name not in steps
            assert all(steps[needed] is COMPLETED for needed in needs(of.steps[name]))
            steps[name] = QUEUED
        for name in found.cancel:
            assert steps[name] not in FINAL
            steps[name] = data.draw(st.sampled_from([CANCELED, JobStatus.CANCEL_REQUESTED]))
        at_work = [name for name, status in steps.items() if status not in FINAL]
        # A pipeline that neither moves nor waits for anything would stay for ever.
        assert found or at_work
        if at_work:
            name = data.draw(st.sampled_from(at_work))
            steps[name] = data.draw(st.sampled_from(after(steps[name], turn=turn)))
        turn += 1
    assert not any(status not in FINAL for status in steps.values())
    is_done = set(steps) == set(of.steps) and set(steps.values()) == {COMPLETED}
    assert found.end is (CANCELED if turn > cancel_at else COMPLETED if is_done else FAILED)


def after(status: JobStatus, *, turn: int) -> list[JobStatus]:
    """Give what may become of a step, sooner or later an end."""
    if status is JobStatus.CANCEL_REQUESTED:
        return [CANCELED, FAILED]
    if status is FINALIZING or turn > 20:
        return [COMPLETED, FAILED]
    return [RUNNING, FINALIZING, COMPLETED, FAILED, CANCELED]
