"""Reading a definition: a conda file becomes requirements, a wish for Python, notes and every mistake. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from batchyard.domain.errors import Mistake, near_names
from batchyard.environments.conda import (
    ReviewedNames,
    Spec,
    has_plain_versions,
    is_known_channel,
    parse_spec,
    requirement,
)
from batchyard.environments.pip_lines import PipLine, read_pip_line

KNOWN_KEYS = ("name", "channels", "dependencies", "variables", "prefix")

# Aliases share one value, so a few lines can mean billions of them.
_MOST_VALUES = 100_000
_SPEC_ALLOWED = "a conda spec like numpy, numpy=1.24, numpy==1.24.3 or numpy>=1.20,<2"


@dataclass(frozen=True, slots=True)
class Definition:
    """What is to be installed.

    requirements: PEP 508 lines, sorted, each once. python: the clauses on Python's version, all to hold; () for ours.
    notes: what the definition asks for and will not get, one sentence each.
    """

    requirements: tuple[str, ...] = ()
    python: tuple[Spec, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What was found so far; lists because a conda file is read in one pass."""

    names: ReviewedNames
    requirements: set[str] = field(default_factory=set)
    python: list[Spec] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    builds: list[str] = field(default_factory=list)


def read_definition(conda_file: str | None, *, names: ReviewedNames) -> tuple[Definition, list[Mistake]]:
    """Read the YAML text of a conda file; None and an empty text are an empty environment.

    Returns: the definition and every mistake; with mistakes the definition is not to be built.
    """
    document, mistake = _load(conda_file or "")
    if mistake is not None:
        return Definition(), [mistake]
    reading = _Reading(names)
    for key in document:
        if key not in KNOWN_KEYS:
            reading.mistakes.append(_unknown_key(str(key)))
    _read_dependencies(document.get("dependencies"), reading)
    _note_channels(document.get("channels"), reading)
    if document.get("variables"):
        reading.notes.append(
            "The conda file's variables are not set; put them into the deployment's environment_variables."
        )
    return _definition(reading), reading.mistakes


def _definition(reading: _Reading) -> Definition:
    notes = list(reading.notes)
    notes.extend(f"Left out: {', '.join(sorted(names))} ({why})." for why, names in reading.left_out.items())
    if reading.builds:
        notes.append(f"Build strings were dropped: {', '.join(sorted(reading.builds))}.")
    return Definition(tuple(sorted(reading.requirements)), tuple(reading.python), tuple(notes))


def _load(text: str) -> tuple[Mapping[object, object], Mistake | None]:
    try:
        document = yaml.safe_load(text)
    except (ValueError, LookupError, AttributeError, RecursionError) as exc:
        # What PyYAML itself stumbles over: `!!bool x`, `!!timestamp x`, thousands of brackets.
        found = f"a value that cannot be read ({type(exc).__name__})"
        return {}, Mistake("conda_file", found, "the YAML text of a conda file")
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        problem = getattr(exc, "problem", None) or "unreadable text"
        return {}, Mistake("conda_file", f"{problem}{place}", "the YAML text of a conda file")
    if document is None:
        return {}, None
    if not isinstance(document, dict):
        return {}, Mistake("conda_file", type(document).__name__, "a mapping with dependencies")
    if _values(document, {}) > _MOST_VALUES:
        return {}, Mistake("conda_file", "aliases without end", f"at most {_MOST_VALUES} values")
    return document, None


def _values(value: object, counted: dict[int, int]) -> int:
    """Count the values of a document as if each alias were written out, which messages about it do."""
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if id(value) not in counted:
        # A list that contains itself has no end.
        counted[id(value)] = _MOST_VALUES + 1
        children = [*value, *value.values()] if isinstance(value, dict) else list(value)
        counted[id(value)] = 1 + sum(_values(child, counted) for child in children)
    return counted[id(value)]


def _unknown_key(key: str) -> Mistake:
    close = near_names(key, KNOWN_KEYS)
    remedy = f"Did you mean {close[0]!r}?" if close else ""
    return Mistake(f"conda_file.{key}", f"the unknown key {key!r}", f"one of {', '.join(KNOWN_KEYS)}", remedy)


def _note_channels(channels: object, reading: _Reading) -> None:
    """Channels are never asked; one that may hold other packages under a reviewed name is worth a note."""
    if channels is None:
        return
    if not isinstance(channels, list):
        reading.mistakes.append(Mistake("conda_file.channels", repr(channels), "a list of channel names"))
        return
    others = [str(channel) for channel in channels if not is_known_channel(str(channel))]
    if others:
        reading.notes.append(f"The channels {', '.join(others)} are not asked: packages come from the Python index.")


def _read_dependencies(dependencies: object, reading: _Reading) -> None:
    if dependencies is None:
        return
    if not isinstance(dependencies, list):
        found = f"{type(dependencies).__name__} {dependencies!r}"
        reading.mistakes.append(Mistake("conda_file.dependencies", found, "a list"))
        return
    for number, entry in enumerate(dependencies):
        place = f"conda_file.dependencies[{number}]"
        if isinstance(entry, str):
            _read_spec(entry, place, reading)
        elif isinstance(entry, dict) and set(entry) == {"pip"}:
            _read_pip(entry["pip"], f"{place}.pip", reading)
        else:
            reading.mistakes.append(Mistake(place, repr(entry), f"{_SPEC_ALLOWED}, or a list under pip:"))


def _read_spec(text: str, place: str, reading: _Reading) -> None:
    spec = parse_spec(text)
    if spec is None:
        reading.mistakes.append(Mistake(place, repr(text), _SPEC_ALLOWED))
        return
    if spec.channel and not is_known_channel(spec.channel):
        found = f"{text!r} from the channel {spec.channel!r}"
        remedy = "Put it under pip: if the Python index has it."
        reading.mistakes.append(Mistake(place, found, "a package of a public channel", remedy))
        return
    if spec.name == "python":
        _read_python(spec, text, place, reading)
    elif spec.name == "pip":
        # Conda installs pip where it is named, and some libraries look for it. Its version matters to nobody: the
        # packages are not installed by it.
        reading.requirements.add("pip")
    elif not _left_out(spec.name, reading):
        _read_package(spec, text, place, reading)


def _read_python(spec: Spec, text: str, place: str, reading: _Reading) -> None:
    if not has_plain_versions(spec):
        reading.mistakes.append(Mistake(place, repr(text), "a Python version like python=3.10 or python>=3.9"))
    elif any(not c.version.startswith("3") for c in spec.clauses if c.operator in ("=", "==", "~=")):
        reading.mistakes.append(Mistake(place, repr(text), "Python 3", "Python 2 scripts cannot be run."))
    else:
        reading.python.append(spec)


def _left_out(name: str, reading: _Reading) -> bool:
    """Note a name that is not installed at all, and tell so."""
    why = reading.names.ignored.get(name) or reading.names.left_out.get(name)
    if why is None:
        return False
    reading.left_out.setdefault(why, []).append(name)
    return True


def _read_package(spec: Spec, text: str, place: str, reading: _Reading) -> None:
    pypi = reading.names.pypi.get(spec.name)
    if pypi is None:
        found = f"{text!r}, a conda name that has not been reviewed"
        remedy = f"Put {spec.name!r} under pip: if the Python index has it under that name."
        reading.mistakes.append(Mistake(place, found, "a name of the reviewed table (conda_names.toml)", remedy))
    elif not has_plain_versions(spec):
        reading.mistakes.append(Mistake(place, repr(text), f"{_SPEC_ALLOWED} with a version that PyPI could have"))
    else:
        reading.requirements.add(requirement(spec, pypi))
        if spec.build:
            reading.builds.append(f"{spec.name} {spec.build}")


def _read_pip(lines: object, place: str, reading: _Reading) -> None:
    if lines is None:
        return
    if not isinstance(lines, list):
        reading.mistakes.append(Mistake(place, repr(lines), "a list of requirements"))
        return
    reading.requirements.add("pip")
    for number, line in enumerate(lines):
        if not isinstance(line, str):
            reading.mistakes.append(Mistake(f"{place}[{number}]", repr(line), "a requirement as text"))
            continue
        read = read_pip_line(line, field=f"{place}[{number}]")
        if isinstance(read, Mistake):
            reading.mistakes.append(read)
        elif isinstance(read, PipLine) and not _is_azures(read.name, reading):
            reading.requirements.add(read.text)


def _is_azures(name: str, reading: _Reading) -> bool:
    """Note a PyPI package that only Azure's run-time needs; conda's ignored names mean nothing under pip."""
    why = reading.names.left_out.get(name)
    if why is None:
        return False
    reading.left_out.setdefault(why, []).append(name)
    return True
