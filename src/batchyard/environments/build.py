"""Installing: a lock becomes a virtual environment at its final place, complete once its marker says so."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.environments.files import make_read_only, remove_tree, write_whole
from batchyard.environments.lock import FORMAT, locked_packages
from batchyard.environments.pythons import Interpreter
from batchyard.environments.uv_child import UvChild, run_child

MARKER = "batchyard-environment.json"
LOCK = "requirements.txt"


@dataclass(frozen=True, slots=True)
class Installed:
    """What the marker of a complete environment says."""

    python_version: str
    packages: tuple[str, ...]


def read_marker(folder: Path) -> Installed | None:
    """Tell what is in an environment; None for one that is not there, not complete, or whose Python is gone."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        if marker["format"] != FORMAT or not os.access(python_of(folder), os.X_OK):
            return None
        return Installed(str(marker["python_version"]), tuple(map(str, marker["packages"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def python_of(folder: Path) -> Path:
    """Name the interpreter of an environment. Not resolved: the link's own place is what makes it the environment's."""
    return folder / "bin" / "python"


def install(
    lock: str, interpreter: Interpreter, *, folder: Path, uv: UvChild, allow_source_builds: bool, subject: str
) -> Installed:
    """Build the environment at `folder`; the caller holds its turn. What an interrupted build left there goes first.

    Built in place, because console scripts name the interpreter by its full path; the marker, written last and after
    everything else is on the disk, is what makes the folder one to use.
    """
    remove_environment(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    doing = f"{subject} cannot be installed for Python {interpreter.version_text}"
    uv.run(["venv", "--no-project", "--color", "never", "--python", str(interpreter.path), str(folder)], doing=doing)
    if lock:
        (folder / LOCK).write_text(lock, encoding="utf-8")
        uv.run(_sync_arguments(folder, allow_source_builds=allow_source_builds), doing=doing)
    run_child([str(python_of(folder)), "-I", "-c", "pass"], uv, doing=f"{subject} does not start")
    installed = Installed(interpreter.version_text, locked_packages(lock))
    _finish(folder, installed, interpreter)
    return installed


def remove_environment(folder: Path) -> None:
    """Remove an environment, its marker first, so that half of one is never taken for whole."""
    if folder.exists():
        os.chmod(folder, 0o700)
        (folder / MARKER).unlink(missing_ok=True)
    remove_tree(folder)


def _sync_arguments(folder: Path, *, allow_source_builds: bool) -> Sequence[str]:
    arguments = ["pip", "sync", str(folder / LOCK), "--python", str(python_of(folder))]
    arguments += ["--require-hashes", "--compile-bytecode", "--link-mode", "hardlink", "--color", "never"]
    return arguments if allow_source_builds else [*arguments, "--no-build"]


def _finish(folder: Path, installed: Installed, interpreter: Interpreter) -> None:
    make_read_only(folder)
    # One call for some ten thousand small files: an fsync each would take longer than the installation.
    os.sync()
    marker = {
        "format": FORMAT,
        "python_version": installed.python_version,
        "packages": list(installed.packages),
        # With the lock, all that the hash in the folder's name is made of.
        "soabi": interpreter.soabi,
        "platform": interpreter.platform,
    }
    write_whole(folder / MARKER, json.dumps(marker, indent=1))
    os.chmod(folder, 0o555)
