"""`batchyard data`: registered names for data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import asset, output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.data import DataYaml

NOUN = asset.AssetNoun("data", "a data asset", "data", "data")

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


def _changed(document: dict[str, object], version: str) -> dict[str, object]:
    from batchyard.wire.data import data_from_yaml, data_to_arm_body

    written = data_from_yaml(document)
    return data_to_arm_body(_asset(written, written.path, version))


show = asset.show_command(NOUN)
list_ = asset.list_command(NOUN)
update = asset.update_command(NOUN, _changed)
archive = asset.archive_command(NOUN, is_archived=True)
restore = asset.archive_command(NOUN, is_archived=False)
