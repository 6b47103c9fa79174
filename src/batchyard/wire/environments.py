"""Environments: ARM's environment version, the YAML of A.6, and what `environment show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from batchyard.domain.assets import Environment, EnvironmentBuild, definition_sha256
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Scope
from batchyard.wire.assets import VersionShape, version_cli, version_mistakes, version_to_arm
from batchyard.wire.documents import load_yaml
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.mistakes import merged, renamed, shown
from batchyard.wire.shapes import (
    ArmShape,
    NoEffect,
    ReadOnly,
    Text,
    TextMap,
    YamlShape,
    name_missing,
    notes_of,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import at, sorted_keys, text_at, without_empty

_ARM_NAMES = {"image": "properties.image", "build": "properties.build", "os_type": "properties.osType"}


@dataclass(frozen=True, slots=True)
class EnvironmentYaml:
    """An environment as its YAML file, or a deployment inline, writes it.

    name: "" only inline. version: None takes the next number. At most one of conda_file_path (as written, relative to
    the YAML file: the caller reads it) and conda_file_text (it stood inline) is set.
    """

    name: str
    version: str | None
    image: str | None = None
    conda_file_path: str | None = None
    conda_file_text: str | None = None
    os_type: str = "linux"
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class EnvironmentFile(YamlShape):
    """The YAML of an environment."""

    name: Text | None = None
    version: Text | None = None
    image: Text | None = None
    # A path or the conda file itself.
    conda_file: object = None
    build: object = None
    os_type: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    inference_config: NoEffect = None
    datastore: NoEffect = None
    id: ReadOnly = None
    creation_context: ReadOnly = None
    latest_version: ReadOnly = None
    is_anonymous: ReadOnly = None
    is_archived: ReadOnly = None
    environment_build: ReadOnly = None
    sha256: ReadOnly = None


class _Properties(VersionShape):
    image: Text | None = None
    conda_file: Text | None = None
    build: object = None
    os_type: Text | None = None


class EnvironmentBody(ArmShape):
    """The body of a PUT of an environment's version."""

    properties: _Properties | None = None


def environment_from_arm(name: str, version: str | None, body: Mapping[str, object]) -> Environment:
    """Read the body of a PUT; version "" takes the next number. Raises: InvalidInput with all mistakes."""
    shape, mistakes = read_shape(EnvironmentBody, body)
    given = shape.properties or _Properties()
    environment = Environment(
        name=name,
        version=version or "",
        image=given.image or None,
        conda_file=given.conda_file or None,
        os_type=(given.os_type or "linux").lower(),
        description=given.description or "",
        tags=given.tags or {},
        properties=given.properties or {},
        is_anonymous=bool(given.is_anonymous),
        is_archived=bool(given.is_archived),
    )
    has_packages = bool(environment.image or environment.conda_file)
    ours = _definition_mistakes(has_packages, build=given.build, os_type=environment.os_type)
    ours = renamed(ours, _ARM_NAMES) + version_mistakes("environment", name, version or None)
    raise_mistakes(f"Environment {name!r}", merged(mistakes, ours))
    return environment


def environment_to_arm(scope: Scope, environment: Environment, meta: StoredMeta) -> dict[str, object]:
    """Give an environment version as GET answers it.

    Ours: properties.sha256, of the definition; properties.environmentBuild {sha256, pythonVersion, packages, warnings},
    or null. (`build` itself is Azure's word for a Docker build context.)
    """
    properties = {
        **_definition(environment),
        "sha256": definition_sha256(environment),
        "environmentType": "UserCreated",
        "provisioningState": "Succeeded",
        "environmentBuild": build_to_arm(environment.build),
    }
    name, version = environment.name, environment.version
    return arm_envelope(scope, "environments", name, "versions", version, properties=properties, meta=meta)


def build_to_arm(build: EnvironmentBuild | None) -> dict[str, object] | None:
    """Give a built environment: its hash, Python, packages and warnings; None before it was built."""
    if build is None:
        return None
    return {
        "sha256": build.sha256,
        "pythonVersion": build.python_version,
        "packages": list(build.packages),
        "warnings": list(build.warnings),
    }


def build_cli_from_arm(build: object) -> dict[str, object] | None:
    """Give a built environment as the command line prints it."""
    names = {"sha256": "sha256", "python_version": "pythonVersion", "packages": "packages", "warnings": "warnings"}
    return {name: at(build, key) for name, key in names.items()} if isinstance(build, Mapping) else None


def environment_from_yaml(document: Mapping[str, object]) -> EnvironmentYaml:
    """Read a YAML document. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    environment, mistakes = read_environment_yaml(document)
    # A mistake of the whole document, as a conda file in its place, has no field: what else is missing says nothing.
    if not any(mistake.field == "" for mistake in mistakes):
        mistakes = merged(mistakes, name_missing("environment", environment.name))
    raise_mistakes(f"Environment {environment.name!r}", mistakes)
    return environment


def read_environment_yaml(document: object, *, prefix: str = "") -> tuple[EnvironmentYaml, list[Mistake]]:
    """Read as much as can be read, with all mistakes; a missing name is none, as a deployment may leave it out."""
    if isinstance(document, Mapping) and {"channels", "dependencies"} & document.keys():
        return EnvironmentYaml(str(document.get("name") or ""), None), [_conda_file_given(document, prefix)]
    shape, mistakes = read_shape(EnvironmentFile, document, prefix=prefix)
    path, text, conda_mistakes = _conda_file(shape.conda_file, field=f"{prefix}conda_file")
    environment = EnvironmentYaml(
        name=shape.name or "",
        version=shape.version,
        image=shape.image or None,
        conda_file_path=path,
        conda_file_text=text,
        os_type=(shape.os_type or "linux").lower(),
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
        notes=notes_of(shape, prefix=prefix),
    )
    has_packages = bool(environment.image or shape.conda_file)
    ours = conda_mistakes + version_mistakes("environment", shape.name or "unnamed", shape.version, prefix=prefix)
    ours += _definition_mistakes(has_packages, build=shape.build, os_type=environment.os_type, prefix=prefix)
    return environment, merged(mistakes, ours)


def environment_to_arm_body(environment: Environment) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    return {"properties": _definition(environment)}


def environment_yaml_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give the YAML document of a registered environment, to patch with `--set` and read again."""
    shown_keys = ("name", "version", "image", "conda_file", "os_type", "description", "tags", "properties")
    printed = environment_cli_from_arm(arm)
    # The text itself, not what it means: a version whose conda file changed in its comments alone is another content.
    printed["conda_file"] = text_at(arm, "properties", "condaFile")
    return without_empty({key: printed[key] for key in shown_keys})


def environment_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `environment show` prints: snake_case, sorted, the same keys always; conda_file as a mapping."""
    return sorted_keys(
        {
            **version_cli(arm),
            "image": at(arm, "properties", "image"),
            "conda_file": _parsed(text_at(arm, "properties", "condaFile")),
            "os_type": text_at(arm, "properties", "osType").lower() or "linux",
            "sha256": at(arm, "properties", "sha256"),
            "environment_build": build_cli_from_arm(at(arm, "properties", "environmentBuild")),
        }
    )


def _definition(environment: Environment) -> dict[str, object]:
    return {
        **version_to_arm(environment),
        "image": environment.image,
        "condaFile": environment.conda_file,
        "osType": environment.os_type.capitalize(),
    }


def _conda_file(value: object, *, field: str) -> tuple[str | None, str | None, list[Mistake]]:
    """Tell a path from a conda file written inline: (path, text, mistakes)."""
    if value is None:
        return None, None, []
    if isinstance(value, str) and value:
        return (None, value, []) if "\n" in value else (value, None, [])
    if isinstance(value, Mapping) and value:
        return None, yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True), []
    return None, None, [Mistake(field, shown(value), "the path of a conda file, or a mapping with its dependencies")]


def _definition_mistakes(has_packages: bool, *, build: object, os_type: str, prefix: str = "") -> list[Mistake]:
    mistakes = []
    if build is not None:
        remedy = "Building images is not supported by this version; list the packages in a conda file."
        mistakes.append(Mistake(f"{prefix}build", shown(build), "image, conda_file, or both", remedy))
    elif not has_packages:
        remedy = "Give conda_file the path of a conda file."
        mistakes.append(Mistake(f"{prefix}image", "neither image nor conda_file", "one of them, or both", remedy))
    if os_type != "linux":
        mistakes.append(Mistake(f"{prefix}os_type", shown(os_type), "linux"))
    return mistakes


def _conda_file_given(document: Mapping[str, object], prefix: str) -> Mistake:
    found = ", ".join(sorted({"channels", "dependencies"} & document.keys()))
    remedy = "Keep it as it is: name it with `conda_file: FILE` in an environment's YAML, or with `--conda-file FILE`."
    return Mistake(prefix.rstrip("."), f"a conda file (it has {found})", "an environment", remedy)


def _parsed(conda_file: str) -> object:
    """Give a conda file as a mapping where it is one, else its text; None for none."""
    if not conda_file:
        return None
    try:
        return load_yaml(conda_file, subject="conda_file")
    except InvalidInput:
        return conda_file
