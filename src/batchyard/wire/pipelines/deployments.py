"""Pipeline component deployments (azure-batch A.4): what is theirs of ARM's body and of the YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchyard.domain.deployments import DeploymentDraft, DeploymentKind, PipelineSettings
from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.resource_ids import Reference, Scope
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.references import asset_reference, compute_name, is_reference, reference_to_arm_id
from batchyard.wire.shapes import (
    ArmShape,
    Place,
    ReadOnly,
    Text,
    TextMap,
    Truth,
    YamlShape,
    name_missing,
    notes_of,
    read_shape,
)
from batchyard.wire.trees import mapping_at, without_empty

_TYPE = "PipelineComponent"
# Azure: its clients may bring their own prefix before a setting's name.
_PREFIX = "componentdeployment.settings."


class _ComponentId(ArmShape):
    reference_type: Text | None = None
    asset_id: Text | None = None


class ConfigurationArm(ArmShape):
    """`deploymentConfiguration` in a body. settings: in snake_case, as the YAML has them."""

    deployment_configuration_type: Text | None = None
    component_id: _ComponentId | None = None
    settings: object = None

    @property
    def is_pipeline(self) -> bool:
        """Whether it is that of a pipeline component."""
        return (self.deployment_configuration_type or "").lower() == _TYPE.lower()


class PipelineSettingsYaml(YamlShape):
    """`settings` of a pipeline component deployment; an unknown key is a mistake, as it would do nothing."""

    default_compute: Text | None = None
    default_datastore: Text | None = None
    continue_on_step_failure: Truth | None = None
    force_rerun: Truth | None = None
    output_path: Place | None = None


class PipelineDeploymentFile(YamlShape):
    """The YAML of a pipeline component deployment."""

    name: Text | None = None
    endpoint_name: Text | None = None
    type: Text | None = None
    description: Text | None = None
    tags: TextMap | None = None
    properties: TextMap | None = None
    # A reference, a path, or a definition: read below.
    component: object = None
    job_definition: object = None
    # Read by themselves, so that their mistakes have places of their own.
    settings: object = None
    id: ReadOnly = None
    provisioning_state: ReadOnly = None
    is_default: ReadOnly = None
    revision: ReadOnly = None
    serving_revision: ReadOnly = None
    creation_context: ReadOnly = None


@dataclass(frozen=True, slots=True)
class PipelineDeploymentYaml:
    """A pipeline component deployment as its YAML writes it.

    component: a reference, the path of a component's YAML file, or a definition; None with a job, by its name, whose
    component it is ("" without one).
    """

    name: str
    endpoint: str
    component: Reference | str | Mapping[str, object] | None
    settings: PipelineSettings
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    job: str = ""


def pipeline_from_configuration(
    given: ConfigurationArm, found: list[Mistake]
) -> tuple[Reference | None, PipelineSettings]:
    """Read the part of a PUT's body that says what runs. found: gets the mistakes, fields as ARM names them."""
    where = "properties.deploymentConfiguration"
    id = given.component_id.asset_id if given.component_id is not None else None
    component = asset_reference(id, kind="components", field=f"{where}.componentId.assetId")
    if isinstance(component, Mistake):
        found.append(component)
    settings: object = given.settings
    if isinstance(settings, Mapping):
        settings = {_setting_name(str(key)): value for key, value in settings.items()}
    return (
        component if isinstance(component, Reference) else None,
        settings_from(settings, f"{where}.settings", found),
    )


def pipeline_to_arm(scope: Scope, component: Reference | None, settings: PipelineSettings) -> dict[str, object]:
    """Give `deploymentConfiguration`."""
    id = reference_to_arm_id(scope, "components", component) if component is not None else None
    return {
        "deploymentConfigurationType": _TYPE,
        "componentId": {"referenceType": "Id", "assetId": id},
        "settings": settings_map(settings),
    }


def read_pipeline_yaml(document: Mapping[str, object]) -> tuple[PipelineDeploymentYaml, list[Mistake]]:
    """Read as much as can be read, with all mistakes, so that the caller can add what it finds in files."""
    shape, mistakes = read_shape(PipelineDeploymentFile, document)
    found: list[Mistake] = []
    for kind, name, place in (
        ("deployment", shape.name, "name"),
        ("endpoint", shape.endpoint_name, "endpoint_name"),
    ):
        wrong = name_missing(kind, name, field=place)
        mistake = name_mistake(kind, name, field=place) if name else None
        found += [*wrong, *([mistake] if mistake else [])]
    job = _job_named(shape.job_definition, found)
    if shape.job_definition is not None and shape.component is not None:
        found.append(Mistake("job_definition", "component beside it", "one of them"))
    elif shape.job_definition is None and shape.component is None:
        allowed = "a pipeline component: azureml:NAME:VERSION, the path of its YAML file, or its definition"
        found.append(Mistake("component", "nothing", allowed))
    deployment = PipelineDeploymentYaml(
        name=shape.name or "",
        endpoint=shape.endpoint_name or "",
        component=_component(shape.component, found),
        settings=settings_from(shape.settings, "settings", found),
        description=shape.description or "",
        tags=shape.tags or {},
        properties=shape.properties or {},
        notes=notes_of(shape),
        job=job,
    )
    return deployment, merged(mistakes, found)


def pipeline_draft_of(written: PipelineDeploymentYaml, component: Reference | None) -> DeploymentDraft:
    """Make the draft once the component is registered."""
    return DeploymentDraft(
        name=written.name,
        endpoint=written.endpoint,
        kind=DeploymentKind.PIPELINE,
        compute=written.settings.default_compute,
        component=component,
        description=written.description,
        tags=written.tags,
        properties=written.properties,
        pipeline=written.settings,
    )


def pipeline_settings_from_arm(configuration: Mapping[str, object]) -> dict[str, object]:
    """Give the settings of a `deploymentConfiguration` as the YAML has them."""
    settings = mapping_at(configuration, "settings")
    compute = settings.get("default_compute")
    return {**settings, "default_compute": f"azureml:{compute}"} if compute else settings


def _job_named(value: object, found: list[Mistake]) -> str:
    """Read `job_definition`: the name of a job, or Azure's older object with it."""
    named = mapping_at(value).get("job") if isinstance(value, Mapping) else value
    if isinstance(named, str) and named and not named.startswith(("./", "file:")):
        return named.rstrip("/").rsplit("/", 1)[-1].removeprefix("azureml:")
    if value is not None:
        remedy = "Run it once with `batchyard job create`, or name its component."
        found.append(Mistake("job_definition", shown(value), "azureml:JOB, an earlier pipeline job", remedy))
    return ""


def _component(value: object, found: list[Mistake]) -> Reference | str | Mapping[str, object] | None:
    if value is None or isinstance(value, Mapping):
        return value
    if isinstance(value, str) and value and not is_reference(value) and not value.startswith("azureml://"):
        return value.removeprefix("file:")
    reference = asset_reference(value, kind="components", field="component")
    if isinstance(reference, Reference):
        return reference
    found.append(reference)
    return None


def settings_from(document: object, where: str, found: list[Mistake]) -> PipelineSettings:
    """Read the settings of a pipeline; an unknown one is a mistake."""
    shape, mistakes = read_shape(PipelineSettingsYaml, {} if document is None else document, prefix=f"{where}.")
    found += mistakes
    compute: str | Mistake = ""
    if shape.default_compute:
        compute = compute_name(shape.default_compute, field=f"{where}.default_compute")
        found += [compute] if isinstance(compute, Mistake) else []
    store = (shape.default_datastore or "").removeprefix("azureml:").rpartition("/datastores/")[2]
    return PipelineSettings(
        default_compute=compute if isinstance(compute, str) else "",
        default_datastore=store,
        continue_on_step_failure=bool(shape.continue_on_step_failure),
        force_rerun=bool(shape.force_rerun),
        output_path=shape.output_path,
    )


def settings_map(settings: PipelineSettings) -> dict[str, object]:
    """Give the settings as ARM has them; what says nothing is left out."""
    return without_empty(
        {
            "default_compute": settings.default_compute,
            "default_datastore": settings.default_datastore,
            "continue_on_step_failure": settings.continue_on_step_failure,
            "force_rerun": settings.force_rerun,
            "output_path": str(settings.output_path) if settings.output_path else None,
        }
    )


def _setting_name(key: str) -> str:
    return key[len(_PREFIX) :] if key.lower().startswith(_PREFIX) else key
