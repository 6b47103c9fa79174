"""Which deployment an invocation reaches, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import CallerError, NotFound, near_names


@dataclass(frozen=True, slots=True)
class Route:
    """The deployment chosen; reason: `named` by the invocation, or the endpoint's `default`. Shown in the job."""

    deployment: str
    reason: str


def route(endpoint: Endpoint, *, named: str | None, deployments: Collection[str]) -> Route:
    """Pick the deployment: the named one, else the default (Azure: C.14).

    Raises: NotFound for a named deployment that does not exist; CallerError when none is named and no default is set.
    """
    if named:
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
    return Route(endpoint.default_deployment, "default")
