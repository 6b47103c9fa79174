"""Locking: requirements and an interpreter become exact packages with their hashes, once for a definition."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from batchyard.environments.pythons import Interpreter
from batchyard.environments.uv_child import UvChild

# Part of every key: raise it when an environment of the same lock would be built differently.
FORMAT = 1


def definition_key(
    requirements: Sequence[str], interpreter: Interpreter, *, allow_source_builds: bool, index_identity: str
) -> str:
    """Give the key under which the lock of a definition is kept, so that the same one is resolved only once."""
    asked = {
        "format": FORMAT,
        "requirements": sorted(requirements),
        "python": [str(interpreter.path), interpreter.version_text, interpreter.soabi, interpreter.platform],
        "allow_source_builds": allow_source_builds,
        "index": index_identity,
    }
    return _hash(asked)


def lock_requirements(
    requirements: Sequence[str],
    interpreter: Interpreter,
    *,
    folder: Path,
    uv: UvChild,
    allow_source_builds: bool,
    subject: str,
) -> str:
    """Ask uv for the exact packages: the text of a requirements file, one version each, all hashes.

    folder: of this definition alone; files are left in it. Raises: ScriptError, PlatformError.
    """
    if not requirements:
        return ""
    asked, answer = folder / "requirements.in", folder / "requirements.txt"
    asked.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    arguments = ["pip", "compile", str(asked), "--output-file", str(answer), "--python", str(interpreter.path)]
    arguments += ["--generate-hashes", "--no-header", "--no-annotate", "--color", "never"]
    if not allow_source_builds:
        arguments.append("--no-build")
    uv.run(arguments, doing=f"{subject} cannot be resolved for Python {interpreter.version_text}")
    return answer.read_text(encoding="utf-8")


def locked_packages(lock: str) -> tuple[str, ...]:
    """Give `name==version` of every package in a lock, in its order."""
    return tuple(re.findall(r"^([A-Za-z0-9][\w.-]*==[^\s;\\]+)", lock, flags=re.MULTILINE))


def lock_hash(lock: str, interpreter: Interpreter) -> str:
    """Give the hash an environment is found by: its lock and what compiled packages depend on."""
    return environment_key(lock, soabi=interpreter.soabi, platform=interpreter.platform)


def environment_key(lock: str, *, soabi: str, platform: str) -> str:
    """Give the same hash from what compiled packages depend on, each by itself."""
    return _hash({"format": FORMAT, "soabi": soabi, "platform": platform, "lock": lock})


def _hash(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
