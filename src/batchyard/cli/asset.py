"""What the nouns with versions share (`model`, `environment`, `data`, `component`): the commands that differ in words
alone, and looking versions up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import ServerError, UsageMistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Param, Server
    from batchyard.wire.documents import Change, Document

NEWEST_FIRST = "createdtime desc"
# What a command of the grammar names: a function of keywords, which knack reads from its signature.
Handler = Callable[..., Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class AssetNoun:
    """A noun with versions. collection: at the server. words: in sentences, with its article, `a data asset`.

    wire: its module of `batchyard.wire`, imported when a command runs. stem: of the functions there.
    """

    collection: str
    words: str
    wire: str
    stem: str

    def to_cli(self, arm: Mapping[str, Any]) -> dict[str, object]:
        """Give a version as the command line prints it."""
        shown: dict[str, object] = self.call("cli_from_arm", arm)
        return shown

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the noun's wire, such as `model_cli_from_arm`."""
        return getattr(import_module(f"batchyard.wire.{self.wire}"), f"{self.stem}_{function}")(*arguments)


def show_command(noun: AssetNoun) -> Handler:
    """Make `show`."""

    def show(server: Server, *, name: str, version: str | None = None, label: str | None = None) -> Any:
        return noun.to_cli(get_version(server, noun.collection, name, version, label))

    return _told(show, f"Show a version of {noun.words}; the newest when none is named.")


def list_command(noun: AssetNoun) -> Handler:
    """Make `list`."""

    def list_(
        server: Server,
        *,
        name: str | None = None,
        max_results: int | None = None,
        include_archived: bool = False,
        archived_only: bool = False,
    ) -> Any:
        view = view_of(include_archived=include_archived, archived_only=archived_only)
        if not name:
            path = server.path(noun.collection)
            return [_container(arm) for arm in server.list_all(path, limit=max_results, listViewType=view)]
        path = server.path(noun.collection, name, "versions")
        order: dict[str, Param] = {"$orderBy": NEWEST_FIRST, "listViewType": view}
        return [noun.to_cli(arm) for arm in server.list_all(path, limit=max_results, **order)]

    return _told(list_, f"List the names of all that there are, or the versions of {noun.words}.")


def archive_command(noun: AssetNoun, *, is_archived: bool) -> Handler:
    """Make `archive`, or `restore`."""

    def change(server: Server, *, name: str, version: str | None = None) -> None:
        # Azure: references go on working.
        segments = ("versions", version) if version else ()
        path = server.path(noun.collection, name, *segments)
        body = server.get(path).body
        server.put(path, {**body, "properties": {**body["properties"], "isArchived": is_archived}})

    hides = f"Hide a version, or all of {noun.words}, from lists; what names it goes on using it."
    return _told(change, hides if is_archived else f"Show an archived version, or all of {noun.words}, in lists again.")


def update_command(noun: AssetNoun, to_body: Callable[[Document, str], Mapping[str, object]]) -> Handler:
    """Make `update`. to_body: gives what to write of a changed document, and the version that it is of."""

    def update(
        server: Server,
        *,
        name: str,
        version: str | None = None,
        label: str | None = None,
        description: str | None = None,
        tags: list[list[str]] | None = None,
        changes: list[Change] | None = None,
        force_string: bool = False,
    ) -> Any:
        from batchyard.cli import documents

        flags = {"description": description, "tags": documents.key_values(tags, flag="--tags")}
        which = version or str(get_version(server, noun.collection, name, None, label)["name"])
        answer = documents.update(
            server,
            server.path(noun.collection, name, "versions", which),
            to_document=lambda arm: noun.call("yaml_from_arm", arm),
            change=lambda document: documents.patch_from(
                noun.stem, document, None, flags, changes, force_string=force_string
            ),
            to_body=lambda document: to_body(document, which),
        )
        return noun.to_cli(answer.body)

    return _told(update, f"Change description, tags or properties of a version of {noun.words}.")


def _told(handler: Handler, summary: str) -> Handler:
    # knack takes what `--help` says from here.
    handler.__doc__ = summary
    return handler


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


def view_of(*, include_archived: bool, archived_only: bool) -> str:
    """Give the view of a list that two flags ask for. Raises: UsageMistake for both at once."""
    if include_archived and archived_only:
        raise UsageMistake("Give --include-archived or --archived-only, not both.")
    return "ArchivedOnly" if archived_only else "All" if include_archived else "ActiveOnly"


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
