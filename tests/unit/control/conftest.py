"""One workspace for each test."""

from __future__ import annotations

import pytest

from .bench import Bench
from .pipeline_bench import Pipelines, step


@pytest.fixture
def bench() -> Bench:
    """Give a fresh workspace without deployments."""
    return Bench()


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """Give a workspace whose endpoint `digits` has the default `blue` and the candidate `green`."""
    bench.deploy("blue")
    bench.deploy("green")
    bench.set_default("blue")
    return bench


@pytest.fixture
def pipelines(bench: Bench) -> Pipelines:
    """Give a workspace with the component `run`, and no pipeline yet."""
    return Pipelines(bench)


@pytest.fixture
def chain(pipelines: Pipelines) -> Pipelines:
    """Give a pipeline of two steps, of which the second takes what the first gives, and whose job is queued."""
    pipelines.pipeline(first=step(), second=step(data="first", outputs={"out": "result"}))
    pipelines.begin(tags={"team": "x"})
    return pipelines
