"""A workspace in memory and a terminal to type commands at."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import MemoryServer, Terminal


@pytest.fixture
def azure() -> MemoryServer:
    """A workspace with its default datastore."""
    server = MemoryServer()
    for name, container in (("workspaceblobstore", "azureml-blobstore"), ("workspaceartifactstore", "azureml")):
        account = f"localhost:8443/blob/{name}"
        server.put(f"datastores/{name}", {"accountName": account, "containerName": container})
    return server


@pytest.fixture
def terminal(azure: MemoryServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Where commands are typed."""
    return Terminal(azure, tmp_path / "home", capsys)
