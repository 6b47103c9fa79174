"""What the contracts of jobs share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.direct import DirectHome
from tests.support.processes import end_all


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[DirectHome]:
    home = tmp_path / "home"
    try:
        yield DirectHome(home)
    finally:
        end_all(home)
