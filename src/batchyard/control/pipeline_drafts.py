"""Drafts of pipeline component deployments: the component followed, and every step looked at, nested ones too."""

from __future__ import annotations

from collections.abc import Iterator

from batchyard.control import definitions, pinned_paths, references, registry
from batchyard.domain.assets import AssetKind
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.deployments import Deployment, DeploymentDraft, DeploymentKind, PipelineSettings
from batchyard.domain.errors import InvalidInput, Mistake, merged
from batchyard.domain.names import name_mistake
from batchyard.domain.pinned_paths import pin_mistakes
from batchyard.domain.pipelines.definitions import PipelineDefinition, Step, kind_of
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.ports.records import Kind, Transaction

_FIELD = "component"


def resolve(tx: Transaction, draft: DeploymentDraft, *, read: definitions.Read) -> Deployment:
    """Give the deployment of a draft, its component frozen as a version; what that names never changes.

    Raises: InvalidInput with everything that is wrong, told at once.
    """
    settings = draft.pipeline or PipelineSettings()
    names = (
        name_mistake("deployment", draft.name),
        name_mistake("endpoint", draft.endpoint, field="endpoint_name"),
    )
    found = [mistake for mistake in names if mistake is not None]
    found += [*_endpoint_mistakes(tx, draft.endpoint), *settings_mistakes(tx, settings)]
    found += pinned_paths.draft_mistakes(tx, draft)
    component, mistakes = _component(tx, draft, read)
    found += mistakes
    if component is not None and not mistakes:
        found += compute_mistakes(tx, component[1], settings, read, where="component")
    if found or component is None:
        raise InvalidInput(f"Deployment {draft.name!r}", found)
    return Deployment(
        name=draft.name,
        endpoint=draft.endpoint,
        kind=DeploymentKind.PIPELINE,
        compute=settings.default_compute,
        component=component[0],
        pipeline=settings,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
    )


def _component(
    tx: Transaction, draft: DeploymentDraft, read: definitions.Read
) -> tuple[tuple[AssetId, PipelineDefinition] | None, list[Mistake]]:
    if draft.component is None:
        return None, [Mistake(_FIELD, "nothing", "a pipeline component, such as azureml:NAME:VERSION")]
    stored = references.follow(tx, AssetKind.COMPONENT, draft.component, field=_FIELD)
    if isinstance(stored, Mistake):
        return None, [stored]
    id = AssetId(stored.key.name, stored.key.version)
    if stored.document.is_archived and not _runs_already(tx, draft, id):
        return None, [Mistake(_FIELD, f"archived component '{id}'", "one that is not archived")]
    definition = definitions.definition_at(tx, Reference("components", id.name, id.version), read=read)
    if isinstance(definition, Mistake):
        return None, [definition]
    if not isinstance(definition, PipelineDefinition):
        remedy = "Make a pipeline component with it as its one step."
        return None, [Mistake(_FIELD, f"'{id}', a {kind_of(definition)} component", "a pipeline component", remedy)]
    wrong = definitions.mistakes_of(tx, stored.document.spec, read=read)
    return (id, definition), [Mistake(f"{_FIELD}.{one.field}", one.found, one.allowed, one.remedy) for one in wrong]


def _runs_already(tx: Transaction, draft: DeploymentDraft, id: AssetId) -> bool:
    current = tx.documents.get(registry.deployment_key(draft.endpoint, draft.name))
    return current is not None and current.document.component == id


def _endpoint_mistakes(tx: Transaction, endpoint: str) -> list[Mistake]:
    if not endpoint or tx.documents.get(registry.endpoint_key(endpoint)) is not None:
        return []
    remedy = f"Create it first: `batchyard batch-endpoint create --name {endpoint}`."
    known = registry.names(tx, Kind.ENDPOINT)
    return [registry.unknown("endpoint_name", endpoint, "endpoint", known, remedy=remedy)]


def settings_mistakes(tx: Transaction, settings: PipelineSettings) -> Iterator[Mistake]:
    """Name the datastore and the compute that are not there, and an output path that cannot be one."""
    yield from pin_mistakes(settings.output_path, field=pinned_paths.FIELD)
    known = [store.name for store in DATASTORES]
    if settings.default_datastore and settings.default_datastore not in known:
        yield registry.unknown("settings.default_datastore", settings.default_datastore, "datastore", known)
    if settings.default_compute and tx.documents.get(registry.compute_key(settings.default_compute)) is None:
        computes = registry.names(tx, Kind.COMPUTE)
        yield registry.unknown("settings.default_compute", settings.default_compute, "compute", computes)


def compute_mistakes(
    tx: Transaction, pipeline: PipelineDefinition, settings: PipelineSettings, read: definitions.Read, *, where: str
) -> list[Mistake]:
    """Say which steps have no compute, one that is not there, or one that is too small for them."""
    found: list[Mistake] = []
    for name, step in pipeline.steps.items():
        place = f"{where}.jobs.{name}"
        component = definitions.definition_at(tx, step.component, read=read)
        if isinstance(component, PipelineDefinition):
            found += compute_mistakes(tx, component, settings, read, where=place)
        elif not isinstance(component, Mistake):
            instances = component.instance_count if step.instance_count is None else step.instance_count
            found = merged(found, _step_mistakes(tx, step, instances, settings, place))
    return found


def _step_mistakes(
    tx: Transaction, step: Step, instances: int, settings: PipelineSettings, place: str
) -> Iterator[Mistake]:
    name = step.compute or settings.default_compute
    if not name:
        remedy = "Name one for all steps in settings.default_compute."
        yield Mistake(f"{place}.compute", "nothing", "the name of a compute", remedy)
        return
    compute = tx.documents.get(registry.compute_key(name))
    if compute is not None and instances > compute.document.max_instances:
        yield registry.too_many_instances(compute.document, instances, f"{place}.resources.")
    elif compute is None and step.compute:
        yield registry.unknown(f"{place}.compute", name, "compute", registry.names(tx, Kind.COMPUTE))
