"""Batch endpoints: ARM's body, the YAML of A.1, and what `batch-endpoint show` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import DefaultChange, Endpoint
from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.resource_ids import Scope
from batchyard.wire.envelopes import StoredMeta, arm_envelope, iso
from batchyard.wire.mistakes import merged, renamed, shown
from batchyard.wire.operations import own_properties
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
from batchyard.wire.trees import at, creation_context, mapping_at, rows_at, sorted_keys, without_empty

_ARM_NAMES = {
    "auth_mode": "properties.authMode",
    "defaults.deployment_name": "properties.defaults.deploymentName",
}


class _DefaultsYaml(YamlShape):
    deployment_name: Text | None = None


class EndpointFile(YamlShape):
    """The YAML of an endpoint."""

    name: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    auth_mode: Text | None = None
    defaults: _DefaultsYaml | None = None
    identity: NoEffect = None
    location: NoEffect = None
    id: ReadOnly = None
    scoring_uri: ReadOnly = None
    openapi_uri: ReadOnly = None
    provisioning_state: ReadOnly = None
    creation_context: ReadOnly = None
    default_deployment: ReadOnly = None
    default_history: ReadOnly = None
    deployments: ReadOnly = None


class _Defaults(ArmShape):
    deployment_name: Text | None = None


class _Properties(ArmShape):
    description: Text | None = None
    auth_mode: Text | None = None
    properties: TextMap | None = None
    defaults: _Defaults | None = None


class EndpointBody(ArmShape):
    """The body of a PUT of an endpoint."""

    tags: TextMap | None = None
    properties: _Properties | None = None


def endpoint_from_arm(name: str, body: Mapping[str, object]) -> Endpoint:
    """Read the body of a PUT. Raises: InvalidInput with all mistakes, fields as ARM names them."""
    shape, mistakes = read_shape(EndpointBody, body)
    given = shape.properties or _Properties()
    wanted = given.defaults.deployment_name if given.defaults else None
    endpoint = Endpoint(
        name=name,
        description=given.description or "",
        auth_mode=_auth_mode(given.auth_mode),
        # Some clients send the deployment's whole ARM id.
        default_deployment=wanted.rsplit("/", 1)[-1] if wanted else None,
        tags=shape.tags or {},
        properties=own_properties(given.properties or {}),
    )
    raise_mistakes(f"Endpoint {name!r}", merged(mistakes, renamed(_mistakes(endpoint), _ARM_NAMES)))
    return endpoint


def endpoint_to_arm(
    scope: Scope,
    endpoint: Endpoint,
    meta: StoredMeta,
    *,
    scoring_uri: str,
    default_history: Sequence[DefaultChange] | None = None,
    deployments: Sequence[Deployment] | None = None,
) -> dict[str, object]:
    """Give an endpoint as GET answers it. `properties.defaults` is always an object, as the SDK needs it.

    Ours, when given: default_history as properties.defaultHistory, deployments as short rows in
    properties.deployments.
    """
    properties = {
        **mapping_at(endpoint_to_arm_body(endpoint), "properties"),
        "scoringUri": scoring_uri,
        "swaggerUri": None,
        "provisioningState": "Succeeded",
    }
    if default_history is not None:
        properties["defaultHistory"] = default_history_to_arm(default_history)
    if deployments is not None:
        properties["deployments"] = [_summary(endpoint, deployment) for deployment in deployments]
    return arm_envelope(
        scope,
        "batchEndpoints",
        endpoint.name,
        properties=properties,
        meta=meta,
        tags=endpoint.tags,
        location="local",
    )


def default_history_to_arm(changes: Sequence[DefaultChange]) -> list[dict[str, object]]:
    """Give the switches of the default: [{time, actor, before, after, reason, ticket}]."""
    return [
        {
            "time": iso(change.time),
            "actor": change.actor,
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
            "ticket": change.ticket,
        }
        for change in changes
    ]


def endpoint_from_yaml(document: Mapping[str, object]) -> Endpoint:
    """Read a YAML document. Raises: InvalidInput with all mistakes, fields as YAML names them."""
    shape, mistakes = read_shape(EndpointFile, document)
    endpoint = Endpoint(
        name=shape.name or "",
        description=shape.description or "",
        auth_mode=_auth_mode(shape.auth_mode),
        default_deployment=(shape.defaults.deployment_name or None) if shape.defaults else None,
        tags=shape.tags or {},
        properties=shape.properties or {},
    )
    mistakes += name_missing("endpoint", shape.name)
    raise_mistakes(f"Endpoint {endpoint.name!r}", merged(mistakes, _mistakes(endpoint)))
    return endpoint


def endpoint_notes(document: Mapping[str, object]) -> tuple[str, ...]:
    """Give a sentence for each key that is accepted but has no effect here, for warnings."""
    return notes_of(read_shape(EndpointFile, document)[0])


def endpoint_to_yaml(endpoint: Endpoint) -> dict[str, object]:
    """Give the YAML document of an endpoint, to patch with `--set` and read again."""
    defaults = {"deployment_name": endpoint.default_deployment} if endpoint.default_deployment else {}
    return without_empty(
        {
            "name": endpoint.name,
            "description": endpoint.description,
            "auth_mode": endpoint.auth_mode,
            "defaults": defaults,
            "tags": dict(endpoint.tags),
            "properties": dict(endpoint.properties),
        }
    )


def endpoint_to_arm_body(endpoint: Endpoint) -> dict[str, object]:
    """Give the body that the command line PUTs."""
    properties = {
        "description": endpoint.description,
        "authMode": "AADToken" if endpoint.auth_mode == "aad_token" else endpoint.auth_mode,
        "properties": dict(endpoint.properties),
        "defaults": {"deploymentName": endpoint.default_deployment},
    }
    return {"location": "local", "tags": dict(endpoint.tags), "properties": properties}


def endpoint_cli_from_arm(arm: Mapping[str, object]) -> dict[str, object]:
    """Give what `batch-endpoint show` prints, `default_history` included: snake_case, sorted, the same keys always."""
    default = at(arm, "properties", "defaults", "deploymentName")
    return sorted_keys(
        {
            "id": at(arm, "id"),
            "name": at(arm, "name"),
            "description": at(arm, "properties", "description"),
            "auth_mode": _auth_mode(str(at(arm, "properties", "authMode") or "")),
            "defaults": {"deployment_name": default},
            "default_deployment": default,
            "default_history": rows_at(arm, "properties", "defaultHistory"),
            "deployments": [_summary_cli(row) for row in rows_at(arm, "properties", "deployments")],
            "scoring_uri": at(arm, "properties", "scoringUri"),
            "openapi_uri": at(arm, "properties", "swaggerUri"),
            "provisioning_state": at(arm, "properties", "provisioningState"),
            "location": at(arm, "location"),
            "tags": mapping_at(arm, "tags"),
            "properties": own_properties(mapping_at(arm, "properties", "properties")),
            "creation_context": creation_context(arm),
        }
    )


def _mistakes(endpoint: Endpoint) -> list[Mistake]:
    found = [name_mistake("endpoint", endpoint.name)]
    if endpoint.auth_mode != "aad_token":
        # Azure: the shared parser also admits key and aml_token, which its batch service refuses (A.1).
        found.append(Mistake("auth_mode", shown(endpoint.auth_mode), "aad_token"))
    if endpoint.default_deployment is not None:
        found.append(name_mistake("deployment", endpoint.default_deployment, field="defaults.deployment_name"))
    return [mistake for mistake in found if mistake is not None]


def _auth_mode(text: str | None) -> str:
    """Spell `AADToken`, `aadToken` and `aad_token` as YAML does; anything else stays, to be refused."""
    return "aad_token" if (text or "aad_token").replace("_", "").lower() == "aadtoken" else str(text)


def _summary(endpoint: Endpoint, deployment: Deployment) -> dict[str, object]:
    return {
        "name": deployment.name,
        "isDefault": deployment.name == endpoint.default_deployment,
        "model": f"azureml:{deployment.model}" if deployment.model else None,
        "environment": f"azureml:{deployment.environment}" if deployment.environment else None,
        "environmentHash": deployment.build.sha256 if deployment.build else None,
        "compute": f"azureml:{deployment.compute}",
        "provisioningState": deployment.state.value,
    }


def _summary_cli(row: Mapping[str, object]) -> dict[str, object]:
    names = {
        "is_default": "isDefault",
        "environment_hash": "environmentHash",
        "provisioning_state": "provisioningState",
    }
    plain = {name: row.get(name) for name in ("name", "model", "environment", "compute")}
    return {**plain, **{name: row.get(key) for name, key in names.items()}}
