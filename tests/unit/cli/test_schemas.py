"""`batchyard schema`: printed from the package, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchyard.cli.main import run
from batchyard.settings import from_environment
from batchyard.wire.file_schemas import NAMES, file_schema


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home that is not there."""
    monkeypatch.setenv("BATCHYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_printed_and_no_server_is_started(
    name: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", "show", name], from_environment()) == 0

    assert json.loads(capsys.readouterr().out) == file_schema(name)
    assert not home.exists()


def test_an_unknown_schema_is_refused_with_the_known_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "show", "endpoints"], from_environment()) != 0

    assert "compute, data, deployment, endpoint" in capsys.readouterr().err


def test_a_schema_is_found_by_the_noun_of_its_commands_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "show", "batch-deployment"], from_environment()) == 0
    assert json.loads(capsys.readouterr().out) == file_schema("deployment")
