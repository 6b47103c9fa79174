"""Who may publish where: paths that deployments are pinned to, looked up for drafts and for invocations."""

from __future__ import annotations

from collections.abc import Iterator

from batchyard.control import registry
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.deployments import Deployment, DeploymentDraft, pinned_path
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.errors import InvalidInput, Mistake, PlaceRefused
from batchyard.domain.jobs import Job
from batchyard.domain.pinned_paths import Pin, shared_pin, write_mistakes
from batchyard.domain.reservations import extent, reserved_by
from batchyard.domain.resource_ids import DatastorePath
from batchyard.ports.records import Kind, Transaction

FIELD = "settings.output_path"


def draft_mistakes(tx: Transaction, draft: DeploymentDraft) -> list[Mistake]:
    """Say why a deployment may not be pinned to the path that it asks for: no such datastore, or another's path."""
    place = (draft.pipeline or draft.settings).output_path
    if place is None:
        return []
    stores = [store.name for store in DATASTORES]
    if place.datastore not in stores:
        return [registry.unknown(FIELD, place.datastore, "datastore", stores)]
    return shared_pin(place, _others(tx, draft.endpoint, draft.name), field=FIELD)


def mistakes_of(
    tx: Transaction, place: DatastorePath, *, endpoint: str, deployment: str, own: DatastorePath | None, field: str
) -> list[Mistake]:
    """Say why a job may not publish to a place. endpoint, deployment: that it is of, "" for none; own: the path that
    the revision is pinned to which it runs."""
    stored = tx.documents.get(registry.endpoint_key(endpoint)) if endpoint else None
    is_default = stored is not None and stored.document.default_deployment == deployment
    others = _others(tx, endpoint, deployment)
    return write_mistakes(place, own=own, may_leave=is_default, others=others, field=field)


def check_again(tx: Transaction, job: Job) -> None:
    """See that a job which is taken up again may still publish where it was going to. Raises: PlaceRefused."""
    others = list(_others(tx, job.spec.endpoint, job.spec.deployment))
    found: list[Mistake] = []
    for target in reserved_by(job):
        found += write_mistakes(extent(target), own=None, may_leave=True, others=others, field="output_path")
    if found:
        raise PlaceRefused(f"Job {job.name!r}", found)


def refuse(subject: str, mistakes: list[Mistake], refused: list[Mistake]) -> None:
    """Raise every mistake. refused: those of them that say where a job may not publish. Raises: InvalidInput."""
    if refused:
        raise PlaceRefused(subject, [*mistakes, *refused])
    if mistakes:
        raise InvalidInput(subject, mistakes)


def _others(tx: Transaction, endpoint: str, deployment: str) -> Iterator[Pin]:
    """Give the paths of all deployments but one: of the newest revision, and of the one that serves where it is not."""
    for stored in registry.every(lambda token: tx.documents.list(Kind.DEPLOYMENT, token=token)):
        if (stored.key.parent, stored.key.name) == (endpoint, deployment):
            continue
        revisions: list[Deployment] = [stored.document]
        if stored.document.state is not ProvisioningState.SUCCEEDED:
            served = registry.serving(tx, stored.key.parent, stored.key.name)
            revisions += [] if served is None else [served.document]
        for place in map(pinned_path, revisions):
            if place is not None:
                yield Pin(stored.key.parent, stored.key.name, place)
