"""`batchyard model`: registered models and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import asset, output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.models import ModelYaml

NOUN = asset.AssetNoun("models", "a model", "models", "model")

COMMANDS = (
    Command("model create", "create", output.models),
    Command("model show", "show", output.models),
    Command("model list", "list_", output.models),
    Command("model update", "update", output.models),
    Command("model archive", "archive"),
    Command("model restore", "restore"),
    Command("model download", "download"),
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
    """Register a model; a local file or folder is uploaded, once for each content."""
    from batchyard.cli.asset import say_notes
    from batchyard.cli.documents import document_from, key_values
    from batchyard.cli.local_files import is_local, resolve
    from batchyard.wire.models import model_cli_from_arm, model_from_yaml

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
    written = model_from_yaml(document_from("model", file, flags, sets))
    say_notes(server, written.notes)
    folder = Path(file).resolve().parent if file else Path.cwd()
    return model_cli_from_arm(register(server, written, locate(server, written, folder)))


def download(server: Server, *, name: str, version: str | None = None, download_path: str = ".") -> Any:
    """Download a model's files into a folder of its name."""
    from batchyard.cli.asset import get_version
    from batchyard.cli.download import fetch_tree
    from batchyard.cli.failures import CommandFailed
    from batchyard.domain.resource_ids import parse_datastore_uri

    found = get_version(server, "models", name, version, None)
    place = parse_datastore_uri(str(found["properties"].get("modelUri") or ""))
    if place is None:
        raise CommandFailed(f"Model {name!r} is not in a datastore, so there is nothing to download.")
    target = Path(download_path) / name
    return {"downloaded": fetch_tree(server, place, target), "path": str(target)}


def locate(server: Server, written: ModelYaml, folder: Path) -> str:
    """Give the URI of a model's bytes, uploading a local path. folder: what the path is relative to.

    Raises: InvalidInput when the path does not exist or cannot be uploaded.
    """
    from batchyard.cli.local_files import is_local, resolve, tree_of
    from batchyard.cli.upload import upload_tree
    from batchyard.domain.errors import InvalidInput

    if not is_local(written.path):
        return written.path
    tree, mistakes = tree_of(resolve(written.path, folder), field="path")
    if tree is None or mistakes:
        raise InvalidInput(f"Model {written.name!r}", mistakes)
    return upload_tree(server, tree)


def register(
    server: Server, written: ModelYaml, uri: str, *, version: str | None = None, is_anonymous: bool = False
) -> Any:
    """Register a model's version and give its ARM document. version: wins over the written one; else the next."""
    from batchyard.cli.asset import next_version
    from batchyard.wire.models import model_to_arm_body

    which = version or written.version or next_version(server, "models", written.name)
    body = model_to_arm_body(_draft(written, uri, which, is_anonymous=is_anonymous))
    return server.put(server.path("models", written.name, "versions", which), body).body


def _draft(written: ModelYaml, uri: str, version: str, *, is_anonymous: bool = False) -> Any:
    from batchyard.domain.assets import ModelDraft

    return ModelDraft(
        name=written.name,
        version=version,
        type=written.type,
        uri=uri,
        flavors=written.flavors,
        description=written.description,
        tags=written.tags,
        properties=written.properties,
        is_anonymous=is_anonymous,
    )


def _changed(document: dict[str, object], version: str) -> dict[str, object]:
    from batchyard.wire.models import model_from_yaml, model_to_arm_body

    written = model_from_yaml(document)
    return model_to_arm_body(_draft(written, written.path, version))


show = asset.show_command(NOUN)
list_ = asset.list_command(NOUN)
update = asset.update_command(NOUN, _changed)
archive = asset.archive_command(NOUN, is_archived=True)
restore = asset.archive_command(NOUN, is_archived=False)
