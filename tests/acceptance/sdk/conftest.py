"""Azure's own SDK in a process of its own, as a user runs a notebook: `batchyard env -- python notebook.py`.

Every process of a notebook is kept to loopback by `guard/sitecustomize.py`, whose log is looked at when it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import BATCHYARD, ServerHome

HERE = Path(__file__).parent
# Environments are built on the way; a busy machine takes its time for that. Tests here set their own limit above it.
PATIENCE_S = 400.0

Notebook = Callable[..., dict[str, Any]]


@pytest.fixture
def notebook(served: ServerHome, tmp_path: Path) -> Notebook:
    """Give a runner of a notebook of `notebooks/`: it runs in an empty folder and says at its end what it found.

    Each notebook prints one JSON object as its last line.
    """

    def run(name: str, *arguments: str, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        done = run_guarded(
            served, HERE / "notebooks" / f"{name}.py", *arguments, folder=tmp_path / name, timeout_s=timeout_s
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return run


def run_guarded(
    served: ServerHome, script: Path, *arguments: str, folder: Path, timeout_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run a script of a user of this home, and fail where it asked for a connection that leaves this machine."""
    served.run("server", "start")  # By ourselves: what the notebook starts inherits its guard.
    log = folder / ".connections"
    done = subprocess.run(
        [BATCHYARD, "env", "--", sys.executable, "-W", "ignore", script, *arguments],
        env={
            **served.environment(),
            # Polling for minutes is for clouds.
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
            "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
            "PYTHONPATH": str(HERE / "guard"),
            "BATCHYARD_TEST_CONNECTIONS": str(log),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    tried = set(log.read_text().splitlines())
    assert any(line.startswith("allowed socket.connect") for line in tried), "the guard saw nothing"
    assert [line for line in tried if line.startswith("refused")] == [], done.stderr
    return done
