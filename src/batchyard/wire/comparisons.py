"""Documents as subjects and fields that can be compared: defaults filled, ids left out, one spelling of each value.

A document comes here settled: what it names on this machine, or in a workspace without a name of its own, stands in it
by its content (`by_content`). Both generations of a deployment's YAML give the same fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from batchyard.domain.deployments import DeploymentKind
from batchyard.domain.differences import Fields, Subject
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference, parse_arm_id, parse_datastore_uri
from batchyard.wire.computes import compute_from_yaml, compute_to_yaml
from batchyard.wire.data import data_from_yaml
from batchyard.wire.deployment_files import DeploymentYaml, deployment_from_yaml
from batchyard.wire.documents import load_yaml
from batchyard.wire.endpoints import endpoint_from_yaml, endpoint_to_yaml
from batchyard.wire.environments import EnvironmentYaml, environment_from_yaml
from batchyard.wire.models import ModelYaml, model_from_yaml
from batchyard.wire.pipelines.component_files import component_from_yaml
from batchyard.wire.references import short_form
from batchyard.wire.schedule_files import schedule_cli_from_arm, schedule_from_yaml, schedule_to_arm_body
from batchyard.wire.schema_nouns import noun_of_schema
from batchyard.wire.settings_rendering import settings_cli_from_arm, settings_to_arm

Subjects = dict[Subject, Fields]

_UPLOADED = re.compile(r"LocalUpload/([0-9a-f]{16,})(?:/(.*))?")
# What the server adds to a document of any noun; no file decides it.
_READ_ONLY = frozenset(
    (
        "$schema",
        "id",
        "name",
        "version",
        "creation_context",
        "provisioning_state",
        "is_archived",
        "is_anonymous",
        "latest_version",
        "is_default",
        "sha256",
    )
)
_TYPES = {
    **dict.fromkeys(("custom_model", "mlflow_model", "triton_model"), "model"),
    **dict.fromkeys(("uri_file", "uri_folder", "mltable"), "data"),
    **dict.fromkeys(("azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2"), "datastore"),
    "amlcompute": "compute",
}
# The first of these keys that a document has tells its noun, where neither schema nor type does.
_KEYS = (
    ("endpoint_name", "batch-deployment"),
    ("code_configuration", "batch-deployment"),
    ("trigger", "schedule"),
    ("auth_mode", "batch-endpoint"),
    ("defaults", "batch-endpoint"),
    ("image", "environment"),
    ("conda_file", "environment"),
    ("flavors", "model"),
    ("max_instances", "compute"),
    ("credentials", "datastore"),
)
_BARE_ENDPOINT = frozenset(("name", "description", "tags"))


def noun_of(document: Mapping[str, object]) -> str | None:
    """Tell which noun a YAML document declares, None for what is none of ours: a conda file, an invocation, a job."""
    if document.get("$schema"):
        return noun_of_schema(document["$schema"])
    kind = str(document.get("type") or "").lower()
    if kind in _TYPES:
        return _TYPES[kind]
    named = next((noun for key, noun in _KEYS if key in document), None)
    if named is not None:
        return named
    return "batch-endpoint" if "name" in document and document.keys() <= _BARE_ENDPOINT else None


def subjects_of(noun: str, document: Mapping[str, object]) -> Subjects:
    """Give what a settled document declares: its own subject, and named assets that a deployment has inline.

    Raises: InvalidInput with all mistakes of the document.
    """
    return _READERS.get(noun, _plain(noun))({key: value for key, value in document.items() if key != "$schema"})


def subjects_as_shown(noun: str, document: Mapping[str, object]) -> Subjects:
    """Give the subject of what the command line shows of a noun whose definition is kept to the letter."""
    return _plain(noun)(document)


def by_content(sha256: str, name: str = "") -> str:
    """Give how a settled document names bytes. name: the folder or file that they are, where it matters."""
    return f"sha256:{sha256}" + (f"/{name}" if name else "")


def one_spelling(path: str) -> str:
    """Give a path by content where it names an upload, else in the short form of a datastore's URI."""
    found = parse_datastore_uri(path)
    if found is None:
        return path
    uploaded = _UPLOADED.fullmatch(found.path)
    if uploaded:
        return by_content(uploaded[1], (uploaded[2] or "").rstrip("/"))
    return f"azureml://datastores/{found.datastore}/paths/{found.path}"


def with_latest(subjects: Subjects, newest: Mapping[tuple[str, str], str]) -> Subjects:
    """Give the subjects with `azureml:NAME@latest` of deployments resolved. newest: (noun, name) -> version."""

    def resolved(path: str, value: object) -> object:
        name = value.removeprefix("azureml:").removesuffix("@latest") if isinstance(value, str) else ""
        is_label = path in ("model", "environment") and value == f"azureml:{name}@latest"
        return f"azureml:{name}:{newest[path, name]}" if is_label and (path, name) in newest else value

    return {
        subject: {path: resolved(path, value) for path, value in fields.items()}
        if subject.noun == "batch-deployment"
        else fields
        for subject, fields in subjects.items()
    }


def _endpoint(document: Mapping[str, object]) -> Subjects:
    endpoint = endpoint_from_yaml(document)
    return {Subject("batch-endpoint", endpoint.name): _flat(_without_names(endpoint_to_yaml(endpoint)))}


def _compute(document: Mapping[str, object]) -> Subjects:
    compute = compute_from_yaml(document)
    return {Subject("compute", compute.name): _flat(_without_names(compute_to_yaml(compute)))}


def _model(document: Mapping[str, object]) -> Subjects:
    model = model_from_yaml(document)
    return {Subject("model", model.name, model.version or ""): _flat(_model_fields(model))}


def _data(document: Mapping[str, object]) -> Subjects:
    data = data_from_yaml(document)
    fields = {
        "type": data.type.value,
        "path": one_spelling(data.path),
        "description": data.description,
        "tags": data.tags,
        "properties": data.properties,
    }
    return {Subject("data", data.name, data.version or ""): _flat(fields)}


def _environment(document: Mapping[str, object]) -> Subjects:
    environment = environment_from_yaml(document)
    subject = Subject("environment", environment.name, environment.version or "")
    return {subject: _flat(_environment_fields(environment))}


def _deployment(document: Mapping[str, object]) -> Subjects:
    if str(document.get("type") or "").lower() == DeploymentKind.PIPELINE.value:
        return _pipeline_deployment(document)
    written = deployment_from_yaml(document)
    found: Subjects = {}
    settings = settings_cli_from_arm(settings_to_arm(written.settings))
    fields: dict[str, object] = {
        "type": written.kind.value,
        "description": written.description,
        "tags": written.tags,
        "properties": written.properties,
        "compute": f"azureml:{written.compute}",
        "model": _model_of(written, found),
        "environment": _environment_of(written, found),
        "code_configuration": {"code": _code_of(written), "scoring_script": written.scoring_script},
        "resources": {"instance_count": written.settings.instance_count},
        "settings": settings,
    }
    return {Subject("batch-deployment", f"{written.endpoint}/{written.name}"): _flat(fields), **found}


def _pipeline_deployment(document: Mapping[str, object]) -> Subjects:
    name = f"{document.get('endpoint_name')}/{document.get('name')}"
    kept = {key: value for key, value in document.items() if key not in _READ_ONLY and key != "endpoint_name"}
    return {Subject("batch-deployment", name): _flat(kept)}


def _plain(noun: str) -> Callable[[Mapping[str, object]], Subjects]:
    """Read a noun whose documents are compared as they are written."""

    def read(document: Mapping[str, object]) -> Subjects:
        name = str(document.get("name") or "")
        kept = {key: value for key, value in document.items() if key not in _READ_ONLY}
        if kept.get("display_name") == name:
            # What the server shows where nobody gave one.
            del kept["display_name"]
        return {Subject(noun, name, str(document.get("version") or "")): _flat(kept)}

    return read


def _schedule(document: Mapping[str, object]) -> Subjects:
    written = {key: value for key, value in document.items() if key == "name" or key not in _READ_ONLY}
    schedule = schedule_from_yaml(DEFAULT_SCOPE, written)
    return _plain("schedule")(schedule_cli_from_arm({"name": schedule.name, **schedule_to_arm_body(schedule)}))


def _component(document: Mapping[str, object]) -> Subjects:
    return _plain("component")(component_from_yaml(document).spec)


_READERS: Mapping[str, Callable[[Mapping[str, object]], Subjects]] = {
    "batch-endpoint": _endpoint,
    "batch-deployment": _deployment,
    "compute": _compute,
    "model": _model,
    "data": _data,
    "environment": _environment,
    "schedule": _schedule,
    "component": _component,
}


def _model_of(written: DeploymentYaml, found: Subjects) -> object:
    model = written.model
    if not isinstance(model, ModelYaml):
        return _short(model)
    if not model.name:
        return _model_fields(model)
    # A named one is registered on the way: an asset of its own, to which the deployment then refers.
    found[Subject("model", model.name, model.version or "")] = _flat(_model_fields(model))
    return _named(model.name, model.version)


def _environment_of(written: DeploymentYaml, found: Subjects) -> object:
    environment = written.environment
    if not isinstance(environment, EnvironmentYaml):
        return environment if isinstance(environment, str) else _short(environment)
    if not environment.name:
        return _environment_fields(environment)
    subject = Subject("environment", environment.name, environment.version or "")
    found[subject] = _flat(_environment_fields(environment))
    return _named(environment.name, environment.version)


def _code_of(written: DeploymentYaml) -> str | None:
    return written.code_path if isinstance(written.code_path, str) else _short(written.code_path)


def _short(reference: Reference | None) -> str | None:
    return None if reference is None else _named(reference.name, reference.version)


def _named(name: str, version: str | None) -> str:
    return f"azureml:{name}:{version}" if version else f"azureml:{name}@latest"


def _model_fields(model: ModelYaml) -> dict[str, object]:
    return {
        "type": model.type.value,
        "path": one_spelling(model.path),
        "description": model.description,
        "tags": model.tags,
        "properties": model.properties,
        "flavors": model.flavors,
    }


def _environment_fields(environment: EnvironmentYaml) -> dict[str, object]:
    return {
        "image": environment.image,
        "conda_file": _conda(environment.conda_file_text or environment.conda_file_path),
        "os_type": environment.os_type,
        "description": environment.description,
        "tags": environment.tags,
        "properties": environment.properties,
    }


def _conda(text: str | None) -> object:
    """Give what a conda file asks for: packages in any order mean the same, channels in another order do not."""
    if not text:
        return None
    try:
        document = load_yaml(text, subject="conda_file")
    except InvalidInput:
        return text
    listed = document.get("dependencies")
    if not isinstance(listed, list):
        return document
    plain = sorted(str(entry) for entry in listed if not isinstance(entry, Mapping))
    nested: dict[str, object] = {}
    for entry in listed:
        if isinstance(entry, Mapping):
            nested |= {
                key: sorted(map(str, value)) if isinstance(value, list) else value for key, value in entry.items()
            }
    return {**document, "dependencies": {"conda": plain, **nested}}


def _without_names(document: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != "name"}


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    """Give every value by its dotted path; what says nothing is left out."""
    if isinstance(value, Mapping):
        return {
            path: inner
            for key in value
            for path, inner in _flat(value[key], f"{prefix}.{key}" if prefix else str(key)).items()
        }
    if value in (None, "", [], {}):
        return {}
    # Ids of one workspace mean the same as those of another.
    is_id = isinstance(value, str) and parse_arm_id(value.removeprefix("azureml:")) is not None
    return {prefix: short_form(value) if is_id else value}
