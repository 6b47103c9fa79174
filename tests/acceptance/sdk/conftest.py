"""Azure's own SDK in a process of its own, as a user runs a notebook: `batchyard env -- python notebook.py`."""

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

Notebook = Callable[..., dict[str, Any]]


@pytest.fixture
def notebook(served: ServerHome, tmp_path: Path) -> Notebook:
    """Give a runner of a notebook of `notebooks/`: it runs in an empty folder and says at its end what it found.

    Each notebook prints one JSON object as its last line.
    """

    def run(name: str, *arguments: str, timeout_s: float = 100) -> dict[str, Any]:
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [BATCHYARD, "env", "--", sys.executable, "-W", "ignore", HERE / "notebooks" / f"{name}.py", *arguments],
            # Polling for minutes is for clouds.
            env={
                **served.environment(),
                "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
                "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
            },
            cwd=tmp_path / name,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return run
