"""The YAML of a deployment (A.2, A.3), in the new form and in the legacy one; other rooms use it through `deployments`.

The legacy form has no `type` and its settings stand at the root. It is turned into the new form before it is read, and
mistakes are told with the places the user wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.assets import ModelType
from batchyard.domain.deployments import DeploymentDraft, DeploymentKind, ExecutionSettings, settings_mistakes
from batchyard.domain.errors import Mistake
from batchyard.domain.names import RULES, name_mistake
from batchyard.domain.resource_ids import Reference
from batchyard.wire.deployment_settings import SETTING_KEYS, ResourcesYaml, SettingsYaml, settings_of
from batchyard.wire.environments import EnvironmentYaml, read_environment_yaml
from batchyard.wire.mistakes import merged, renamed, shown, unknown_key
from batchyard.wire.models import ModelYaml, read_model_yaml
from batchyard.wire.references import asset_reference, compute_name, is_reference
from batchyard.wire.shapes import (
    ReadOnly,
    Text,
    TextMap,
    YamlShape,
    keys_of,
    notes_of,
    raise_mistakes,
    read_shape,
    writable_keys_of,
)

_REGISTRY = "azureml://registries/"


@dataclass(frozen=True, slots=True)
class DeploymentYaml:
    """A deployment as its YAML file writes it; local things not yet uploaded, references not yet looked up.

    model: a reference, or inline (a bare local path becomes an inline model without a name).
    environment: a reference, inline, or the path of an environment's YAML file as text.
    code_path: local folder as written (relative to the YAML file), or a reference to registered code.
    notes: a sentence for each key without effect here, for warnings.
    """

    name: str
    endpoint: str
    kind: DeploymentKind
    compute: str
    model: Reference | ModelYaml | None = None
    environment: Reference | EnvironmentYaml | str | None = None
    code_path: Reference | str | None = None
    scoring_script: str | None = None
    settings: ExecutionSettings = field(default_factory=ExecutionSettings)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _CodeYaml(YamlShape):
    code: Text | None = None
    scoring_script: Text | None = None


class DeploymentFile(YamlShape):
    """The YAML of a deployment."""

    name: Text | None = None
    endpoint_name: Text | None = None
    type: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    # A reference, a path, or a mapping: read below.
    model: object = None
    environment: object = None
    code_configuration: _CodeYaml | None = None
    compute: Text | None = None
    resources: ResourcesYaml | None = None
    settings: SettingsYaml | None = None
    id: ReadOnly = None
    provisioning_state: ReadOnly = None
    provisioning_error: ReadOnly = None
    provisioning_log: ReadOnly = None
    environment_hash: ReadOnly = None
    environment_warnings: ReadOnly = None
    is_default: ReadOnly = None
    revision: ReadOnly = None
    serving_revision: ReadOnly = None
    creation_context: ReadOnly = None


def deployment_from_yaml(document: Mapping[str, object]) -> DeploymentYaml:
    """Read a YAML document, legacy or new form. Raises: InvalidInput with all mistakes, fields as written."""
    deployment, mistakes = read_deployment_yaml(document)
    raise_mistakes(f"Deployment {deployment.name!r}", mistakes)
    return deployment


def read_deployment_yaml(document: Mapping[str, object]) -> tuple[DeploymentYaml, list[Mistake]]:
    """Read as much as can be read, with all mistakes, so that the caller can add what it finds in files."""
    if str(document.get("type")).lower() == "pipeline":
        name, endpoint = str(document.get("name") or ""), str(document.get("endpoint_name") or "")
        return DeploymentYaml(name, endpoint, DeploymentKind.PIPELINE, ""), [pipeline_refused("type")]
    form, places, found = _new_form(document)
    shape, mistakes = read_shape(DeploymentFile, form)
    model, model_mistakes = _model(shape.model)
    environment, environment_mistakes = _environment(shape.environment)
    code, code_mistakes = _code(shape.code_configuration)
    compute = compute_name(shape.compute, field="compute")
    count, count_mistakes = _instance_count(shape)
    found += [*model_mistakes, *environment_mistakes, *code_mistakes, *count_mistakes, *_type_mistakes(shape.type)]
    found += [compute] if isinstance(compute, Mistake) else []
    nested = [part.notes for part in (model, environment) if isinstance(part, ModelYaml | EnvironmentYaml)]
    deployment = DeploymentYaml(
        name=shape.name or "",
        endpoint=shape.endpoint_name or "",
        kind=DeploymentKind.MODEL,
        compute=compute if isinstance(compute, str) else "",
        model=model,
        environment=environment,
        code_path=code,
        scoring_script=(shape.code_configuration.scoring_script or None) if shape.code_configuration else None,
        settings=settings_of(shape.settings or SettingsYaml(), instance_count=count),
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
        notes=sum(nested, notes_of(shape)),
    )
    has_model = shape.model is not None or "model" in document
    ours = outline_mistakes(deployment, has_model=has_model, code=code)
    if shape.resources is not None and shape.resources.instance_count is not None:
        ours = renamed(ours, {"settings.instance_count": "resources.instance_count"})
    return deployment, renamed(merged(mistakes, merged(found, ours)), places)


def draft_of(
    written: DeploymentYaml, *, model: Reference | None, code: Reference | None, environment: Reference | None
) -> DeploymentDraft:
    """Make the draft once everything local is registered; the references replace what was written."""
    return DeploymentDraft(
        name=written.name,
        endpoint=written.endpoint,
        kind=written.kind,
        compute=written.compute,
        model=model,
        code=code,
        scoring_script=written.scoring_script,
        environment=environment,
        settings=written.settings,
        description=written.description,
        tags=written.tags,
        properties=written.properties,
    )


def pipeline_refused(field: str) -> Mistake:
    """Say that a pipeline stands where only a model can be run."""
    return Mistake(field, "'pipeline'", "model", "Deploy it behind an endpoint: `batchyard batch-deployment create`.")


def outline_mistakes(
    wanted: DeploymentYaml | DeploymentDraft, *, has_model: bool, code: Reference | str | None
) -> list[Mistake]:
    """Name what is wrong with a deployment of either dialect without looking anything up, in the words of YAML.

    has_model: whether anything was said of a model. code: the folder or reference given, None for none.
    """
    found = [*_name_mistakes("deployment", wanted.name, "name")]
    found += _name_mistakes("endpoint", wanted.endpoint, "endpoint_name")
    if not has_model:
        found.append(
            Mistake("model", "nothing", "a model, such as azureml:NAME:VERSION, azureml:NAME@latest or a path")
        )
    has_script = wanted.scoring_script is not None or code is not None
    # A registered model's type is known to the server alone; an inline one would be uploaded before it refuses.
    needs_script = (
        isinstance(wanted.model, ModelYaml) and wanted.model.path and wanted.model.type is not ModelType.MLFLOW
    )
    if has_script:
        found += _script_mistakes(wanted.scoring_script, code)
    elif needs_script:
        allowed = "a code folder and its scoring_script"
        found.append(Mistake("code_configuration", "nothing", allowed, "A model needs a script that scores with it."))
    if (has_script or needs_script) and wanted.environment is None:
        allowed = "an environment, since a scoring script " + ("is given" if has_script else "needs one")
        found.append(Mistake("environment", "nothing", allowed, "Name or inline one."))
    return found + settings_mistakes(wanted.settings)


def _new_form(document: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str], list[Mistake]]:
    """Give the document in the new form, where settings of it stood (new place -> as written), and mistakes of form."""
    is_legacy = "type" not in document and "settings" not in document
    own_settings = SETTING_KEYS if is_legacy else frozenset[str]()
    known = own_settings.union(keys_of(DeploymentFile))
    form = dict(document)
    inner = document.get("settings") if not is_legacy else {}
    settings: object = dict(inner) if isinstance(inner, Mapping) else inner
    places: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for key in [key for key in document if key not in known and key != "$schema"]:
        del form[key]
        mistakes.append(_outside(key, [*writable_keys_of(DeploymentFile), *own_settings]))
    for key in [key for key in form if key in SETTING_KEYS]:
        value = form.pop(key)
        if isinstance(settings, dict):
            settings[key] = value
            places[f"settings.{key}"] = key
    return {**form, "settings": settings} if settings != {} else form, places, mistakes


def _outside(key: str, known: list[str]) -> Mistake:
    if key in SETTING_KEYS:
        remedy = f"Write it under settings: settings.{key}."
        return Mistake(key, "a setting at the root", "it under settings, as this file has a type or settings", remedy)
    return unknown_key(key, key, known)


def _model(value: object) -> tuple[Reference | ModelYaml | None, list[Mistake]]:
    if value is None:
        return None, []
    if isinstance(value, str) and (is_reference(value) or value.startswith(_REGISTRY)):
        reference = asset_reference(value, kind="models", field="model")
        return (reference, []) if isinstance(reference, Reference) else (None, [reference])
    if isinstance(value, str):
        model, _missing_path = read_model_yaml({"path": value})
        return model, [] if value else [Mistake("model", "''", "a reference, a path, or a mapping with path")]
    if isinstance(value, Mapping):
        return read_model_yaml(value, prefix="model.")
    return None, [Mistake("model", shown(value), "a reference, a path, or a mapping with path")]


def _environment(value: object) -> tuple[Reference | EnvironmentYaml | str | None, list[Mistake]]:
    if value is None:
        return None, []
    if isinstance(value, str) and (is_reference(value) or value.startswith(_REGISTRY)):
        reference = asset_reference(value, kind="environments", field="environment")
        return (reference, []) if isinstance(reference, Reference) else ("", [reference])
    if isinstance(value, str) and value:
        return value.removeprefix("file:"), []
    if isinstance(value, Mapping):
        return read_environment_yaml(value, prefix="environment.")
    allowed = "a reference, the path of an environment's YAML file, or a mapping with image or conda_file"
    return "", [Mistake("environment", shown(value), allowed)]


def _code(shape: _CodeYaml | None) -> tuple[Reference | str | None, list[Mistake]]:
    """Read where the code is; a reference that cannot be read counts as given, so that it is told once."""
    written = shape.code if shape is not None else None
    if not written:
        return None, []
    if not is_reference(written):
        return written.removeprefix("file:"), []
    reference = asset_reference(written, kind="codes", field="code_configuration.code")
    return (reference, []) if isinstance(reference, Reference) else (written, [reference])


def _instance_count(shape: DeploymentFile) -> tuple[int | None, list[Mistake]]:
    resources = shape.resources.instance_count if shape.resources else None
    settings = shape.settings.instance_count if shape.settings else None
    if resources is None or settings is None:
        return (settings if resources is None else resources), []
    remedy = "Can't set instance_count when resources is provided."
    return resources, [Mistake("settings.instance_count", str(settings), "resources.instance_count alone", remedy)]


def _type_mistakes(kind: str | None) -> list[Mistake]:
    return [] if kind is None or kind.lower() == "model" else [Mistake("type", shown(kind), "model")]


def _name_mistakes(kind: str, name: str, field: str) -> list[Mistake]:
    if not name:
        return [Mistake(field, "nothing", RULES[kind].sentence)]
    mistake = name_mistake(kind, name, field=field)
    return [mistake] if mistake else []


def _script_mistakes(script: str | None, code: Reference | str | None) -> list[Mistake]:
    mistakes = []
    if code is None:
        allowed = "the folder of the scoring script, such as ./code"
        mistakes.append(Mistake("code_configuration.code", "nothing", allowed))
    allowed = "the path of the script inside the code folder, such as score.py"
    if not script or script.startswith("/") or ".." in script.split("/"):
        mistakes.append(Mistake("code_configuration.scoring_script", shown(script), allowed))
    return mistakes
