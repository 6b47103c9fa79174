"""What `model` and `environment` share: versions, labels, lists, archiving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import ServerError, UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

NEWEST_FIRST = "createdtime desc"


def next_version(server: Server, collection: str, name: str) -> str:
    """Ask for the number that the next version of a container takes, "1" for a new one."""
    found = server.find(server.path(collection, name))
    return "1" if found is None else str(found.body["properties"].get("nextVersion") or "1")


def newest(server: Server, collection: str, name: str) -> dict[str, Any] | None:
    """Give the newest version that is not archived, None when there is none."""
    newest_one: dict[str, str | int] = {"$orderBy": NEWEST_FIRST, "$top": 1, "listViewType": "ActiveOnly"}
    found = server.find(server.path(collection, name, "versions"), **newest_one)
    versions = [] if found is None else found.body.get("value") or []
    return versions[0] if versions else None


def get_version(server: Server, collection: str, name: str, version: str | None, label: str | None) -> dict[str, Any]:
    """Read one version; the newest when neither version nor label says which.

    Raises: ServerError 404 when there is none; UsageMistake for both at once, or another label than `latest`.
    """
    if version and label:
        raise UsageMistake("Give --version or --label, not both.")
    if label and label != "latest":
        raise UsageMistake(f"The label {label!r} is unknown; there is only `latest`.")
    if version:
        found: dict[str, Any] = server.get(server.path(collection, name, "versions", version)).body
        return found
    latest = newest(server, collection, name)
    if latest is not None:
        return latest
    # The container's own 404 names near names; one whose versions are all archived has none to give.
    server.get(server.path(collection, name))
    raise ServerError(404, "ResourceNotFound", f"{name!r} has no version that is not archived.")


def list_versions(
    server: Server,
    collection: str,
    name: str | None,
    *,
    limit: int | None,
    include_archived: bool,
    archived_only: bool,
    to_cli: Callable[[Mapping[str, Any]], dict[str, object]],
) -> list[dict[str, object]]:
    """List the versions of one container, or all containers."""
    view = view_of(include_archived=include_archived, archived_only=archived_only)
    if name:
        path = server.path(collection, name, "versions")
        found = server.list_all(path, limit=limit, **{"$orderBy": NEWEST_FIRST, "listViewType": view})
        return [to_cli(arm) for arm in found]
    return [_container(arm) for arm in server.list_all(server.path(collection), limit=limit, listViewType=view)]


def view_of(*, include_archived: bool, archived_only: bool) -> str:
    """Give the view of a list that two flags ask for. Raises: UsageMistake for both at once."""
    if include_archived and archived_only:
        raise UsageMistake("Give --include-archived or --archived-only, not both.")
    return "ArchivedOnly" if archived_only else "All" if include_archived else "ActiveOnly"


def set_archived(server: Server, collection: str, name: str, version: str | None, *, is_archived: bool) -> None:
    """Hide a version, or every version, from lists, or show it again; references to it go on working."""
    path = server.path(collection, name, "versions", version) if version else server.path(collection, name)
    body = server.get(path).body
    properties = {**body["properties"], "isArchived": is_archived}
    server.put(path, {**body, "properties": properties})


def say_notes(server: Server, notes: Sequence[str]) -> None:
    """Tell about keys that were accepted but have no effect here."""
    for note in notes:
        server.say(note)


def _container(arm: Mapping[str, Any]) -> dict[str, object]:
    properties = arm.get("properties") or {}
    return {
        "id": arm.get("id"),
        "name": arm.get("name"),
        "latest_version": properties.get("latestVersion"),
        "description": properties.get("description"),
        "tags": properties.get("tags") or {},
    }
