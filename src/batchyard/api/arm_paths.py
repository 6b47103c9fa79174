"""ARM compares ids without case: paths are brought to one spelling before routing, names in them left as they are."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from batchyard.api.errors import error_answer, is_blob_path
from batchyard.domain.errors import CallerError, NotFound
from batchyard.domain.resource_ids import PROVIDER, Scope

INVOKE = "/invoke"
HISTORY = "/history/v1.0"
DATA = "/data/v1.0"
MANAGEMENT_FRONTEND = "/mferp/managementfrontend"

_SPELLINGS = {
    name.lower(): name
    for name in (
        "batchDeploymentOperations",
        "batchGetResolvedUris",
        "batchEndpoints",
        "cancel",
        "children",
        "codes",
        "components",
        "computes",
        "datastores",
        "data",
        "dataversion",
        "deployments",
        "details",
        "environments",
        "experimentids",
        "experiments",
        "jobs",
        "listSecrets",
        "models",
        "rundata",
        "runs",
        "schedules",
        "startPendingUpload",
        "versions",
    )
}
_PREFIXES = (INVOKE, HISTORY, DATA, MANAGEMENT_FRONTEND, "")
_WORKSPACE_WORDS = ("", "subscriptions", "resourcegroups", "providers", PROVIDER.lower(), "workspaces")


class ArmPaths:
    """Rewrites the path of a request to the workspace; another workspace is answered with 404."""

    def __init__(self, app: ASGIApp, *, scope: Scope) -> None:
        self._app = app
        self._scope = scope

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Pass the request on with its path in our spelling; ASGI."""
        if scope["type"] == "http":
            try:
                path = _routed_path(scope["path"], scope["raw_path"], self._scope)
            except CallerError as error:
                await error_answer(scope, error)(scope, receive, send)
                return
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)


def _routed_path(path: str, raw_path: bytes, workspace: Scope) -> str:
    # The gateway reads the raw path itself; names of blobs may hold what no route would match, such as a line break.
    if is_blob_path(path):
        return "/blob/-"
    if b"%2f" in raw_path.lower():
        # Decoded it would divide the path elsewhere than the caller did, and lead to another resource.
        raise CallerError(f"The path {path!r} holds a name with a '/' in it (as %2F); no name here has one.")
    return canonical_path(path, workspace)


def canonical_path(path: str, workspace: Scope) -> str:
    """Give the path with the workspace's id and the known words spelled our way; other paths come back unchanged.

    Raises: NotFound when it names another workspace than ours.
    """
    prefix = next(known for known in _PREFIXES if path.lower().startswith(known))
    parts = path[len(prefix) :].split("/")
    words = [part.lower() for part in parts]
    if len(parts) < 9 or (*words[0:2], words[3], words[5], words[6], words[7]) != _WORKSPACE_WORDS:
        return path
    if (words[2], words[4], words[8]) != _lower(workspace):
        raise NotFound(f"The workspace {parts[8]!r} is not served here; this server has {workspace.arm_id!r}.")
    rest = [_SPELLINGS.get(word, part) if not at % 2 else part for at, (part, word) in enumerate(_pairs(parts, words))]
    return "/".join((prefix + workspace.arm_id, *rest))


def _pairs(parts: list[str], words: list[str]) -> list[tuple[str, str]]:
    return list(zip(parts[9:], words[9:], strict=True))


def _lower(workspace: Scope) -> tuple[str, str, str]:
    return workspace.subscription.lower(), workspace.resource_group.lower(), workspace.workspace.lower()
