"""The promises of ports/environment.py, with the real uv and small real packages."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchyard.domain.assets import Environment, EnvironmentBuild
from batchyard.domain.errors import InvalidInput, PlatformError, ScriptError
from batchyard.domain.outputs.verification import Check, Result
from batchyard.environments.build import MARKER, remove_environment
from batchyard.environments.cache import LocalEnvironments
from batchyard.environments.pythons import find_interpreters

SIX = "dependencies: [six]"
BUILDER = """
import os, sys
from pathlib import Path
from batchyard.domain.assets import Environment
from batchyard.environments.cache import LocalEnvironments
environments = LocalEnvironments(Path(sys.argv[1]), allow_source_builds=False, timeout_s=100, environ=os.environ)
print(environments.build(Environment("e", "1", conda_file=sys.argv[2]), sys.stderr).sha256)
"""


def environments(root: Path, *, allow_source_builds: bool = False, **environ: str) -> LocalEnvironments:
    return LocalEnvironments(
        root, allow_source_builds=allow_source_builds, timeout_s=100, environ={**os.environ, **environ}
    )


def environment(conda_file: str | None = None, *, image: str | None = None) -> Environment:
    return Environment("scoring", "3", image=image, conda_file=conda_file)


def run(python: Path, code: str) -> str:
    return subprocess.run([str(python), "-I", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def start_builder(root: Path, conda_file: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), conda_file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that the tests of this file share, so that packages are fetched once."""
    folder = tmp_path_factory.mktemp("environments")
    yield folder
    for entry in folder.iterdir():
        if (entry / "bin").is_dir():
            remove_environment(entry)


@pytest.fixture(scope="module")
def six(root: Path) -> EnvironmentBuild:
    return environments(root).build(environment(SIX), io.StringIO())


def test_a_built_environment_has_its_packages_and_only_them(root: Path, six: EnvironmentBuild) -> None:
    python = environments(root).python(six)

    assert [package.partition("==")[0] for package in six.packages] == ["six"]
    assert run(python, "import six; print(six.__version__)") == six.packages[0].partition("==")[2]
    assert run(python, "import importlib.util as u; print(u.find_spec('pydantic'))") == "None"
    assert run(python, "import sys; print('.'.join(map(str, sys.version_info[:3])))") == six.python_version
    assert six.warnings == ()


def test_a_built_environment_is_compiled_and_read_only(root: Path, six: EnvironmentBuild) -> None:
    folder = root / six.sha256

    compiled = list(folder.glob("lib/*/site-packages/__pycache__/six.*.pyc"))
    writable = [p for p in folder.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o222 and p.name != MARKER]

    assert len(compiled) == 1
    assert writable == []
    assert not folder.stat().st_mode & stat.S_IWUSR


def test_the_same_definition_again_runs_nothing_and_needs_no_index(root: Path, six: EnvironmentBuild) -> None:
    log = io.StringIO()

    again = environments(root, UV_OFFLINE="1").build(environment("dependencies:\n  - six\n"), log)

    assert again == six
    assert log.getvalue() == ""


def test_two_definitions_that_come_to_one_lock_share_the_environment(root: Path, six: EnvironmentBuild) -> None:
    log = io.StringIO()

    exact = environments(root).build(environment(f"dependencies: [{six.packages[0]}]"), log)

    assert exact.sha256 == six.sha256
    assert "Creating" not in log.getvalue()


def test_a_lost_environment_is_built_again_from_its_lock_without_an_index(root: Path, six: EnvironmentBuild) -> None:
    offline = environments(root, UV_OFFLINE="1")
    remove_environment(root / six.sha256)
    with pytest.raises(PlatformError, match="gone"):
        offline.python(six)

    again = offline.build(environment(SIX), io.StringIO())

    assert again == six
    assert run(offline.python(again), "import six") == ""


def test_a_folder_without_its_marker_is_not_used(root: Path, six: EnvironmentBuild) -> None:
    folder = root / six.sha256
    folder.chmod(0o700)
    (folder / MARKER).unlink()
    (folder / "half").touch()

    with pytest.raises(PlatformError):
        environments(root).python(six)
    assert environments(root).build(environment(SIX), io.StringIO()) == six
    assert not (folder / "half").exists()


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    builders = [start_builder(tmp_path, SIX) for _ in range(2)]

    answers = [builder.communicate(timeout=100) for builder in builders]

    assert [builder.returncode for builder in builders] == [0, 0]
    assert answers[0][0] == answers[1][0]
    assert sum("Creating virtual environment" in log for _, log in answers) == 1


def test_a_builder_killed_midway_leaves_nothing_that_is_used_or_in_the_way(tmp_path: Path) -> None:
    conda_file = "dependencies: [pip, six]"
    builder = start_builder(tmp_path, conda_file)
    try:
        installed = wait_for(tmp_path, "*/lib/*/site-packages/pip", builder)
    finally:
        os.kill(builder.pid, signal.SIGKILL)
        builder.communicate()
    sha256 = installed.relative_to(tmp_path).parts[0]
    assert not (tmp_path / sha256 / MARKER).exists()

    build = environments(tmp_path).build(environment(conda_file), io.StringIO())

    assert build.sha256 == sha256
    assert run(environments(tmp_path).python(build), "import six, pip; print(pip.__name__)") == "pip"


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = next(folder.glob(pattern), None)
        if found is not None:
            return found
        time.sleep(0.002)
    raise AssertionError(f"{pattern} never appeared")


def test_only_an_image_is_an_empty_environment_on_our_own_python_with_one_warning(root: Path) -> None:
    build = environments(root).build(environment(image="registry/curated:7"), io.StringIO())

    assert build.packages == ()
    assert build.python_version == ".".join(map(str, sys.version_info[:3]))
    assert len(build.warnings) == 1
    assert "registry/curated:7" in build.warnings[0]
    assert run(environments(root).python(build), "print(1)") == "1"


def test_a_python_that_is_not_installed_falls_back_to_the_nearest_with_a_warning(root: Path) -> None:
    oldest = min(i.version for i in find_interpreters(os.environ, memory=root / "pythons.json"))

    build = environments(root).build(environment("dependencies: [python=3.6]"), io.StringIO())

    assert build.python_version.split(".")[:2] == [str(part) for part in oldest[:2]]
    assert len(build.warnings) == 1
    assert f"no Python 3.6: {build.python_version} is used instead" in build.warnings[0]


def test_the_oldest_and_the_newest_python_of_the_machine_get_environments(root: Path) -> None:
    found = sorted(find_interpreters(os.environ, memory=root / "pythons.json"), key=lambda i: i.version)

    for interpreter in (found[0], found[-1]):
        wanted = f"dependencies: [python={interpreter.minor[0]}.{interpreter.minor[1]}, six]"
        build = environments(root).build(environment(wanted), io.StringIO())
        version = run(environments(root).python(build), "import six, sys; print('%d.%d' % sys.version_info[:2])")
        assert version == f"{interpreter.minor[0]}.{interpreter.minor[1]}"
        assert build.warnings == ()


def test_mistakes_are_all_raised_and_nothing_is_built(tmp_path: Path) -> None:
    conda_file = "dependencies: [obscure, other-thing, {pip: ['https://example.invalid/x.whl', '-r a.txt']}]"
    local = environments(tmp_path / "root")

    with pytest.raises(InvalidInput) as caught:
        local.build(environment(conda_file), io.StringIO())

    assert list(caught.value.mistakes) == local.mistakes(environment(conda_file))
    assert len(caught.value.mistakes) == 4
    assert "scoring:3" in str(caught.value)
    assert not (tmp_path / "root").exists()


def test_what_cannot_be_resolved_is_the_scripts_fault_in_uvs_own_words(root: Path) -> None:
    log = io.StringIO()

    with pytest.raises(ScriptError) as caught:
        environments(root).build(environment("dependencies: [{pip: ['six==0.0.1']}]"), log)

    assert "six==0.0.1" in str(caught.value)
    assert "six==0.0.1" in log.getvalue()
    assert not any((root / ".work").iterdir())


def test_a_root_that_cannot_be_written_is_ours_to_answer_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PlatformError):
        environments(tmp_path / "file" / "root").build(environment(), io.StringIO())


def source_package(folder: Path, *, told: Path) -> None:
    """Make a source distribution whose build writes its whole environment to a file."""
    setup = f"""
        import json, os, pathlib, setuptools
        pathlib.Path({str(told)!r}).write_text(json.dumps(dict(os.environ)))
        setuptools.setup(name="batchyard-test-told", version="1.0")
    """
    source = folder / "batchyard_test_told-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(textwrap.dedent(setup))
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: batchyard-test-told\nVersion: 1.0\n")
    with tarfile.open(folder / "batchyard_test_told-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, arcname=source.name)
    shutil.rmtree(source)


def test_source_builds_are_refused_unless_allowed_and_see_no_secret_of_the_server(root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    source_package(tmp_path / "links", told=told)
    wanted = environment("dependencies: [{pip: [batchyard-test-told]}]")
    links = str(tmp_path / "links")

    with pytest.raises(ScriptError, match="BATCHYARD_ALLOW_SOURCE_BUILDS"):
        environments(root, UV_FIND_LINKS=links).build(wanted, io.StringIO())
    assert not told.exists()
    build = environments(root, allow_source_builds=True, UV_FIND_LINKS=links, BATCHYARD_TOKEN="s3cret").build(
        wanted, io.StringIO()
    )

    assert "batchyard-test-told==1.0" in build.packages
    assert "s3cret" not in told.read_text()
    assert str(Path.home()) not in told.read_text()


def test_a_shim_is_not_taken_for_an_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "shims" / "python3.8"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho ran >&2\nexit 1\n")
    shim.chmod(0o755)

    found = find_interpreters({"PATH": str(shim.parent)}, memory=tmp_path / "pythons.json")

    assert shim not in [interpreter.path for interpreter in found]
    assert str(shim) not in (tmp_path / "pythons.json").read_text()


def test_interpreters_that_were_looked_at_are_not_started_again(tmp_path: Path) -> None:
    memory = tmp_path / "pythons.json"
    first = find_interpreters(os.environ, memory=memory)
    remembered = memory.read_text().replace("cpython-", "remembered-")
    memory.write_text(remembered)

    again = find_interpreters(os.environ, memory=memory)

    assert len(again) == len(first)
    assert all(interpreter.soabi.startswith("remembered-") for interpreter in again)


def test_an_environment_as_it_was_built_is_right(root: Path, six: EnvironmentBuild) -> None:
    checks = [event for event in environments(root).check(six) if isinstance(event, Check)]
    assert [(check.file, check.result) for check in checks] == [
        ("requirements.txt", Result.OK),
        (MARKER, Result.OK),
        ("", Result.OK),
    ]
    assert checks[-1].note == "the files of 1 package are as its record says"


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("requirements.txt", "requirements.txt"),
        (MARKER, MARKER),
        ("lib/python*/site-packages/six.py", "six.py"),
        ("lib/python*/site-packages/six-*.dist-info/METADATA", "METADATA"),
    ],
)
def test_a_flipped_byte_and_a_missing_file_of_an_environment_are_named(
    root: Path, six: EnvironmentBuild, tmp_path: Path, file: str, named: str
) -> None:
    copy = tmp_path / six.sha256
    shutil.copytree(root / six.sha256, copy, symlinks=True)
    (path,) = copy.glob(file)
    os.chmod(path, 0o644)
    content = bytearray(path.read_bytes())
    content[content.index(b"six") + 1] ^= 1
    path.write_bytes(content)
    assert named in _named_wrong(tmp_path, six)
    os.chmod(path.parent, 0o755)
    path.unlink()
    assert named in _named_wrong(tmp_path, six)
    subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)


def _named_wrong(root: Path, build: EnvironmentBuild) -> list[str]:
    checks = [event for event in environments(root).check(build) if isinstance(event, Check)]
    return [check.file.rpartition("/")[2] for check in checks if check.result is Result.WRONG]
