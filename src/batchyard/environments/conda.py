"""Conda's package specs and the reviewed table of names: text in, PyPI requirements out. Reads no conda channel."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION = r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?"
KNOWN_CHANNELS = frozenset(
    {"defaults", "main", "pkgs/main", "anaconda", "conda-forge", "pytorch", "nvidia", "nodefaults"}
)

_SPEC = re.compile(r"(?:(?P<channel>\S+?)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)(?P<rest>(?:[\s=<>!~].*)?)")
_CLAUSE = re.compile(r"(?P<operator>==|!=|~=|>=|<=|=|>|<|)\s*(?P<version>[^\s=<>!~]+)")
_EXACT_WITH_BUILD = re.compile(r"(?:==?)\s*(?P<version>[^\s=,]+)=(?P<build>[^\s=,]+)")
_SPACED = re.compile(r"(?P<version>[^\s=<>!~,]+)\s+(?P<build>[^\s=<>!~,]+)")


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on a version. operator: `=` (conda's prefix match), `==`, `!=`, `~=`, `>=`, `<=`, `>` or `<`."""

    operator: str
    version: str


@dataclass(frozen=True, slots=True)
class Spec:
    """One line under `dependencies`. channel and build: "" when not given. name: as `canonical` gives it."""

    channel: str
    name: str
    clauses: tuple[Clause, ...]
    build: str


@dataclass(frozen=True, slots=True)
class PyPIName:
    """The PyPI project of a conda name. has_more_parts: its releases have more version parts than conda's."""

    name: str
    has_more_parts: bool = False


@dataclass(frozen=True, slots=True)
class ReviewedNames:
    """The table of `conda_names.toml`; every key is canonical. ignored and left_out: name to the reason shown."""

    pypi: Mapping[str, PyPIName]
    ignored: Mapping[str, str]
    left_out: Mapping[str, str]


def reviewed_names() -> ReviewedNames:
    """Read the table that ships with the package."""
    table = tomllib.loads(Path(__file__).with_name("conda_names.toml").read_text(encoding="utf-8"))
    return ReviewedNames(
        pypi={canonical(name): _pypi_name(entry) for name, entry in table["pypi"].items()},
        ignored={canonical(name): note for name, note in table["ignored"].items()},
        left_out={canonical(name): note for name, note in table["left_out"].items()},
    )


def canonical(name: str) -> str:
    """Give the spelling under which a name is looked up: lower case, runs of `-`, `_` and `.` as one `-`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_spec(text: str) -> Spec | None:
    """Read one conda spec; None where it is not one that can be translated (`|`, brackets, regular expressions)."""
    match = _SPEC.fullmatch(text.strip())
    if match is None or "|" in text or "[" in text or "^" in text:
        return None
    version_text, build = _without_build(match["rest"].strip())
    clauses: list[Clause] = []
    for part in version_text.split(",") if version_text else []:
        found = _CLAUSE.fullmatch(part.strip())
        if found is None:
            return None
        clauses.extend(_clause(found["operator"], found["version"]))
    return Spec(match["channel"] or "", canonical(match["name"]), tuple(clauses), build)


def has_plain_versions(spec: Spec) -> bool:
    """Tell whether every version is one that PyPI could have as well."""
    return all(re.fullmatch(VERSION, clause.version) for clause in spec.clauses)


def is_known_channel(channel: str) -> bool:
    """Tell whether the reviewed table speaks for this channel; `conda-forge/linux-64` is conda-forge."""
    return re.sub(r"/(linux|osx|win)-\w+$|/noarch$", "", channel) in KNOWN_CHANNELS


def requirement(spec: Spec, pypi: PyPIName) -> str:
    """Give the PEP 508 line for a spec: `numpy=1.24` is `numpy==1.24.*`, `numpy==1.24.3` stays."""
    return pypi.name + ",".join(_specifier(clause, pypi) for clause in spec.clauses)


def _specifier(clause: Clause, pypi: PyPIName) -> str:
    is_prefix = clause.operator == "=" or (clause.operator == "==" and pypi.has_more_parts)
    # A pre-release has no prefix form in PEP 440; taken exactly it is what the author meant.
    if is_prefix and re.fullmatch(r"[\d.]+", clause.version):
        return f"=={clause.version}.*"
    return f"{'==' if is_prefix else clause.operator}{clause.version}"


def _without_build(rest: str) -> tuple[str, str]:
    """Split off the build string, which names one binary of one channel: `=1.24.3=py310_0` or ` 1.24.3 py310_0`."""
    for pattern in (_EXACT_WITH_BUILD, _SPACED):
        match = pattern.fullmatch(rest)
        if match is not None:
            return f"=={match['version']}", "" if match["build"] == "*" else match["build"]
    return rest, ""


def _clause(operator: str, version: str) -> list[Clause]:
    """Give the clause in our operators, nothing for `*`."""
    plain = re.sub(r"\.?\*$", "", version)
    if not plain:
        return []
    is_prefix = plain != version and operator in ("", "=", "==")
    return [Clause("=" if is_prefix else operator or "==", plain)]


def _pypi_name(entry: str | dict[str, object]) -> PyPIName:
    if isinstance(entry, str):
        return PyPIName(entry)
    return PyPIName(str(entry["name"]), has_more_parts=bool(entry["parts"]))
