"""Options and seeds shared by all suites."""

from __future__ import annotations

import pytest

from batchyard.ports.faults import FAULT_POINTS

_FULL = 20  # As many rounds as `make chaos` asks for: everything, instead of what fits into `make test`.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-rounds", type=int, default=0, help="how much chaos; 20: all of it, 0: a sample")
    parser.addoption("--chaos-seed", type=int, default=2026, help="what the moments of random kills are drawn from")


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to have the same moments again."""
    return f"chaos: --chaos-rounds {config.getoption('--chaos-rounds')} --chaos-seed {config.getoption('--chaos-seed')}"


@pytest.fixture
def chaos_seed(request: pytest.FixtureRequest) -> int:
    """What random moments are drawn from."""
    return int(request.config.getoption("--chaos-seed"))


@pytest.fixture
def is_full_chaos(request: pytest.FixtureRequest) -> bool:
    """Whether everything is asked for, and not a sample."""
    return int(request.config.getoption("--chaos-rounds")) >= _FULL


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"point", "action"} <= set(metafunc.fixturenames):
        is_full = metafunc.config.getoption("--chaos-rounds") >= _FULL
        metafunc.parametrize(("point", "action"), _faults(is_full=is_full))


def _faults(*, is_full: bool) -> list[tuple[str, str]]:
    """Give every point with every action; as a sample every point with one action, in turn."""
    actions = ("power", "kill", "power", "enospc", "power", "eio", "power", "short")
    sample = [(point, actions[k % len(actions)]) for k, point in enumerate(FAULT_POINTS)]
    return [(point, action) for point in FAULT_POINTS for action in sorted(set(actions))] if is_full else sample
