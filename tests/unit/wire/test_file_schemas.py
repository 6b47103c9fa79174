"""The schemas of YAML files: what the readers take they take, and what is wrong of form both refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.wire.computes import compute_from_yaml
from batchyard.wire.data import data_from_yaml
from batchyard.wire.deployment_files import deployment_from_yaml
from batchyard.wire.documents import load_yaml
from batchyard.wire.endpoints import endpoint_from_yaml
from batchyard.wire.environments import environment_from_yaml
from batchyard.wire.file_schemas import NAMES, file_schema
from batchyard.wire.models import model_from_yaml
from batchyard.wire.pipelines.component_files import component_from_yaml

ROOT = Path(__file__).parents[3]
# By keys that no other noun has; a fragment of a file has none of them.
KINDS = {
    "code_configuration": "deployment",
    "conda_file": "environment",
    "max_instances": "compute",
    "defaults": "endpoint",
}
READERS: Mapping[str, Callable[[Mapping[str, object]], object]] = {
    "component": component_from_yaml,
    "compute": compute_from_yaml,
    "data": data_from_yaml,
    "deployment": deployment_from_yaml,
    "endpoint": endpoint_from_yaml,
    "environment": environment_from_yaml,
    "model": model_from_yaml,
}
LEGACY = {"name": "blue", "endpoint_name": "digits", "model": "azureml:m:1", "compute": "azureml:cpu"}
NEW = {**LEGACY, "type": "model"}
GOOD = [
    ("deployment", {**LEGACY, "mini_batch_size": 10, "retry_settings": {"max_retries": 3, "timeout": 30}}),
    ("deployment", {**NEW, "settings": {"mini_batch_size": "10", "output_action": "AppendRow"}}),
    ("deployment", {**NEW, "settings": {"logging_level": "INFO"}, "tags": {"year": 2026}}),
    ("endpoint", {"name": "digits", "auth_mode": "aad_token", "tags": {"a": 1}}),
    ("model", {"name": "net", "version": 3, "path": "model", "type": "mlflow_model"}),
    ("data", {"name": "images", "path": "images", "type": "uri_folder"}),
    ("compute", {"name": "cpu", "type": "amlcompute", "max_instances": "4"}),
    ("environment", {"name": "env", "conda_file": "conda.yml", "image": "any"}),
    ("component", {"name": "step", "version": "1", "type": "command", "command": "echo"}),
]
WRONG = [
    ("deployment", {**LEGACY, "mini_batch_sizes": 10}),
    ("deployment", {**NEW, "mini_batch_size": "ten", "settings": {}}),
    ("deployment", {**NEW, "settings": {"mini_batch_size": [1]}}),
    ("deployment", {**NEW, "settings": {"output_action": "append_column"}}),
    ("deployment", {**NEW, "settings": {"retry_settings": {"max_retry": 1}}}),
    ("deployment", {**LEGACY, "retry_settings": 3}),
    ("deployment", {k: v for k, v in LEGACY.items() if k != "model"}),
    ("endpoint", {"name": "digits", "default": "blue"}),
    ("endpoint", {"name": "digits", "tags": ["a"]}),
    ("model", {"name": "net", "path": "model", "type": "onnx"}),
    ("data", {"name": "images", "path": {"folder": "x"}}),
    ("compute", {"name": "cpu", "type": "amlcompute", "max_instances": 1.5}),
    ("environment", {"name": "env", "conda_file": "conda.yml", "packages": []}),
    ("component", {"name": "step", "version": "1", "type": "sweep"}),
]


def mistakes(name: str, document: Mapping[str, Any]) -> list[str]:
    """Give what a schema says against a document."""
    return [error.message for error in jsonschema.Draft202012Validator(file_schema(name)).iter_errors(document)]


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(file_schema(name))
    assert mistakes(name, {"no_such_key_at_all": 1}) or name == "component"


@pytest.mark.parametrize(("name", "document"), GOOD)
def test_what_the_reader_takes_the_schema_takes(name: str, document: dict[str, Any]) -> None:
    READERS[name](document)

    assert mistakes(name, document) == []


@pytest.mark.parametrize(("name", "document"), WRONG)
def test_what_is_wrong_of_form_both_refuse(name: str, document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        READERS[name](document)

    assert mistakes(name, document) != []


def test_every_yaml_of_the_examples_and_of_the_docs_is_taken() -> None:
    files = {
        **{str(path): path.read_text() for path in (ROOT / "examples").rglob("*.yml")},
        **{
            f"{path.name}:{block.start()}": block[1]
            for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md")
            for block in re.finditer(r"```ya?ml\n(.*?)```", path.read_text(), re.DOTALL)
        },
    }

    looked_at, refused = [], {}
    for where, text in files.items():
        document = load_yaml(text, subject=where)
        kind = next((name for name in NAMES if Path(where).name.startswith(name) and where.endswith(".yml")), None)
        kind = kind or next((name for key, name in KINDS.items() if key in document and "name" in document), None)
        if kind is None:
            continue
        looked_at.append(where)
        if found := mistakes(kind, document):
            refused[where] = found

    assert len(looked_at) >= 6
    assert refused == {}
