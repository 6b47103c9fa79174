"""The interpreters that the runtime is tested under: the oldest and the newest of the machine, nothing installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.bench import Bench

_OLDEST = (3, 8)
_NEWEST = (3, 14)
_VERSION_OF = "import sys; print(*sys.version_info[:2])"


def _candidates() -> list[Path]:
    names = [f"python3.{minor}" for minor in range(_OLDEST[1], _NEWEST[1] + 1)]
    on_path = [Path(found) for name in names if (found := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [*on_path, *(path for name in names for path in sorted(pyenv.glob(f"*/bin/{name}")))]


def _interpreters() -> dict[tuple[int, int], Path]:
    """Give one interpreter for each version; a wrapper that finds none (a shim) is passed over."""
    found = {sys.version_info[:2]: Path(sys.executable)}
    for path in _candidates():
        asked = subprocess.run([path, "-c", _VERSION_OF], capture_output=True, text=True, check=False)
        # A shim is a script that starts the real one by way of other programs: only real programs are workers.
        if asked.returncode == 0 and path.resolve().read_bytes()[:4] == b"\x7fELF":
            major, minor = map(int, asked.stdout.split())
            found.setdefault((major, minor), path)
    return {version: path for version, path in found.items() if version >= _OLDEST}


_FOUND = _interpreters()
_TESTED = sorted({min(_FOUND), max(_FOUND)})


@pytest.fixture(params=_TESTED, ids=lambda version: "python" + ".".join(map(str, version)))
def python(request: pytest.FixtureRequest) -> Path:
    """Give the oldest and then the newest interpreter."""
    return _FOUND[request.param]


@pytest.fixture(params=["executed", "forked"], autouse=True)
def origin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every promise to scripts holds for workers that are executed, and for those forked after the import."""
    monkeypatch.setattr(Bench, "forks_from_slots", 1 if request.param == "forked" else 2)
    return str(request.param)
