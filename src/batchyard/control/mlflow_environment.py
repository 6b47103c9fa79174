"""The environment that an MLflow model's own files ask for, as a conda file. Pure: reads through a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any  # documents of YAML

import yaml

from batchyard.domain.errors import Mistake

# The text of a file of the model's folder, or None where there is none.
ReadText = Callable[[str], str | None]

DESCRIPTION_FILE = "MLmodel"
_FUNCTION = "python_function"
FILES = ("conda.yaml", "python_env.yaml", "requirements.txt")

# Models that load with mlflow-skinny and what they list themselves. Somebody's own code may use all of mlflow.
_SKINNY_SERVES = frozenset({"mlflow.sklearn", "mlflow.lightgbm", "mlflow.xgboost", "mlflow.onnx"})
# What our script reads files with. All of mlflow brings them; pandas below 3 goes with every mlflow that there is.
_READERS = {"pandas": "pandas<3", "pyarrow": "pyarrow", "pillow": "pillow"}
_FULL = re.compile(r"mlflow\s*(?P<version>==\s*[2-9][\w.]*)?")
_INCLUDED = re.compile(r"(?:-r|--requirement)[\s=]+(\S+)")
_NAME = re.compile(r"(?:\S+::)?([A-Za-z0-9][A-Za-z0-9._-]*)")
_MOST_INCLUDED = 8


@dataclass(frozen=True, slots=True)
class Described:
    """What an MLmodel file says of a model; "" for what it does not say. flavors: names of all, sorted."""

    loader: str = ""
    python: str = ""
    mlflow: str = ""
    flavors: tuple[str, ...] = ()


def describe(text: str) -> Described:
    """Read the text of an MLmodel file; one that cannot be read says nothing."""
    document = _mapping(text)
    flavors = document.get("flavors")
    named = flavors if isinstance(flavors, dict) else {}
    function = named.get(_FUNCTION)
    function = function if isinstance(function, dict) else {}
    return Described(
        loader=_text(function, "loader_module"),
        python=_text(function, "python_version"),
        mlflow=_text(document, "mlflow_version"),
        flavors=tuple(sorted(named)),
    )


def conda_file_of(read: ReadText) -> str | None:
    """Give the conda file of a model's environment: its `conda.yaml`, else `python_env.yaml`, else `requirements.txt`.

    mlflow is mlflow-skinny where that serves, and what our script reads files with is added where it is missing; a
    file that needs neither comes back as it is, as does one that cannot be read, which the build refuses with reasons.
    Returns: None where the model has none of these files.
    """
    described = describe(read(DESCRIPTION_FILE) or "")
    text = read("conda.yaml")
    if text is not None:
        document = _mapping(text)
        return text if not _complete(document, described) else _dump(document)
    lines = _lines_of_python_env(read)
    python = described.python
    if lines is None:
        lines = _lines(read, "requirements.txt", depth=0)
    else:
        python = _text(_mapping(read("python_env.yaml") or ""), "python")
    if lines is None:
        return None
    document = {"dependencies": [*([f"python={python}"] if python else []), "pip", {"pip": lines}]}
    _complete(document, described)
    return _dump(document)


def missing(model: str) -> Mistake:
    """Say that a model brings no environment. model: how the message calls it."""
    names = ", ".join(FILES)
    return Mistake("environment", f"nothing, and {model} has none of {names}", "an environment that has mlflow")


def flavor_mistakes(described: Described, model: str) -> list[Mistake]:
    """Say that a model cannot be loaded by `mlflow.pyfunc`, where its MLmodel file says so."""
    if not described.flavors or _FUNCTION in described.flavors:
        return []
    found = f"{model} with the flavors {', '.join(described.flavors)}"
    return [Mistake("model", found, f"one with the flavor {_FUNCTION}", "Or give a script that loads it otherwise.")]


def _lines_of_python_env(read: ReadText) -> list[str] | None:
    """Give the requirements of a `python_env.yaml`; what it builds packages with is of no use here."""
    text = read("python_env.yaml")
    wanted = None if text is None else _mapping(text).get("dependencies")
    if not isinstance(wanted, list):
        return None
    return _expanded([line for line in wanted if isinstance(line, str)], read, depth=0)


def _lines(read: ReadText, name: str, *, depth: int) -> list[str] | None:
    text = read(name)
    return None if text is None else _expanded(text.splitlines(), read, depth=depth)


def _expanded(lines: Iterable[str], read: ReadText, *, depth: int) -> list[str]:
    """Give requirements without comments, with those of the files that are named by `-r` in their places."""
    found: list[str] = []
    for line in lines:
        wanted = re.sub(r"(^|\s)#.*$", "", line).strip()
        included = _INCLUDED.fullmatch(wanted)
        more = _lines(read, included[1], depth=depth + 1) if included and depth < _MOST_INCLUDED else None
        found += more if more is not None else [wanted] if wanted else []
    return found


def _complete(document: dict[str, Any], described: Described) -> bool:
    """Put into a conda document what scoring needs; tell whether anything changed. mlflow in full has it all."""
    dependencies = document.get("dependencies")
    if not isinstance(dependencies, list):
        return False
    pip = next((entry["pip"] for entry in dependencies if _is_pip(entry)), None)
    if pip is None:
        pip = []
        dependencies += ["pip", {"pip": pip}] if "pip" not in dependencies else [{"pip": pip}]
    before = list(pip)
    if described.loader in _SKINNY_SERVES:
        pip[:] = [_skinny(line) for line in pip]
    names = {_name(line) for line in (*dependencies, *pip) if isinstance(line, str)}
    if "mlflow" not in names:
        if "mlflow-skinny" not in names:
            pip.append(f"mlflow-skinny=={described.mlflow}" if described.mlflow else "mlflow-skinny")
        pip += [line for name, line in _READERS.items() if name not in names]
    return pip != before


def _is_pip(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("pip"), list)


def _skinny(line: object) -> object:
    """Give mlflow-skinny of the same version for mlflow, from 2 on: its older versions are packed otherwise."""
    found = _FULL.fullmatch(line.strip()) if isinstance(line, str) else None
    return line if found is None else f"mlflow-skinny{found['version'] or ''}"


def _name(line: str) -> str:
    found = _NAME.match(line.strip())
    return "" if found is None else re.sub(r"[-_.]+", "-", found[1]).lower()


def _text(document: Mapping[str, Any], key: str) -> str:
    found = document.get(key)
    return found if isinstance(found, str) else ""


def _mapping(text: str) -> dict[str, Any]:
    """Read YAML; what is none, or no mapping, is empty."""
    try:
        # Scalars stay text: a `python: 3.10` is not the number 3.1.
        document = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False, width=1000)
