"""Scripts run by `bash -e` as users run theirs: in a folder of their own, with nothing but PATH changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

_HERE = Path(__file__).parent
Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Give what runs a script of this folder, by its name, with `az` of a home first in PATH.

    It runs in a copy of `files`, the YAML and code that the scripts deploy.
    """
    folder = tmp_path / "project"
    shutil.copytree(_HERE / "files", folder)

    def run(
        home: ServerHome, name: str, *, timeout_s: float = 350, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        home.run("az", "install", str(tmp_path / "bin"))
        environment = {**home.environment(), **variables}
        environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", _HERE / name],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    return run
