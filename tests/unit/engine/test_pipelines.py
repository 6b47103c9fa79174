"""The engine's look at pipelines: nothing is written without need, and one that is broken keeps no other waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.pipelines import Pipelines as Engine
from batchyard.engine.rooms import Rooms
from tests.unit.control.bench import Bench
from tests.unit.control.pipeline_bench import Pipelines, step


class Counting:
    """Records that count their transactions, and definitions that count how often they are read."""

    def __init__(self, pipelines: Pipelines) -> None:
        self.pipelines = pipelines
        self.writes = self.reads_of_definitions = 0
        self.is_broken = False

    @contextmanager
    def reading(self) -> Iterator[Any]:  # Any: the fake transaction
        yield self.pipelines.tx

    @contextmanager
    def writing(self) -> Iterator[Any]:
        self.writes += 1
        yield self.pipelines.tx

    def read(self, spec: Mapping[str, object]) -> Any:
        self.reads_of_definitions += 1
        if self.is_broken and spec["is"] == "steps":
            raise KeyError("jobs")
        return self.pipelines.read(spec)


@pytest.fixture
def counting() -> Counting:
    pipelines = Pipelines(Bench())
    pipelines.pipeline(first=step(), second=step(data="first"))
    pipelines.begin()
    return Counting(pipelines)


@pytest.fixture
def engine(counting: Counting) -> Engine:
    rooms = SimpleNamespace(
        records=counting, read_component=counting.read, new_name=iter("abcdef").__next__, now=lambda: 5.0
    )
    return Engine(cast(Rooms, rooms))


def test_a_pipeline_that_waits_is_neither_written_nor_read_again(counting: Counting, engine: Engine) -> None:
    engine.advance()
    engine.advance()
    before = counting.writes, counting.reads_of_definitions

    for _ in range(5):
        engine.advance()

    assert (counting.writes, counting.reads_of_definitions) == before
    assert before[0] == 1


def test_a_pipeline_goes_on_as_soon_as_a_step_has_ended(counting: Counting, engine: Engine) -> None:
    for name in ("first", "second"):
        engine.advance()
        engine.advance()
        counting.pipelines.end(name)
    engine.advance()

    assert counting.pipelines.job().status is JobStatus.COMPLETED


def test_a_fault_of_ours_ends_the_pipeline_and_no_other(counting: Counting, engine: Engine) -> None:
    pipelines = counting.pipelines
    engine.advance()
    pipelines.tx.change_job("a", status=JobStatus.RUNNING)
    pipelines.pipeline("others", one=step())
    spec = cast(PipelineSpec, pipelines.job().spec)
    other = replace(spec, job="other", outputs={}, component=replace(spec.component, name="others"))
    pipelines.tx.jobs.add(Job(other, JobStatus.QUEUED, 1.0, "ada"))
    counting.is_broken = True

    engine.advance()
    engine.advance()

    assert pipelines.states() == {"first": "CancelRequested"}
    assert pipelines.job("other").status is JobStatus.RUNNING
    pipelines.tx.change_job("a", status=JobStatus.CANCELED)
    engine.advance()
    broken = pipelines.job()
    assert broken.status is JobStatus.FAILED
    assert broken.error is not None and "KeyError" in broken.error.message


def test_a_database_that_does_not_answer_ends_no_pipeline(counting: Counting, engine: Engine) -> None:
    def unread(spec: Mapping[str, object]) -> Any:
        raise PlatformError("the database does not answer")

    counting.pipelines.read = unread

    with pytest.raises(PlatformError):
        engine.advance()
    assert counting.pipelines.job().status is JobStatus.QUEUED
