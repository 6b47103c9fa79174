"""Which workspace a request is for, and its path in one spelling: ARM compares ids without case.

Names below the workspace are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from batchyard.api.blob.paths import parse_blob_path
from batchyard.api.errors import error_answer, is_blob_path
from batchyard.api.rooms import Rooms
from batchyard.control import workspaces
from batchyard.domain.access import Caller
from batchyard.domain.errors import BatchyardError, CallerError, NotFound
from batchyard.domain.resource_ids import DEFAULT_SCOPE, PROVIDER, Scope
from batchyard.domain.workspaces import DEFAULT_WORKSPACE, Workspace, is_same, workspace_of_account

SUBSCRIPTIONS = "/subscriptions"
SUBSCRIPTION = SUBSCRIPTIONS + "/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{resource_group}"
LIST = f"/providers/{PROVIDER}/workspaces"
WORKSPACE = f"{GROUP}{LIST}/{{workspace}}"
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
        "serviceinstances",
        "startPendingUpload",
        "versions",
    )
}
_ABOVE = {word.lower(): word for word in ("subscriptions", "resourceGroups", "providers", PROVIDER, "workspaces")}
_PREFIXES = (INVOKE, HISTORY, DATA, MANAGEMENT_FRONTEND, "")
_WORKSPACE_WORDS = ("", "subscriptions", "resourcegroups", "providers", PROVIDER.lower(), "workspaces")
_PARTS = 9  # of the path of a workspace


class ArmPaths:
    """Hands a request the rooms of its workspace (`state.rooms`) and rewrites its path to our spelling.

    A workspace that does not exist is answered with 404, except where the request is about the workspace itself.
    rooms_of: the rooms of a workspace. Requests that name none get those of the default one.
    """

    def __init__(self, app: ASGIApp, *, rooms_of: Callable[[Workspace], Rooms]) -> None:
        self._app = app
        self._rooms_of = rooms_of

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Pass the request on with its rooms and its path; ASGI."""
        if scope["type"] == "http":
            try:
                workspace, path = await self._routed(scope)
            except BatchyardError as error:
                await error_answer(scope, error)(scope, receive, send)
                return
            scope.setdefault("state", {})["rooms"] = self._rooms_of(workspace)
            scope = {**scope, "path": path}
        await self._app(scope, receive, send)

    async def _routed(self, request: Request) -> tuple[Workspace, str]:
        path: str = request["path"]
        # The gateway reads the raw path itself; names of blobs may hold what no route would match, such as a line
        # break.
        if is_blob_path(path):
            return await self._of_blob(request["raw_path"]), "/blob/-"
        if b"%2f" in request["raw_path"].lower():
            # Decoded it would divide the path elsewhere than the caller did, and lead to another resource.
            raise CallerError(f"The path {path!r} holds a name with a '/' in it (as %2F); no name here has one.")
        named = workspace_in(path)
        if named is None:
            return DEFAULT_WORKSPACE, canonical_path(path, DEFAULT_SCOPE)
        if is_same(named, DEFAULT_SCOPE):
            return DEFAULT_WORKSPACE, canonical_path(path, DEFAULT_SCOPE)
        found = await run_in_threadpool(self._find, named, request["state"]["caller"], path)
        return found or DEFAULT_WORKSPACE, canonical_path(path, found.scope if found else named)

    def _find(self, named: Scope, caller: Caller, path: str) -> Workspace | None:
        with self._rooms_of(DEFAULT_WORKSPACE).records.reading() as tx:
            found = workspaces.find(tx, named)
            if found is None and path.count("/") >= _PARTS:
                workspaces.get(tx, caller, named)
            return found

    async def _of_blob(self, raw_path: bytes) -> Workspace:
        try:
            account = parse_blob_path(raw_path).account
        except CallerError:
            # Told by the gateway, in its own words.
            return DEFAULT_WORKSPACE
        id = workspace_of_account(account)
        found = DEFAULT_WORKSPACE if id is None else await run_in_threadpool(self._by_id, id)
        if found is None:
            raise NotFound(f"There is no storage account {account!r}.")
        return found

    def _by_id(self, id: str) -> Workspace | None:
        with self._rooms_of(DEFAULT_WORKSPACE).records.reading() as tx:
            return workspaces.by_id(tx, id)


def workspace_in(path: str) -> Scope | None:
    """Give the workspace that a path names, spelled as it is there, or None."""
    _, parts, words = _divided(path)
    if len(parts) < _PARTS or (*words[0:2], words[3], words[5], words[6], words[7]) != _WORKSPACE_WORDS:
        return None
    return Scope(parts[2], parts[4], parts[8])


def canonical_path(path: str, workspace: Scope) -> str:
    """Give the path with the names of its workspace and the known words spelled our way; other paths as they are.

    workspace: the one that the path names, if it names one.
    """
    prefix, parts, words = _divided(path)
    if words[:2] != ["", "subscriptions"]:
        return path
    if workspace_in(path) is None:
        names = (2, 4) if words[3:4] == ["resourcegroups"] else (2,)
        return "/".join(part if at in names else _ABOVE.get(word, part) for at, (part, word) in _pairs(parts, words))
    below = _pairs(parts[_PARTS:], words[_PARTS:])
    rest = [_SPELLINGS.get(word, part) if not at % 2 else part for at, (part, word) in below]
    return "/".join((prefix + workspace.arm_id, *rest))


def _divided(path: str) -> tuple[str, list[str], list[str]]:
    prefix = next(known for known in _PREFIXES if path.lower().startswith(known))
    parts = path[len(prefix) :].split("/")
    return prefix, parts, [part.lower() for part in parts]


def _pairs(parts: list[str], words: list[str]) -> list[tuple[int, tuple[str, str]]]:
    return list(enumerate(zip(parts, words, strict=True)))
