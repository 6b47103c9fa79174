"""One served home for each test process; tests keep apart by their endpoints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server_home import ServerHome


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path_factory.mktemp("served"))
    try:
        yield home
    finally:
        home.end()


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path_factory.mktemp("own"))
    try:
        yield home
    finally:
        home.end()
