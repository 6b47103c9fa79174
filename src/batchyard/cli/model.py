"""`batchyard model`: registered models and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.documents import Change
    from batchyard.wire.models import ModelYaml

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


def show(server: Server, *, name: str, version: str | None = None, label: str | None = None) -> Any:
    """Show a version of a model; the newest when none is named."""
    from batchyard.cli.asset import get_version
    from batchyard.wire.models import model_cli_from_arm

    return model_cli_from_arm(get_version(server, "models", name, version, label))


def list_(
    server: Server,
    *,
    name: str | None = None,
    max_results: int | None = None,
    include_archived: bool = False,
    archived_only: bool = False,
) -> Any:
    """List the models, or the versions of one."""
    from batchyard.cli.asset import list_versions
    from batchyard.wire.models import model_cli_from_arm

    return list_versions(
        server,
        "models",
        name,
        limit=max_results,
        include_archived=include_archived,
        archived_only=archived_only,
        to_cli=model_cli_from_arm,
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
    """Change description, tags or properties of a model's version."""
    from batchyard.cli import documents
    from batchyard.cli.asset import get_version
    from batchyard.wire.models import model_cli_from_arm, model_from_yaml, model_to_arm_body, model_yaml_from_arm

    flags = {"description": description, "tags": documents.key_values(tags, flag="--tags")}
    which = version or str(get_version(server, "models", name, None, label)["name"])

    def to_body(document: dict[str, object]) -> dict[str, object]:
        written = model_from_yaml(document)
        return model_to_arm_body(_draft(written, written.path, which))

    answer = documents.update(
        server,
        server.path("models", name, "versions", which),
        to_document=model_yaml_from_arm,
        change=lambda document: documents.patch_from(
            "model", document, None, flags, changes, force_string=force_string
        ),
        to_body=to_body,
    )
    return model_cli_from_arm(answer.body)


def archive(server: Server, *, name: str, version: str | None = None) -> None:
    """Hide a version, or all of a model, from lists; deployments go on using it."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "models", name, version, is_archived=True)


def restore(server: Server, *, name: str, version: str | None = None) -> None:
    """Show an archived version, or all of a model, in lists again."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "models", name, version, is_archived=False)


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
