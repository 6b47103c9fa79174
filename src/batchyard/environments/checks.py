"""Looking whether a built environment is still the one of its lock, and its packages as they were installed."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # JSON of the marker

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.outputs.verification import Check, Event, ok, read_through, unchecked, wrong
from batchyard.environments.build import LOCK, MARKER
from batchyard.environments.lock import environment_key, locked_packages

_SUBJECT = "environment"
_OLDER = {"format", "python_version", "packages"}
_KEYS = (_OLDER, _OLDER | {"soabi", "platform"})


def check_environment(folder: Path, build: EnvironmentBuild) -> Iterator[Event]:
    """Hold the lock against the hash that names the environment, and each package's files against its own record.

    The lock is proven by the hash. A package's record (its `RECORD`) is not: it tells what changed by accident or by an
    edit of a file, not what somebody changed who rewrote the record, too. Compiled files (`.pyc`) are in no record.
    """
    try:
        marker = _read_marker(folder)
        lock = (folder / LOCK).read_text(encoding="utf-8") if marker["packages"] or (folder / LOCK).exists() else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        file = LOCK if isinstance(exc, OSError) and str(exc.filename or "").endswith(LOCK) else MARKER
        yield wrong(_SUBJECT, file, expected=f"of environment {build.sha256}", found=_why(exc))
        return
    yield _check_lock(marker, lock, build)
    yield _check_marker(marker, lock, build)
    changed = 0
    for package in sorted(folder.glob("lib/python*/site-packages/*.dist-info")):
        for event in _check_package(package):
            changed += isinstance(event, Check)
            yield event
    yield from _check_installed(folder, lock)
    if not changed:
        yield ok(_SUBJECT, "", _as_recorded(len(locked_packages(lock))))


def _as_recorded(packages: int) -> str:
    if packages < 2:
        return "the files of 1 package are as its record says" if packages else "it has no packages"
    return f"the files of {packages} packages are as their records say"


def _read_marker(folder: Path) -> dict[str, Any]:
    """Read what the build left. Raises: OSError; ValueError for what no version has written so."""
    text = (folder / MARKER).read_text(encoding="utf-8")
    marker = json.loads(text)
    if not isinstance(marker, dict) or marker.keys() not in _KEYS or json.dumps(marker, indent=1) != text:
        raise ValueError(MARKER)
    return marker


def _check_lock(marker: dict[str, Any], lock: str, build: EnvironmentBuild) -> Check:
    if marker.keys() == _OLDER:
        why = "It was built by a version that did not keep what else its hash is made of. A new build keeps it."
        return unchecked(_SUBJECT, LOCK, why)
    found = environment_key(lock, soabi=str(marker["soabi"]), platform=str(marker["platform"]))
    if found == build.sha256:
        return ok(_SUBJECT, LOCK, f"sha256 {found}")
    note = f"The lock, or what {MARKER} says of the interpreter, is not what the environment is named after."
    return wrong(_SUBJECT, LOCK, expected=f"sha256 {build.sha256}", found=f"sha256 {found}", note=note)


def _check_marker(marker: dict[str, Any], lock: str, build: EnvironmentBuild) -> Check:
    expected = {"python_version": build.python_version, "packages": list(locked_packages(lock))}
    found = {key: marker.get(key) for key in expected}
    if found == expected:
        return ok(_SUBJECT, MARKER)
    return wrong(_SUBJECT, MARKER, expected=json.dumps(expected), found=json.dumps(found))


def _check_installed(folder: Path, lock: str) -> Iterator[Check]:
    """Look whether what is installed is what the lock names, no more and no less."""
    there = {path.name for path in folder.glob("lib/python*/site-packages/*.dist-info")}
    installed = {_plain(*name.removesuffix(".dist-info").split("-", 1)) for name in there if "-" in name}
    locked = {_plain(*package.split("==", 1)) for package in locked_packages(lock)}
    for package in sorted(locked - installed):
        yield wrong(_SUBJECT, "==".join(package), expected="installed", found="not there")
    for package in sorted(installed - locked):
        yield wrong(_SUBJECT, "==".join(package), expected="not installed: the lock does not name it", found="there")


def _check_package(package: Path) -> Iterator[Event]:
    """Check the files that a package's record has a hash of; what is as it was goes without a word."""
    site = package.parent
    try:
        rows = list(csv.reader((package / "RECORD").read_text(encoding="utf-8").splitlines()))
    except (OSError, ValueError, csv.Error) as exc:
        yield wrong(_SUBJECT, _name(site, package / "RECORD"), expected="a record of its files", found=_why(exc))
        return
    for row in rows:
        if len(row) < 2 or not row[1].startswith("sha256=") or row[0].endswith(".pyc"):
            continue
        path, name, expected = site / row[0], _name(site, site / row[0]), row[1]
        try:
            expected = base64.urlsafe_b64decode(row[1].removeprefix("sha256=") + "==").hex()
            with path.open("rb") as stream:
                found, _ = yield from read_through(stream, _SUBJECT, name)
        except (OSError, ValueError) as exc:  # A record that was changed may hold anything.
            yield wrong(_SUBJECT, name, expected=f"sha256 {expected}", found=_why(exc))
            continue
        if found != expected:
            yield wrong(_SUBJECT, name, expected=f"sha256 {expected}", found=f"sha256 {found}")


def _name(site: Path, path: Path) -> str:
    return os.path.relpath(os.path.normpath(path), site.parents[2])


def _plain(name: str, version: str) -> tuple[str, str]:
    """Give name and version so that two spellings of one are equal."""
    return re.sub(r"[-_.]+", "-", name).lower(), re.sub(r"[-_.+]+", ".", version).lower()


def _why(exc: Exception) -> str:
    if isinstance(exc, FileNotFoundError):
        return "nothing: it is missing"
    return str(getattr(exc, "strerror", None) or f"what cannot be read ({type(exc).__name__})")
