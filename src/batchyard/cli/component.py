"""`batchyard component`: registered steps and pipelines. Kept and shown; nothing runs them yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import asset, output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

NOUN = asset.AssetNoun("components", "a component", "component_files", "component")

COMMANDS = (
    Command("component create", "create", output.models),
    Command("component show", "show", output.models),
    Command("component list", "list_", output.models),
    Command("component archive", "archive"),
    Command("component restore", "restore"),
)


def create(
    server: Server,
    *,
    file: str,
    name: str | None = None,
    version: str | None = None,
    sets: list[list[str]] | None = None,
) -> Any:
    """Register a component; local code is uploaded, once for each content."""
    from batchyard.cli.documents import document_from
    from batchyard.cli.local_files import resolve, tree_of
    from batchyard.cli.upload import upload_code
    from batchyard.domain.errors import InvalidInput
    from batchyard.wire.component_files import component_from_yaml, component_to_arm_body

    written = component_from_yaml(document_from("component", file, {"name": name, "version": version}, sets))
    code = None
    if written.code is not None:
        tree, mistakes = tree_of(resolve(written.code, Path(file).resolve().parent), field="code")
        if tree is None or mistakes:
            raise InvalidInput(f"Component {written.name!r}", mistakes)
        code = f"azureml:{upload_code(server, tree)}"
    which = written.version or asset.next_version(server, NOUN.collection, written.name)
    path = server.path(NOUN.collection, written.name, "versions", which)
    return NOUN.to_cli(server.put(path, component_to_arm_body(written, which, code=code)).body)


show = asset.show_command(NOUN)
list_ = asset.list_command(NOUN)
archive = asset.archive_command(NOUN, is_archived=True)
restore = asset.archive_command(NOUN, is_archived=False)
