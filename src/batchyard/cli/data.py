"""`batchyard data`: registered names for data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.data import DataYaml
    from batchyard.wire.documents import Change

COMMANDS = (
    Command("data create", "create", output.models),
    Command("data show", "show", output.models),
    Command("data list", "list_", output.models),
    Command("data update", "update", output.models),
    Command("data archive", "archive"),
    Command("data restore", "restore"),
)


def create(
    server: Server,
    *,
    file: str | None = None,
    name: str | None = None,
    version: str | None = None,
    path: str | None = None,
    type: str | None = None,
    description: str | None = None,
    tags: list[list[str]] | None = None,
    sets: list[list[str]] | None = None,
) -> Any:
    """Register a name for data; a local file or folder is uploaded, once for each content."""
    from batchyard.cli.asset import next_version, say_notes
    from batchyard.cli.documents import document_from, key_values
    from batchyard.cli.local_files import is_local, resolve
    from batchyard.wire.data import data_cli_from_arm, data_from_yaml, data_to_arm_body

    # A path typed as a flag is relative to where it was typed, one in the file to the file's folder.
    typed = str(resolve(path, Path.cwd())) if path and is_local(path) else path
    flags: dict[str, object] = {
        "name": name,
        "version": version,
        "path": typed,
        "type": type,
        "description": description,
        "tags": key_values(tags, flag="--tags"),
    }
    written = data_from_yaml(document_from("data", file, flags, sets))
    say_notes(server, written.notes)
    uri = _locate(server, written, Path(file).resolve().parent if file else Path.cwd())
    which = written.version or next_version(server, "data", written.name)
    body = data_to_arm_body(_asset(written, uri, which))
    return data_cli_from_arm(server.put(server.path("data", written.name, "versions", which), body).body)


def show(server: Server, *, name: str, version: str | None = None, label: str | None = None) -> Any:
    """Show a version of a data asset; the newest when none is named."""
    from batchyard.cli.asset import get_version
    from batchyard.wire.data import data_cli_from_arm

    return data_cli_from_arm(get_version(server, "data", name, version, label))


def list_(
    server: Server,
    *,
    name: str | None = None,
    max_results: int | None = None,
    include_archived: bool = False,
    archived_only: bool = False,
) -> Any:
    """List the data assets, or the versions of one."""
    from batchyard.cli.asset import list_versions
    from batchyard.wire.data import data_cli_from_arm

    return list_versions(
        server,
        "data",
        name,
        limit=max_results,
        include_archived=include_archived,
        archived_only=archived_only,
        to_cli=data_cli_from_arm,
    )


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
    """Change description, tags or properties of a data asset's version."""
    from batchyard.cli import documents
    from batchyard.cli.asset import get_version
    from batchyard.domain.resource_ids import parse_reference
    from batchyard.wire.data import data_cli_from_arm, data_from_yaml, data_to_arm_body, data_yaml_from_arm

    flags = {"description": description, "tags": documents.key_values(tags, flag="--tags")}
    named = parse_reference(str(get_version(server, "data", name, version, label)["id"]))
    which = str(named.version if named else version)

    def to_body(document: dict[str, object]) -> dict[str, object]:
        written = data_from_yaml(document)
        return data_to_arm_body(_asset(written, written.path, which))

    answer = documents.update(
        server,
        server.path("data", name, "versions", which),
        to_document=data_yaml_from_arm,
        change=lambda document: documents.patch_from("data", document, None, flags, changes, force_string=force_string),
        to_body=to_body,
    )
    return data_cli_from_arm(answer.body)


def archive(server: Server, *, name: str, version: str | None = None) -> None:
    """Hide a version, or all of a data asset, from lists; it can still be named."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "data", name, version, is_archived=True)


def restore(server: Server, *, name: str, version: str | None = None) -> None:
    """Show an archived version, or all of a data asset, in lists again."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "data", name, version, is_archived=False)


def _locate(server: Server, written: DataYaml, folder: Path) -> str:
    """Give the URI of the data, uploading a local path. Raises: InvalidInput when it cannot be read or uploaded."""
    from batchyard.cli.local_files import is_local, resolve, tree_of
    from batchyard.cli.upload import upload_tree
    from batchyard.domain.errors import InvalidInput, Mistake

    if not is_local(written.path):
        return written.path
    path = resolve(written.path, folder)
    tree, mistakes = tree_of(path, field="path")
    kind = "uri_file" if path.is_file() else "uri_folder"
    if not mistakes and kind != written.type.value:
        mistakes = [Mistake("type", written.type.value, f"{kind}, as {str(path)!r} is one")]
    if tree is None or mistakes:
        raise InvalidInput(f"Data asset {written.name!r}", mistakes)
    return upload_tree(server, tree)


def _asset(written: DataYaml, uri: str, version: str) -> Any:
    from batchyard.domain.assets import DataAsset

    return DataAsset(
        name=written.name,
        version=version,
        type=written.type,
        uri=uri,
        description=written.description,
        tags=written.tags,
        properties=written.properties,
    )
