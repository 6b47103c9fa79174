"""Which deployment an invocation reaches, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import CallerError, NotFound, near_names


@dataclass(frozen=True, slots=True)
class Route:
    """The deployment chosen. reason, shown in the job: `named` by the invocation, the endpoint's `default`, or
    `default_for_stale_name`."""

    deployment: str
    reason: str


# Azure: its SDK goes on sending the name of an earlier call, to any endpoint (sdk-wire 7.1).
STALE = "default_for_stale_name"


def route(endpoint: Endpoint, *, named: str | None, deployments: Collection[str], may_be_stale: bool = False) -> Route:
    """Pick the deployment: the named one, else the default (Azure: C.14).

    may_be_stale: the client is known to send names of earlier calls; one that does not exist here counts as none.

    Raises: NotFound for a named deployment that does not exist; CallerError when none is named and no default is set.
    """
    is_stale = may_be_stale and named is not None and named not in deployments
    if named and not is_stale:
        if named not in deployments:
            close = near_names(named, sorted(deployments)) or sorted(deployments)[:5]
            known = f" Known: {', '.join(map(repr, close))}." if close else ""
            raise NotFound(f"Endpoint {endpoint.name!r} has no deployment {named!r}.{known}")
        return Route(named, "named")
    if endpoint.default_deployment is None:
        raise CallerError(
            f"Endpoint {endpoint.name!r} has no default deployment. Set one with `batchyard batch-endpoint update "
            f"--name {endpoint.name} --set defaults.deployment_name=NAME`, or name one with `--deployment-name`."
        )
    return Route(endpoint.default_deployment, STALE if is_stale else "default")
