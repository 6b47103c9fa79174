"""Invocations that reach the deployment of a pipeline component: each queues a job that runs its steps."""

from __future__ import annotations

from batchyard.control import audit, definitions, invocations, registry
from batchyard.control.pipeline_specs import Through, freeze, queue
from batchyard.domain import routing
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import PipelineSpec
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.invocations import PipelineInvocation
from batchyard.ports.datastore import Datastores
from batchyard.ports.records import Transaction


def is_meant(
    tx: Transaction, caller: Caller, endpoint: str, *, named: str | None, may_be_stale: bool, request_id: str | None
) -> bool:
    """Tell whether an invocation is one of a pipeline component, before its body is read.

    named, may_be_stale: see `routing.route`. What was made by the same request id counts, whatever became of the
    endpoint since; an endpoint or deployment that is not there does not, and is told of by who invokes.
    Raises: Forbidden; CallerError when there is no default to route to.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    known = tx.jobs.by_request(endpoint, request_id) if request_id else None
    if known is not None:
        return isinstance(known.spec, PipelineSpec)
    stored = tx.documents.get(registry.endpoint_key(endpoint))
    default = stored.document.default_deployment if stored is not None else None
    deployment = tx.documents.get(registry.deployment_key(endpoint, named)) if named else None
    if deployment is None and default and (may_be_stale or not named):
        deployment = tx.documents.get(registry.deployment_key(endpoint, default))
    if deployment is None:
        if stored is not None and not default and (may_be_stale or not named):
            # Told before the body is read: what it has to be depends on what is not there.
            routing.route(stored.document, named=named, deployments=(), may_be_stale=may_be_stale)
        return False
    served = registry.serving(tx, endpoint, deployment.key.name) or deployment
    return served.document.component is not None


def invoke(
    tx: Transaction,
    caller: Caller,
    invocation: PipelineInvocation,
    *,
    datastores: Datastores,
    read: definitions.Read,
    now: float,
    new_name: str,
    reason: str = "",
    ticket: str = "",
) -> Job:
    """Route an invocation, check and freeze everything that its steps depend on, and queue the job.

    new_name and the request id: as for `jobs.invoke`.
    Raises: Forbidden; NotFound for the endpoint or the named deployment; CallerError when there is no default;
    Conflict (no revision can serve, an output exists, job name taken); InvalidInput with every mistake.
    """
    authorise(caller, Action.ENDPOINT_INVOKE)
    endpoint, wish = invocation.endpoint, invocation.wish
    known = tx.jobs.by_request(endpoint, invocation.request_id) if invocation.request_id else None
    if known is not None:
        return known
    may_be_stale = invocation.deployment_may_be_stale
    route, served = invocations.routed(tx, endpoint, named=invocation.deployment, may_be_stale=may_be_stale)
    deployment = served.document
    if deployment.component is None:
        raise Conflict(f"Deployment {deployment.name!r} of endpoint {endpoint!r} is of a model now. Invoke it again.")
    invocations.refuse_taken(tx, wish.job_name)
    spec = freeze(
        tx,
        caller,
        wish,
        component=deployment.component,
        settings=deployment.pipeline or PipelineSettings(),
        through=Through(endpoint, route.deployment, served.revision, route.reason),
        datastores=datastores,
        read=read,
        new_name=new_name,
        subject=f"Invocation of endpoint {endpoint!r}",
    )
    details = {"endpoint": endpoint, "deployment": spec.deployment, "revision": str(served.revision)}
    act = audit.Act(caller.name, Action.ENDPOINT_INVOKE, now, reason, ticket, details)
    return queue(tx, act, wish, spec, request_id=invocation.request_id or None)
