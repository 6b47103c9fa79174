"""Versioned, immutable things that deployments and invocations refer to: models, environments, code, data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class AssetKind(Enum):
    """The versioned kinds; the value is the ARM collection."""

    MODEL = "models"
    ENVIRONMENT = "environments"
    CODE = "codes"
    DATA = "data"
    COMPONENT = "components"

    @property
    def noun(self) -> str:
        """The word for one of them in messages."""
        return {"data": "data asset"}.get(self.value, self.value.removesuffix("s"))


class ModelType(Enum):
    """How a model's files are to be read."""

    CUSTOM = "custom_model"
    MLFLOW = "mlflow_model"
    TRITON = "triton_model"


class DataType(Enum):
    """What a data asset names: the value is Azure's word."""

    FOLDER = "uri_folder"
    FILE = "uri_file"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes in the content-addressed store; the hash is ours and covers names, executable bits and contents.

    sha256: hex digest of the tree, the key in the store. files: how many. size_bytes: their sum.
    """

    sha256: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class EnvironmentBuild:
    """A built environment: content-addressed by its lock and Python.

    sha256: key in the environment cache. python_version: of the interpreter used ("3.11.7").
    warnings: shown with the environment (a Python that fell back, packages left out).
    """

    sha256: str
    python_version: str
    packages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model version.

    uri: where it was registered from. sealed: its bytes; the registered file or folder keeps its own name at the
    top of the tree, so that `AZUREML_MODEL_DIR/<name>` is found where scripts look for it (Azure: C.16).
    """

    name: str
    version: str
    type: ModelType
    uri: str
    sealed: Sealed
    flavors: Mapping[str, object] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """A registered environment version: what to install, as the user wrote it.

    image: container image, kept and shown; until containers are supported an environment with an image runs on the
    machine's own Python, said in a warning. conda_file: the YAML text of the conda file, or None.
    build: the newest successful build, or None before a deployment asked for one.
    """

    name: str
    version: str
    image: str | None = None
    conda_file: str | None = None
    os_type: str = "linux"
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_archived: bool = False
    build: EnvironmentBuild | None = None


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """A registered folder of code; the files stand at the top of the sealed tree."""

    name: str
    version: str
    uri: str
    sealed: Sealed
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = True
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class DataAsset:
    """A registered name for data: where it lies, and whether that is a file or a folder.

    # Azure: a pointer. The bytes are not sealed, as what is scored may be too large to be kept twice; a job's own
    # frozen listing says what was there.
    """

    name: str
    version: str
    type: DataType
    uri: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_archived: bool = False


# Azure: the name under which its clients register components that nobody named.
ANONYMOUS_COMPONENT = "azureml_anonymous"


@dataclass(frozen=True, slots=True)
class Component:
    """A registered component: a step, or a pipeline of steps.

    spec: its definition as it was given, kept to the letter.
    """

    name: str
    version: str
    spec: Mapping[str, object] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_archived: bool = False


Asset = Model | Environment | CodeVersion | DataAsset | Component


def definition_sha256(asset: Environment | DataAsset | Component) -> str:
    """Give the hash of what a version says, which never changes: equal hashes, equal definitions.

    Not of tags, description, properties or archiving, which may change, nor of the bytes that a data asset points at:
    those are not kept (models and code have the hash of their bytes, `Sealed.sha256`).
    """
    match asset:
        case Environment():
            said: object = {"image": asset.image, "conda_file": asset.conda_file, "os_type": asset.os_type}
        case DataAsset():
            said = {"type": asset.type.value, "uri": asset.uri}
        case Component():
            said = dict(asset.spec)
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def next_version(versions: list[str]) -> str:
    """Give the next number after the highest numeric version, "1" when there is none (Azure: auto-increment)."""
    numbers = [int(v) for v in versions if v.isdecimal()]
    return str(max(numbers, default=0) + 1)


@dataclass(frozen=True, slots=True)
class ModelDraft:
    """A model as somebody asks to register it; version None takes the next number."""

    name: str
    version: str | None
    type: ModelType
    uri: str
    flavors: Mapping[str, object] = field(default_factory=dict)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class CodeDraft:
    """A code folder as somebody asks to register it. uri: of the uploaded folder."""

    name: str
    version: str
    uri: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = True
    is_archived: bool = False
