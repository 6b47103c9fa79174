"""What a workspace holds, as one side of a comparison; only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.asset import NEWEST_FIRST
from batchyard.cli.failures import CommandFailed
from batchyard.domain.resource_ids import Scope, parse_reference

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.differences import Fields, Side, Subject
    from batchyard.wire.documents import Document

_VERSIONED = (("model", "models"), ("environment", "environments"), ("data", "data"), ("component", "components"))
#: Kept to the letter, and given as the command line shows them.
_AS_SHOWN = ("schedule", "component", "datastore")
#: Every workspace is born with these.
_BORN_WITH = ("workspaceblobstore", "workspaceartifactstore")


def side_of_workspace(server: Server) -> Side:
    """Read everything that a workspace declares; archived versions and those without a name of their own are left out.

    Raises: ServerError, 404 for a workspace that there is not.
    """
    from batchyard.domain.differences import Side
    from batchyard.wire.comparisons import subjects_as_shown, subjects_of

    server.get(server.scope.arm_id)
    subjects: dict[Subject, Fields] = {}
    newest: dict[tuple[str, str], str] = {}
    for noun, document in _documents(server):
        read = subjects_as_shown if noun in _AS_SHOWN else subjects_of
        subjects |= read(noun, document)
    for noun, collection in _VERSIONED:
        for document in _versions(server, noun, collection):
            # Newest first, so the first one seen of each name.
            newest.setdefault((noun, str(document["name"])), str(document["version"]))
            read = subjects_as_shown if noun in _AS_SHOWN else subjects_of
            subjects |= read(noun, document)
    return Side(subjects, newest)


def scope_named(server: Server, operand: str) -> Scope:
    """Find the workspace that `NAME`, `GROUP/NAME` or `SUBSCRIPTION/GROUP/NAME` means, cases aside.

    A name alone means first the one of the resource group that commands go to, then the only one that is called so.

    Raises: CommandFailed where there is none, or where several are called so.
    """
    wanted = tuple(operand.casefold().split("/"))
    here = _parts(server.scope)
    alone_here = (*here[:2], *wanted) if len(wanted) == 1 else wanted
    known = [_scope_of(arm["id"]) for one in server.list_all("/subscriptions") for arm in _workspaces(server, one)]
    found = [scope for scope in known if _parts(scope)[-len(wanted) :] == wanted]
    exact = [scope for scope in found if _parts(scope) == alone_here]
    if len(exact or found) == 1:
        return (exact or found)[0]
    listed = ", ".join(f"workspace:{scope.subscription}/{scope.resource_group}/{scope.workspace}" for scope in known)
    told = "does not exist" if not found else "is not the only one called so"
    raise CommandFailed(f"The workspace {operand!r} {told}. Name one of: {listed}.")


def _workspaces(server: Server, subscription: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    from batchyard.wire.workspaces import workspaces_path

    yield from server.list_all(workspaces_path(str(subscription["subscriptionId"]), None))


def _scope_of(arm_id: str) -> Scope:
    names = arm_id.split("/")
    return Scope(names[2], names[4], names[8])


def _parts(scope: Scope) -> tuple[str, ...]:
    return tuple(name.casefold() for name in (scope.subscription, scope.resource_group, scope.workspace))


def _documents(server: Server) -> Iterator[tuple[str, Document]]:
    """Give the YAML documents of everything without versions."""
    from batchyard.wire.computes import compute_from_arm, compute_to_yaml
    from batchyard.wire.endpoints import endpoint_from_arm, endpoint_to_yaml
    from batchyard.wire.schedule_files import schedule_cli_from_arm

    for arm in server.list_all(server.path("batchEndpoints")):
        yield "batch-endpoint", endpoint_to_yaml(endpoint_from_arm(arm["name"], arm))
        for deployment in server.list_all(server.path("batchEndpoints", arm["name"], "deployments")):
            yield "batch-deployment", _deployment(server, deployment)
    for arm in server.list_all(server.path("computes")):
        yield "compute", compute_to_yaml(compute_from_arm(arm["name"], arm))
    for arm in server.list_all(server.path("schedules"), listViewType="All"):
        yield "schedule", schedule_cli_from_arm(arm)
    for arm in server.list_all(server.path("datastores")):
        if arm["name"] not in _BORN_WITH:
            yield "datastore", _as_written(arm)


def _versions(server: Server, noun: str, collection: str) -> Iterator[Document]:
    from batchyard.wire.data import data_yaml_from_arm
    from batchyard.wire.environments import environment_yaml_from_arm
    from batchyard.wire.models import model_yaml_from_arm

    known: Mapping[str, Callable[[Mapping[str, Any]], Document]] = {
        "model": model_yaml_from_arm,
        "environment": _environment(environment_yaml_from_arm),
        "data": data_yaml_from_arm,
    }
    to_document = known.get(noun) or _component(server)
    active_newest_first: dict[str, Any] = {"$orderBy": NEWEST_FIRST, "listViewType": "ActiveOnly"}
    for container in server.list_all(server.path(collection), listViewType="ActiveOnly"):
        path = server.path(collection, container["name"], "versions")
        for arm in server.list_all(path, **active_newest_first):
            if not arm["properties"].get("isAnonymous"):
                yield to_document(arm)


def _deployment(server: Server, arm: Mapping[str, Any]) -> Document:
    """Give a deployment's document, with the content of what has no name of its own."""
    from batchyard.wire.comparisons import by_content
    from batchyard.wire.deployments import deployment_yaml_from_arm
    from batchyard.wire.environments import environment_yaml_from_arm
    from batchyard.wire.models import model_yaml_from_arm

    document = deployment_yaml_from_arm(arm)
    code = document.get("code_configuration")
    if isinstance(code, dict) and (found := _asset(server, "codes", code.get("code"))) is not None:
        document["code_configuration"] = {**code, "code": by_content(_fingerprint(found))}
    for key, collection, to_document in (
        ("model", "models", model_yaml_from_arm),
        ("environment", "environments", _environment(environment_yaml_from_arm)),
    ):
        found = _asset(server, collection, document.get(key))
        if found is not None and found["properties"].get("isAnonymous"):
            inline = to_document(found)
            document[key] = {name: value for name, value in inline.items() if name not in ("name", "version")}
    return document


def _asset(server: Server, collection: str, written: object) -> dict[str, Any] | None:
    reference = parse_reference(written) if isinstance(written, str) else None
    if reference is None or reference.version is None:
        return None
    answer = server.find(server.path(collection, reference.name, "versions", reference.version))
    return None if answer is None else answer.body


def _environment(to_document: Callable[[Mapping[str, Any]], Document]) -> Callable[[Mapping[str, Any]], Document]:
    """Read an environment so that its conda file of one line is not taken for a path."""

    def read(arm: Mapping[str, Any]) -> Document:
        document = to_document(arm)
        text = document.get("conda_file")
        return {**document, "conda_file": f"{text}\n"} if isinstance(text, str) else document

    return read


def _component(server: Server) -> Callable[[Mapping[str, Any]], Document]:
    """Read a component, with the content of its code in the place of its id."""
    from batchyard.wire.comparisons import by_content
    from batchyard.wire.pipelines.component_files import component_cli_from_arm

    def read(arm: Mapping[str, Any]) -> Document:
        shown = component_cli_from_arm(arm)
        found = _asset(server, "codes", shown.get("code"))
        return shown if found is None else {**shown, "code": by_content(_fingerprint(found))}

    return read


def _fingerprint(code: Mapping[str, Any]) -> str:
    """Give the client's own fingerprint of code where there is one: files of this machine are known by it as well."""
    properties = code["properties"]
    return str((properties.get("properties") or {}).get("hash_sha256") or properties.get("sha256"))


def _as_written(arm: Mapping[str, Any]) -> Document:
    """Give a resource whose definition is kept to the letter."""
    return {**arm["properties"], "name": arm["name"]}
