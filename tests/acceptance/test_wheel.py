"""The wheel: built as `make build` does, installed into an empty environment, and used from there end to end."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_for_none
from tests.support.server_home import ServerHome

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")

pytestmark = pytest.mark.xdist_group("wheel")


def call(*command: object, cwd: Path) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--installer", "uv", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("batchyard-*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    """A home whose command comes from an environment that holds the wheel, what it depends on, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    call(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    to = ("--python", folder / "venv/bin/python", "--compile-bytecode", "--constraint", ROOT / "constraints.txt")
    call(UV, "pip", "install", "--quiet", *to, wheel, cwd=folder)
    home = ServerHome(folder, program=folder / "venv/bin/batchyard")
    try:
        yield home
    finally:
        home.end()


def test_the_wheel_holds_all_that_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {str(path.relative_to(ROOT / "src")) for path in sources()}
    assert {
        "batchyard/environments/conda_names.toml",
        "batchyard/records/migrations/env.py",
        "batchyard_runtime/__main__.py",
        "batchyard_runtime/py.typed",
    } <= wanted
    assert any(re.fullmatch(r"batchyard/records/migrations/versions/\d+_\w+\.py", name) for name in names)
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def sources() -> list[Path]:
    found = [path for room in ("batchyard", "batchyard_runtime") for path in (ROOT / "src" / room).rglob("*")]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def test_the_installed_command_helps_tells_its_version_and_runs_a_job_end_to_end(installed: ServerHome) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert "batch-endpoint" in installed.run("--help").stdout
    assert version[1] in installed.run("version").stdout
    script = "import os\ndef run(b):\n    return [os.path.basename(p) for p in b]\n"
    installed.deploy("small", "one", script)
    job = installed.finish(installed.invoke("small", installed.files("four", 4)))
    assert job["status"] == "Completed"
    rows = (installed.output(job["name"]) / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:04d}.txt" for k in range(4)]
    commands = installed.processes().values()
    assert commands
    assert all(str(installed.folder / "venv") in command for command in commands), "nothing of the checkout runs"
    installed.run("server", "stop")
    assert wait_for_none(installed.home, within_s=60.0) == {}
