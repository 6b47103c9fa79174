"""Computes: made, changed, shown and deleted."""

from __future__ import annotations

from batchyard.control import audit, definitions, registry
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.computes import Compute, compute_mistakes
from batchyard.domain.deployments import Deployment
from batchyard.domain.errors import Conflict, InvalidInput
from batchyard.domain.job_specs import PipelineSpec, Spec
from batchyard.domain.job_states import FINAL, JobStatus
from batchyard.ports.records import JobFilter, Kind, Page, Stored, Transaction

_MOST_NAMED = 10


def create_or_update(
    tx: Transaction,
    caller: Caller,
    compute: Compute,
    *,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> Stored[Compute]:
    """Store a compute whole. Raises: Forbidden; InvalidInput with every mistake; PreconditionFailed."""
    authorise(caller, Action.COMPUTE_WRITE)
    mistakes = compute_mistakes(compute)
    if mistakes:
        raise InvalidInput(f"Compute {compute.name!r}", mistakes)
    act = audit.Act(caller.name, Action.COMPUTE_WRITE, now, reason, ticket)
    return audit.save(tx, act, registry.compute_key(compute.name), compute, if_match=if_match)


def get(tx: Transaction, caller: Caller, name: str) -> Stored[Compute]:
    """Give one. Raises: Forbidden; NotFound naming near ones."""
    authorise(caller, Action.COMPUTE_READ)
    return registry.load_compute(tx, name)


def list_computes(
    tx: Transaction, caller: Caller, *, limit: int = 1000, token: str | None = None
) -> Page[Stored[Compute]]:
    """Give a page of them, by name. Raises: Forbidden."""
    authorise(caller, Action.COMPUTE_READ)
    return tx.documents.list(Kind.COMPUTE, limit=limit, token=token)


def delete(
    tx: Transaction,
    caller: Caller,
    name: str,
    *,
    read: definitions.Read,
    now: float,
    if_match: str | None = None,
    reason: str = "",
    ticket: str = "",
) -> bool:
    """Delete one; False when there was none. read: what a component's definition says.

    Raises: Forbidden; Conflict naming the deployments and the unfinished jobs that use it; PreconditionFailed.
    """
    authorise(caller, Action.COMPUTE_DELETE)
    users = _users(tx, name, read)
    if users:
        more = f" and {len(users) - _MOST_NAMED} more" if len(users) > _MOST_NAMED else ""
        listed = ", ".join(users[:_MOST_NAMED]) + more
        raise Conflict(f"Compute {name!r} is in use by {listed}. Move or delete them first.")
    act = audit.Act(caller.name, Action.COMPUTE_DELETE, now, reason, ticket)
    return audit.delete(tx, act, registry.compute_key(name), if_match=if_match)


def _users(tx: Transaction, compute: str, read: definitions.Read) -> list[str]:
    """Name everything that would break without the compute; jobs not yet started are ended when it is gone."""

    def uses(run: Deployment | Spec) -> bool:
        used = {run.compute}
        if isinstance(run, Deployment | PipelineSpec) and run.component is not None:
            used |= definitions.computes_of(tx, run.component, read=read)
        return compute in used

    users = []
    for endpoint in registry.names(tx, Kind.ENDPOINT):
        for stored in registry.deployments_of(tx, endpoint):
            serving = registry.serving(tx, endpoint, stored.key.name)
            used = uses(stored.document) or (serving is not None and uses(serving.document))
            users += [f"deployment {endpoint}/{stored.key.name}"] if used else []
    unfinished = JobFilter(statuses=frozenset(JobStatus) - FINAL, with_steps=True)
    jobs = registry.every(lambda token: tx.jobs.list(unfinished, token=token))
    return users + [f"job {job.name}" for job in jobs if uses(job.spec)]
