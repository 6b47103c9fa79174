"""JSON schemas of the YAML files, made from the shapes that read them: for editors, and for whoever writes such files.

A schema takes what its reader takes of form; names that exist nowhere and limits of numbers are told by the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from batchyard.wire.computes import ComputeFile
from batchyard.wire.data import DataFile
from batchyard.wire.deployment_files import DeploymentFile
from batchyard.wire.deployment_settings import SettingsYaml
from batchyard.wire.endpoints import EndpointFile
from batchyard.wire.environments import EnvironmentFile
from batchyard.wire.invocations import InvocationFile
from batchyard.wire.models import ModelFile
from batchyard.wire.pipelines.component_files import COMPONENT_TYPES, ComponentHead
from batchyard.wire.pipelines.deployments import PipelineDeploymentFile
from batchyard.wire.pipelines.job_files import PipelineJobFile
from batchyard.wire.schedule_files import ScheduleFile
from batchyard.wire.shapes import YamlShape
from batchyard.wire.workspaces import WorkspaceFile

Schema = dict[str, Any]  # Any: a JSON schema

_FILES: Mapping[str, type[YamlShape]] = {
    "component": ComponentHead,
    "compute": ComputeFile,
    "data": DataFile,
    "deployment": DeploymentFile,
    "endpoint": EndpointFile,
    "environment": EnvironmentFile,
    "invocation": InvocationFile,
    "job": PipelineJobFile,
    "model": ModelFile,
    "schedule": ScheduleFile,
    "workspace": WorkspaceFile,
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

NAMES = tuple(_FILES)
"""What there are schemas of: the nouns whose commands take `--file`, and the invocation of a model."""


def file_schema(name: str) -> Schema:
    """Give the schema of a noun's YAML file. name: one of `NAMES`; KeyError for others."""
    schema = _of_shape(_FILES[name])
    if name == "deployment":
        schema = _either_generation(schema)
    if name == "component":
        # A definition is kept to the letter; only its head is read.
        schema["additionalProperties"] = True
        schema["properties"]["type"] = {"enum": list(COMPONENT_TYPES)}
    return {"$schema": _DIALECT, "$id": f"batchyard:{name}", **schema}


def _of_shape(shape: type[YamlShape]) -> Schema:
    schema: Schema = _plain(shape.model_json_schema(mode="validation"))
    return schema


def _either_generation(new: Schema) -> Schema:
    """Take deployments of pipelines, and the legacy form of models: no `type`, settings at the root."""
    settings, pipeline = _of_shape(SettingsYaml), _of_shape(PipelineDeploymentFile)
    old = {key: value for key, value in new["properties"].items() if key not in ("type", "settings")}
    rest = {key: value for key, value in new.items() if key not in ("properties", "title", "description")}
    legacy = {**rest, "properties": {**settings["properties"], **old}, "not": {"required": ["settings"]}}
    of_model = {
        "required": ["model", "compute"],
        "if": {"anyOf": [{"required": ["type"]}, {"required": ["settings"]}]},
        "then": {key: value for key, value in new.items() if key not in ("$defs", "title", "description")},
        "else": {key: value for key, value in legacy.items() if key != "$defs"},
    }
    return {
        "$defs": {**settings.get("$defs", {}), **new.get("$defs", {}), **pipeline.get("$defs", {})},
        "title": new["title"],
        "description": "The YAML of a deployment: settings under `settings`, or at the root where there is no `type`.",
        "type": "object",
        "if": {"required": ["type"], "properties": {"type": {"pattern": "^[Pp][Ii][Pp][Ee][Ll][Ii][Nn][Ee]$"}}},
        "then": {key: value for key, value in pipeline.items() if key not in ("$defs", "title", "description")},
        "else": of_model,
    }


def _plain(schema: Any) -> Any:  # Any: a piece of a schema
    """Take the readers' leniency in, and pydantic's titles and defaults out."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _plain(value) for key, value in schema.items() if key != "default"}
    if isinstance(found.get("enum"), list):
        return {
            "description": found.get("description", ""),
            "anyOf": [{"enum": found["enum"]}, _in_any_case(found["enum"])],
        }
    return found


def _in_any_case(words: list[str]) -> Schema:
    """Match what `shapes.one_of` reads: any case, any joint between the words."""
    letters = ["".join(_letter(sign) for sign in re.sub(r"[-_\s]", "", word)) for word in words]
    return {"type": "string", "pattern": f"^[-_\\s]*({'|'.join(letters)})$"}


def _letter(sign: str) -> str:
    either = f"[{sign.lower()}{sign.upper()}]" if sign.isalpha() else re.escape(sign)
    return either + r"[-_\s]*"
