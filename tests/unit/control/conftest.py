"""One workspace for each test."""

from __future__ import annotations

import pytest

from .bench import Bench


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
