"""Batch deployments: ARM's body and what `batch-deployment show` prints; their YAML is read in `deployment_files`."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.deployments import Deployment, DeploymentDraft, DeploymentKind
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import AssetId, Reference, Scope
from batchyard.wire.deployment_files import (
    DeploymentYaml,
    deployment_from_yaml,
    draft_of,
    outline_mistakes,
    read_deployment_yaml,
)
from batchyard.wire.deployment_settings import ARM_NAMES, SettingsArm, settings_of
from batchyard.wire.envelopes import StoredMeta, arm_envelope
from batchyard.wire.mistakes import merged, renamed, shown
from batchyard.wire.operations import operation_log, own_properties
from batchyard.wire.pipelines.deployments import (
    ConfigurationArm,
    pipeline_from_configuration,
    pipeline_settings_from_arm,
    pipeline_to_arm,
)
from batchyard.wire.references import asset_reference, compute_name, reference_to_arm_id, short_form
from batchyard.wire.settings_rendering import settings_cli_from_arm, settings_to_arm
from batchyard.wire.shapes import ArmShape, Text, TextMap, raise_mistakes, read_shape
from batchyard.wire.trees import at, creation_context, mapping_at, sorted_keys, text_at, without_empty

__all__ = [
    "DeploymentYaml",
    "deployment_cli_from_arm",
    "deployment_from_arm",
    "deployment_from_yaml",
    "deployment_to_arm",
    "deployment_to_arm_body",
    "deployment_warnings",
    "deployment_yaml_from_arm",
    "draft_of",
    "read_deployment_yaml",
]

_ARM_NAMES = {
    **ARM_NAMES,
    "model": "properties.model",
    "compute": "properties.compute",
    "environment": "properties.environmentId",
    "code_configuration.code": "properties.codeConfiguration.codeId",
    "code_configuration.scoring_script": "properties.codeConfiguration.scoringScript",
}


class _Model(ArmShape):
    reference_type: Text | None = None
    asset_id: Text | None = None


class _Code(ArmShape):
    code_id: Text | None = None
    scoring_script: Text | None = None


class _Properties(SettingsArm):
    description: Text | None = None
    properties: TextMap | None = None
    compute: Text | None = None
    environment_id: Text | None = None
    model: _Model | None = None
    code_configuration: _Code | None = None
    deployment_configuration: ConfigurationArm | None = None


class DeploymentBody(ArmShape):
    """The body of a PUT of a deployment."""

    tags: TextMap | None = None
    properties: _Properties | None = None


def deployment_from_arm(endpoint: str, name: str, body: Mapping[str, object]) -> DeploymentDraft:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    subject = f"Deployment {name!r}"
    shape, mistakes = read_shape(DeploymentBody, body)
    given = shape.properties or _Properties()
    if given.deployment_configuration is not None and given.deployment_configuration.is_pipeline:
        return _pipeline_from_arm(endpoint, name, shape, given.deployment_configuration, mistakes)
    code = given.code_configuration or _Code()
    found: list[Mistake] = []
    draft = DeploymentDraft(
        name=name,
        endpoint=endpoint,
        kind=DeploymentKind.MODEL,
        compute=_compute(given.compute, found),
        model=_model(given.model, found),
        code=_optional(code.code_id, "codes", "code_configuration.code", found),
        scoring_script=code.scoring_script or None,
        environment=_optional(given.environment_id, "environments", "environment", found),
        settings=settings_of(given, instance_count=given.resources.instance_count if given.resources else None),
        description=given.description or "",
        tags=shape.tags or {},
        properties=own_properties(given.properties or {}),
    )
    ours = outline_mistakes(draft, has_model=draft.model is not None, code=draft.code)
    found = merged(renamed(found, _ARM_NAMES), renamed(ours, _ARM_NAMES))
    raise_mistakes(subject, merged(mistakes, found))
    return draft


def _pipeline_from_arm(
    endpoint: str, name: str, shape: DeploymentBody, configuration: ConfigurationArm, mistakes: list[Mistake]
) -> DeploymentDraft:
    # Azure: its clients send settings of a model beside it, such as miniBatchSize, which mean nothing here.
    found: list[Mistake] = []
    component, settings = pipeline_from_configuration(configuration, found)
    raise_mistakes(f"Deployment {name!r}", merged(mistakes, found))
    given = shape.properties or _Properties()
    return DeploymentDraft(
        name=name,
        endpoint=endpoint,
        kind=DeploymentKind.PIPELINE,
        compute=settings.default_compute,
        component=component,
        description=given.description or "",
        tags=shape.tags or {},
        properties=own_properties(given.properties or {}),
        pipeline=settings,
    )


def deployment_to_arm(
    scope: Scope,
    deployment: Deployment,
    meta: StoredMeta,
    *,
    is_default: bool,
    serving_revision: int | None,
    failed_operation: str | None = None,
) -> dict[str, object]:
    """Give a deployment as GET answers it.

    serving_revision: the revision that invocations reach, None before one was provisioned.
    failed_operation: id of the operation that made it Failed, None where it is not or nobody knows.
    Ours among the properties: revision, servingRevision, isDefault, environmentHash, environmentWarnings,
    provisioningError, provisioningLog (see `operation_log`), sameName,
    isolateFailingItems.
    """
    body = deployment_to_arm_body(scope, _draft_again(deployment))
    properties = {
        **mapping_at(body, "properties"),
        "provisioningState": deployment.state.value,
        "provisioningError": deployment.state_message or None,
        "provisioningLog": operation_log(failed_operation) if failed_operation else None,
        "environmentHash": deployment.build.sha256 if deployment.build else None,
        "environmentWarnings": list(deployment.build.warnings) if deployment.build else [],
        "revision": meta.revision,
        "servingRevision": serving_revision,
        "isDefault": is_default,
    }
    return arm_envelope(
        scope,
        "batchEndpoints",
        deployment.endpoint,
        "deployments",
        deployment.name,
        properties=properties,
        meta=meta,
        tags=deployment.tags,
        location="local",
    )


def deployment_to_arm_body(scope: Scope, draft: DeploymentDraft) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    if draft.pipeline is not None:
        configuration = pipeline_to_arm(scope, draft.component, draft.pipeline)
        said = {"description": draft.description, "properties": dict(draft.properties)}
        of_pipeline: dict[str, object] = {**said, "deploymentConfiguration": configuration}
        return {"location": "local", "tags": dict(draft.tags), "properties": of_pipeline}
    properties: dict[str, object] = {
        "description": draft.description,
        "properties": dict(draft.properties),
        "compute": scope.child("computes", draft.compute),
        "environmentId": reference_to_arm_id(scope, "environments", draft.environment) if draft.environment else None,
        "model": None,
        "codeConfiguration": None,
        **settings_to_arm(draft.settings),
    }
    if draft.model is not None:
        # Azure: referenceType is required (sdk-wire.md, pitfall 5).
        properties["model"] = {"referenceType": "Id", "assetId": reference_to_arm_id(scope, "models", draft.model)}
    if draft.code is not None or draft.scoring_script is not None:
        properties["codeConfiguration"] = {
            "codeId": reference_to_arm_id(scope, "codes", draft.code) if draft.code else None,
            "scoringScript": draft.scoring_script,
        }
    return {"location": "local", "tags": dict(draft.tags), "properties": properties}


def deployment_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `batch-deployment show` prints: snake_case, sorted, the same keys always."""
    return sorted_keys(
        {
            **_yaml_keys(arm),
            "id": at(arm, "id"),
            "provisioning_state": at(arm, "properties", "provisioningState"),
            "provisioning_error": at(arm, "properties", "provisioningError"),
            "provisioning_log": at(arm, "properties", "provisioningLog"),
            "environment_hash": at(arm, "properties", "environmentHash"),
            "environment_warnings": deployment_warnings(arm),
            "is_default": at(arm, "properties", "isDefault"),
            "revision": at(arm, "properties", "revision"),
            "serving_revision": at(arm, "properties", "servingRevision"),
            "creation_context": creation_context(arm),
        }
    )


def deployment_warnings(arm: Mapping[str, object]) -> list[str]:
    """Give what is not as asked for in the environment that a deployment runs in, one sentence each."""
    warnings = at(arm, "properties", "environmentWarnings")
    return [str(warning) for warning in warnings] if isinstance(warnings, list) else []


def deployment_yaml_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give the YAML document of a deployment, in the new form, to patch with `--set` and read again."""
    document = _yaml_keys(arm)
    document["settings"] = without_empty(mapping_at(document, "settings"))
    return without_empty(document)


def _yaml_keys(arm: Mapping[str, object]) -> dict[str, object]:
    properties = mapping_at(arm, "properties")
    if mapping_at(properties, "deploymentConfiguration"):
        return _pipeline_keys(arm)
    code = mapping_at(properties, "codeConfiguration")
    script = {"code": short_form(code.get("codeId")), "scoring_script": code.get("scoringScript")}
    ids = text_at(arm, "id").split("/")
    return {
        "name": at(arm, "name"),
        "endpoint_name": ids[-3] if len(ids) > 3 else None,
        "type": "model",
        "description": at(properties, "description"),
        "tags": mapping_at(arm, "tags"),
        "properties": own_properties(mapping_at(properties, "properties")),
        "model": short_form(at(properties, "model", "assetId")),
        "environment": short_form(at(properties, "environmentId")),
        "code_configuration": script if code else {},
        "compute": short_form(at(properties, "compute")),
        "resources": {"instance_count": at(properties, "resources", "instanceCount")},
        "settings": settings_cli_from_arm(properties),
    }


def _pipeline_keys(arm: Mapping[str, object]) -> dict[str, object]:
    properties = mapping_at(arm, "properties")
    ids = text_at(arm, "id").split("/")
    return {
        "name": at(arm, "name"),
        "endpoint_name": ids[-3] if len(ids) > 3 else None,
        "type": DeploymentKind.PIPELINE.value,
        "description": at(properties, "description"),
        "tags": mapping_at(arm, "tags"),
        "properties": own_properties(mapping_at(properties, "properties")),
        "component": short_form(at(properties, "deploymentConfiguration", "componentId", "assetId")),
        "settings": pipeline_settings_from_arm(mapping_at(properties, "deploymentConfiguration")),
    }


def _model(shape: _Model | None, found: list[Mistake]) -> Reference | None:
    if shape is None:
        return None
    kind = shape.reference_type or "Id"
    if kind.lower() != "id":
        remedy = "Register the model first."
        found.append(Mistake("properties.model.referenceType", shown(kind), "Id", remedy))
        return None
    return _reference(shape.asset_id, "models", "properties.model.assetId", found)


def _optional(text: str | None, kind: str, field: str, found: list[Mistake]) -> Reference | None:
    return _reference(text, kind, field, found) if text else None


def _reference(text: str | None, kind: str, field: str, found: list[Mistake]) -> Reference | None:
    reference = asset_reference(text, kind=kind, field=field)
    if isinstance(reference, Reference):
        return reference
    found.append(reference)
    return None


def _compute(text: str | None, found: list[Mistake]) -> str:
    name = compute_name(text, field="compute")
    if isinstance(name, str):
        return name
    found.append(name)
    return ""


def _draft_again(deployment: Deployment) -> DeploymentDraft:
    """Give a stored deployment as the draft it would be asked for with, its versions frozen."""
    return DeploymentDraft(
        name=deployment.name,
        endpoint=deployment.endpoint,
        kind=deployment.kind,
        compute=deployment.compute,
        model=_frozen("models", deployment.model),
        component=_frozen("components", deployment.component),
        code=_frozen("codes", deployment.code.code if deployment.code else None),
        scoring_script=deployment.code.scoring_script if deployment.code else None,
        environment=_frozen("environments", deployment.environment),
        settings=deployment.settings,
        description=deployment.description,
        tags=deployment.tags,
        properties=deployment.properties,
        pipeline=deployment.pipeline,
    )


def _frozen(kind: str, asset: AssetId | None) -> Reference | None:
    return Reference(kind, asset.name, asset.version) if asset else None
