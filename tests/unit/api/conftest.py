"""An application over a real home in a temporary folder: real records, datastores and identity."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batchyard.records.database import migrate

from .bench import Bench


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated database to copy, since migrating takes longer than a test."""
    path = tmp_path_factory.mktemp("database") / "batchyard.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def bench(tmp_path: Path, empty_database: Path) -> Bench:
    """Give a fresh workspace behind an application."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    shutil.copy(empty_database, home / "batchyard.db")
    return Bench(home)
