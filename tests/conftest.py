"""Options and seeds shared by all suites."""

from __future__ import annotations

import pytest

from batchyard.ports.faults import FAULT_POINTS

_FULL = 20  # As many rounds as `make chaos` asks for: everything, instead of what fits into `make test`.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-rounds", type=int, default=0, help="how much chaos; 20: all of it, 0: a sample")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("--chaos-rounds")
    for name, usual in (("rows_seed", 5), ("files_seed", 1)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(rounds or usual))
    if {"point", "action"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("point", "action"), _faults(is_full=rounds >= _FULL))


def _faults(*, is_full: bool) -> list[tuple[str, str]]:
    """Give every point with every action; as a sample every point with one action, in turn."""
    actions = ("power", "kill", "power", "enospc", "power", "eio", "power", "short")
    sample = [(point, actions[k % len(actions)]) for k, point in enumerate(FAULT_POINTS)]
    return [(point, action) for point in FAULT_POINTS for action in sorted(set(actions))] if is_full else sample
