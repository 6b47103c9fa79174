"""Options and seeds shared by all suites."""

from __future__ import annotations

import pytest
from hypothesis import settings

from batchyard.ports.faults import FAULT_POINTS

_FULL = 50  # As many kills as `make chaos` asks for: then all else is whole too, instead of what fits into `make test`.


# How long an example takes is the machine's matter: a test must not fail because others are busy.
settings.register_profile("batchyard", deadline=None)
settings.load_profile("batchyard")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--chaos-kills", type=int, default=4, help="of each kind of process; from 50 on all other chaos too"
    )
    parser.addoption("--long", action="store_true", help="with the tests marked `long`, too")
    parser.addoption("--chaos-seed", type=int, default=2026, help="what the moments of random kills are drawn from")
    parser.addoption("--fuzz-examples", type=int, default=4, help="random requests of a sort to each operation")
    parser.addoption("--fuzz-seed", type=int, default=2026, help="what random requests are drawn from")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: left to `make long` and `make chaos`")
    config.addinivalue_line("markers", "early: takes half a minute, for which nobody must wait at the end")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the early tests, and leave long ones out of what `make test` runs."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)
    if config.getoption("--long") or config.getoption("--chaos-kills") >= _FULL:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to have the same moments again."""
    return f"chaos: --chaos-kills {config.getoption('--chaos-kills')} --chaos-seed {config.getoption('--chaos-seed')}"


@pytest.fixture
def chaos_seed(request: pytest.FixtureRequest) -> int:
    """What random moments are drawn from."""
    return int(request.config.getoption("--chaos-seed"))


@pytest.fixture
def chaos_kills(request: pytest.FixtureRequest) -> int:
    """How many processes of each kind are killed at random moments."""
    return int(request.config.getoption("--chaos-kills"))


@pytest.fixture
def is_full_chaos(chaos_kills: int) -> bool:
    """Whether everything is asked for, and not a sample."""
    return chaos_kills >= _FULL


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"point", "action"} <= set(metafunc.fixturenames):
        is_full = metafunc.config.getoption("--chaos-kills") >= _FULL
        metafunc.parametrize(("point", "action"), _faults(is_full=is_full))


def _faults(*, is_full: bool) -> list[tuple[str, str]]:
    """Give every point with every action; as a sample every point with one action, in turn."""
    actions = ("power", "kill", "power", "enospc", "power", "eio", "power", "short")
    sample = [(point, actions[k % len(actions)]) for k, point in enumerate(FAULT_POINTS)]
    return [(point, action) for point in FAULT_POINTS for action in sorted(set(actions))] if is_full else sample
