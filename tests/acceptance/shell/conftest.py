"""Scripts run by `bash -e` as users run theirs: in a folder of their own, with nothing but PATH changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

_SCRIPTS = Path(__file__).parent
Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(served: ServerHome, tmp_path: Path) -> Script:
    """Give what runs a script of this folder, by its name, with `az` of the served home first in PATH."""
    served.run("az", "install", str(tmp_path / "bin"))

    def run(
        name: str, *, exit_code: int = 0, timeout_s: float = 150, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**served.environment(), **variables}
        environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", _SCRIPTS / name],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == exit_code, f"{name} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    return run
