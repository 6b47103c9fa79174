"""Keys of definitions and environments: the same for the same, different where the bits would differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batchyard.environments.lock import definition_key, lock_hash, locked_packages
from batchyard.environments.pythons import Interpreter

PYTHON = Interpreter(Path("/usr/bin/python3.11"), (3, 11, 2), "cpython-311-x86_64-linux-gnu", "linux-x86_64")
LOCK = """\
idna==3.10 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
torch==2.1.0+cpu ; python_version < '3.12' \\
    --hash=sha256:cc
"""


def key(*requirements: str, python: Interpreter = PYTHON, allow_source_builds: bool = False, index: str = "i") -> str:
    return definition_key(requirements, python, allow_source_builds=allow_source_builds, index_identity=index)


def test_the_packages_of_a_lock_are_names_with_versions() -> None:
    assert locked_packages(LOCK) == ("idna==3.10", "torch==2.1.0+cpu")
    assert locked_packages("") == ()


def test_a_definition_is_known_again_whatever_the_order_of_its_lines() -> None:
    assert key("six", "idna") == key("idna", "six")


def test_another_python_setting_or_index_is_another_definition() -> None:
    keys = {
        key("six"),
        key("six", python=replace(PYTHON, version=(3, 11, 3))),
        key("six", allow_source_builds=True),
        key("six", index="j"),
        key("six==1.17"),
    }

    assert len(keys) == 5


def test_an_environment_is_shared_within_a_minor_version_of_python() -> None:
    assert lock_hash(LOCK, PYTHON) == lock_hash(LOCK, replace(PYTHON, path=Path("/opt/python"), version=(3, 11, 9)))
    assert lock_hash(LOCK, PYTHON) != lock_hash(LOCK, replace(PYTHON, soabi="cpython-312-x86_64-linux-gnu"))
    assert lock_hash(LOCK, PYTHON) != lock_hash("", PYTHON)
