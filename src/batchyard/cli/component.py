"""`batchyard component`: registered steps and pipelines, which deployments and jobs run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import asset, output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

NOUN = asset.AssetNoun("components", "a component", "pipelines.component_files", "component")

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
    """Register a component, or a pipeline with the steps that it writes out or names as files.

    Local code is uploaded once for each content; steps and environments without a name are registered by what they say.
    """
    from batchyard.cli import component_parts
    from batchyard.cli.documents import document_from
    from batchyard.domain.errors import InvalidInput
    from batchyard.wire.pipelines.component_files import component_from_yaml, component_to_arm_body

    path = Path(file).resolve()
    written = component_from_yaml(document_from("component", file, {"name": name, "version": version}, sets))
    parts, mistakes = component_parts.check(server, written.spec, path.parent, above=(path,))
    if mistakes:
        raise InvalidInput(f"Component {written.name!r}", mistakes)
    spec = component_parts.register(server, parts, name=written.name)
    which = written.version or asset.next_version(server, NOUN.collection, written.name)
    place = server.path(NOUN.collection, written.name, "versions", which)
    return NOUN.to_cli(server.put(place, component_to_arm_body(written, which, spec)).body)


show = asset.show_command(NOUN)
list_ = asset.list_command(NOUN)
archive = asset.archive_command(NOUN, is_archived=True)
restore = asset.archive_command(NOUN, is_archived=False)
