"""Options and seeds shared by all suites."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-rounds", type=int, default=0, help="random-kill runs of each kind; 0: five and one")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("--chaos-rounds")
    for name, usual in (("rows_seed", 5), ("files_seed", 1)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(rounds or usual))
