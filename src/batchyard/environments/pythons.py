"""The interpreters of this machine: finding them and choosing the one for a definition. Downloads none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.environments.conda import Clause, Spec
from batchyard.environments.files import write_whole

OLDEST = (3, 8)
_PROBE = (
    "import json, sys, sysconfig\n"
    "fits = sys.implementation.name == 'cpython' and sys.prefix == sys.base_prefix"
    " and not sysconfig.get_config_var('Py_GIL_DISABLED')\n"
    "print(json.dumps([fits, list(sys.version_info[:3]), sysconfig.get_config_var('SOABI') or '',"
    " sysconfig.get_platform()]))"
)
_PROBE_LIMIT_S = 20.0

Release = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the machine itself, not of a virtual environment.

    soabi, platform: what compiled packages have to match ("cpython-311-x86_64-linux-gnu", "linux-x86_64").
    """

    path: Path
    version: Release
    soabi: str
    platform: str

    @property
    def version_text(self) -> str:
        """The version with its dots: "3.11.7"."""
        return ".".join(map(str, self.version))

    @property
    def minor(self) -> tuple[int, int]:
        """The version that packages are built for: (3, 11)."""
        return self.version[:2]


def own_interpreter() -> Interpreter:
    """Give the interpreter below the one that runs us, which outlives our own virtual environment."""
    base = str(getattr(sys, "_base_executable", "") or sys.executable)
    version = (sys.version_info.major, sys.version_info.minor, sys.version_info.micro)
    soabi = str(sysconfig.get_config_var("SOABI") or "")
    return Interpreter(Path(base).resolve(), version, soabi, sysconfig.get_platform())


def choose(wish: Sequence[Spec], installed: Iterable[Interpreter], *, own: Interpreter) -> tuple[Interpreter, str]:
    """Pick the interpreter for a wish, with a warning where it is not what was asked for ("" where it is).

    No wish is our own Python. Otherwise, of those that fit: our own, else the newest. Does none fit, one of the same
    minor version (3.8.18 for 3.8.5), else the nearest minor version, the higher of two equally near ones.
    """
    clauses = [clause for spec in wish for clause in spec.clauses]
    if not clauses:
        return own, ""
    known = {interpreter.path: interpreter for interpreter in (*installed, own)}
    all_of_them = sorted(known.values(), key=lambda i: (i.path == own.path, i.version, str(i.path)), reverse=True)
    for length in (3, 2):
        fitting = [i for i in all_of_them if all(_holds(clause, i.version, length=length) for clause in clauses)]
        if fitting:
            return fitting[0], "" if length == 3 else _fallback_text(clauses, fitting[0], all_of_them)
    wanted = _wanted_minor(clauses)
    nearest = min(all_of_them, key=lambda i: (abs(i.minor[1] - wanted), -i.minor[1]))
    return nearest, _fallback_text(clauses, nearest, all_of_them)


def find_interpreters(environ: Mapping[str, str], *, memory: Path) -> list[Interpreter]:
    """Run every Python found on this machine once and give the usable ones.

    environ: PATH, HOME and PYENV_ROOT are looked at. memory: a file that keeps what was found by path and time of
    change, so that the next call starts nothing.
    """
    known = _remembered(memory)
    found: dict[str, list[object]] = {}
    for path in _candidates(environ):
        stat = path.stat()
        stamp = [stat.st_mtime_ns, stat.st_size]
        earlier = known.get(str(path))
        found[str(path)] = earlier if earlier and earlier[:2] == stamp else [*stamp, _probe(path)]
    if found != known:
        write_whole(memory, json.dumps(found, indent=1, sort_keys=True))
    usable = (_interpreter(path, entry[2]) for path, entry in found.items())
    return [interpreter for interpreter in usable if interpreter is not None]


def _holds(clause: Clause, version: Release, *, length: int) -> bool:
    """Judge one clause by as many parts as it and `length` both have: `<=3.10` and `=3.10` take 3.10.13.

    Where parts of the clause are cut off, the border itself is in: `<3.8.5` says nothing against 3.8.
    """
    parts = tuple(int(part) for part in re.findall(r"\d+", clause.version))
    wanted = parts[:length]
    have = version[: len(wanted)]
    is_cut = len(parts) > len(wanted)
    family = parts[:-1][:length]
    outcomes = {
        "=": have == wanted,
        "==": have == wanted,
        "~=": have >= wanted and have[: len(family)] == family,
        "!=": have != wanted or is_cut,
        ">=": have >= wanted,
        "<=": have <= wanted,
        ">": have > wanted or (is_cut and have == wanted),
        "<": have < wanted or (is_cut and have == wanted),
    }
    return outcomes[clause.operator]


def _wanted_minor(clauses: Sequence[Clause]) -> int:
    pinned = [clause for clause in clauses if clause.operator in ("=", "==", "~=")]
    parts = re.findall(r"\d+", (pinned or list(clauses))[0].version)
    return int(parts[1]) if len(parts) > 1 else 0


def _fallback_text(clauses: Sequence[Clause], chosen: Interpreter, installed: Sequence[Interpreter]) -> str:
    wish = ",".join(f"{clause.operator}{clause.version}" for clause in clauses)
    have = ", ".join(".".join(map(str, version)) for version in sorted({i.version for i in installed}))
    return f"This machine has no Python {wish.lstrip('=')}: {chosen.version_text} is used instead (installed: {have})."


def _candidates(environ: Mapping[str, str]) -> list[Path]:
    """Name the files that may be interpreters, each once, links followed, scripts such as pyenv's shims left out."""
    names = ("python3", *(f"python3.{minor}" for minor in range(OLDEST[1], 21)))
    folders = [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
    paths = [folder / name for folder in (*folders, Path("/usr/local/bin"), Path("/usr/bin")) for name in names]
    home = Path(environ.get("HOME") or "/nonexistent")
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    uvs_own = Path(environ.get("XDG_DATA_HOME") or home / ".local/share") / "uv" / "python"
    for versions in (pyenv / "versions", uvs_own):
        paths.extend(sorted(versions.glob("*/bin/python3")))
    real = dict.fromkeys(path.resolve() for path in paths if os.path.isfile(path) and os.access(path, os.X_OK))
    return [path for path in real if not _is_script(path)]


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True  # It can be run but not read: nothing to build on.


def _probe(path: Path) -> object:
    """Ask an interpreter what it is; None for one that cannot be used here."""
    try:
        answer = subprocess.run(
            [str(path), "-I", "-c", _PROBE],
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_LIMIT_S,
            check=True,
        ).stdout
        fits, version, soabi, platform = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return [version, soabi, platform] if fits and tuple(version[:2]) >= OLDEST else None


def _interpreter(path: str, facts: object) -> Interpreter | None:
    if not isinstance(facts, list):
        return None
    (major, minor, patch), soabi, platform = facts
    return Interpreter(Path(path), (int(major), int(minor), int(patch)), str(soabi), str(platform))


def _remembered(memory: Path) -> dict[str, list[object]]:
    """Read what an earlier call found; a file that cannot be read is only a cache lost."""
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
