"""Who may do what: actions, roles and callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from batchyard.domain.errors import Forbidden


class Action(Enum):
    """Every permission, `noun/verb`. Azure lumps invoking with writing; here they are apart (D.2)."""

    WORKSPACE_READ = "workspaces/read"
    WORKSPACE_WRITE = "workspaces/write"
    WORKSPACE_DELETE = "workspaces/delete"
    DATASTORE_READ = "datastores/read"
    DATASTORE_WRITE = "datastores/write"
    COMPUTE_READ = "computes/read"
    COMPUTE_WRITE = "computes/write"
    COMPUTE_DELETE = "computes/delete"
    SCHEDULE_READ = "schedules/read"
    SCHEDULE_WRITE = "schedules/write"
    SCHEDULE_DELETE = "schedules/delete"
    ASSET_READ = "assets/read"
    ASSET_WRITE = "assets/write"
    ENDPOINT_READ = "batchEndpoints/read"
    ENDPOINT_WRITE = "batchEndpoints/write"
    ENDPOINT_DELETE = "batchEndpoints/delete"
    ENDPOINT_SET_DEFAULT = "batchEndpoints/defaults/write"
    ENDPOINT_INVOKE = "batchEndpoints/jobs/write"
    DEPLOYMENT_READ = "deployments/read"
    DEPLOYMENT_WRITE = "deployments/write"
    DEPLOYMENT_DELETE = "deployments/delete"
    JOB_READ = "jobs/read"
    JOB_WRITE = "jobs/write"
    JOB_CANCEL = "jobs/cancel"
    JOB_RESUME = "jobs/resume"
    JOB_RETRY_FAILED = "jobs/retryFailed"
    JOB_PAUSE = "jobs/pause"
    JOB_CONTINUE = "jobs/continue"
    JOB_READ_LOGS = "jobs/logs/read"
    JOB_READ_OUTPUT = "jobs/outputs/read"


_READS = frozenset(action for action in Action if action.value.endswith("/read"))

ROLES: Mapping[str, frozenset[Action]] = {
    "Owner": frozenset(Action),
    "Reader": _READS - {Action.JOB_READ_LOGS, Action.JOB_READ_OUTPUT},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. name: shown in audit rows and jobs. roles: keys of `ROLES`. is_owner: the owner of the home itself,
    who alone may have local paths read in place."""

    name: str
    roles: frozenset[str]
    is_owner: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token for a client that asked for one. expires_at: epoch seconds, UTC, whole."""

    text: str
    expires_at: int


def authorise(caller: Caller, action: Action) -> None:
    """Let the caller pass, or raise Forbidden naming the missing action."""
    if not any(action in ROLES.get(role, frozenset()) for role in caller.roles):
        raise Forbidden(f"{caller.name!r} may not do this: the action {action.value!r} is missing from their roles.")
