"""`batchyard environment`: registered environments and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import asset, output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.assets import Environment
    from batchyard.domain.errors import Mistake
    from batchyard.wire.environments import EnvironmentYaml

NOUN = asset.AssetNoun("environments", "an environment", "environments", "environment")

COMMANDS = (
    Command("environment create", "create", output.environments),
    Command("environment show", "show", output.environments),
    Command("environment list", "list_", output.environments),
    Command("environment update", "update", output.environments),
    Command("environment archive", "archive"),
    Command("environment restore", "restore"),
)


def create(
    server: Server,
    *,
    file: str | None = None,
    name: str | None = None,
    version: str | None = None,
    image: str | None = None,
    conda_file: str | None = None,
    description: str | None = None,
    tags: list[list[str]] | None = None,
    sets: list[list[str]] | None = None,
) -> Any:
    """Register an environment; it is built when a deployment asks for it."""
    from batchyard.cli.asset import say_notes
    from batchyard.cli.documents import document_from, key_values
    from batchyard.cli.local_files import resolve
    from batchyard.domain.errors import InvalidInput
    from batchyard.wire.environments import environment_cli_from_arm, environment_from_yaml

    flags: dict[str, object] = {
        "name": name,
        "version": version,
        "image": image,
        "conda_file": str(resolve(conda_file, Path.cwd())) if conda_file else None,
        "description": description,
        "tags": key_values(tags, flag="--tags"),
    }
    written = environment_from_yaml(document_from("environment", file, flags, sets))
    say_notes(server, written.notes)
    environment, mistakes = read(written, Path(file).resolve().parent if file else Path.cwd(), field="conda_file")
    if mistakes:
        raise InvalidInput(f"Environment {written.name!r}", mistakes)
    return environment_cli_from_arm(register(server, environment))


def read(written: EnvironmentYaml, folder: Path, *, field: str) -> tuple[Environment, list[Mistake]]:
    """Read the conda file that a document names, and give the environment with every mistake found in that file.

    folder: what its path is relative to. field: how mistakes call it.
    """
    from batchyard.cli.failures import CommandFailed
    from batchyard.cli.local_files import read_yaml, resolve
    from batchyard.domain.assets import Environment
    from batchyard.domain.errors import InvalidInput, Mistake

    text, mistakes = written.conda_file_text, list[Mistake]()
    if written.conda_file_path is not None:
        path = resolve(written.conda_file_path, folder)
        try:
            read_yaml(str(path))
            text = path.read_text(encoding="utf-8")
        except InvalidInput as exc:
            mistakes += [Mistake(f"{field} ({path.name})", m.found, m.allowed, m.remedy) for m in exc.mistakes]
        except CommandFailed as exc:
            mistakes.append(Mistake(field, repr(written.conda_file_path), "a readable conda file", str(exc)))
    environment = Environment(
        name=written.name,
        version=written.version or "",
        image=written.image,
        conda_file=text,
        os_type=written.os_type,
        description=written.description,
        tags=written.tags,
        properties=written.properties,
    )
    return environment, mistakes


def register(server: Server, environment: Environment) -> Any:
    """Register an environment's version and give its ARM document; without a version it takes the next number."""
    from batchyard.cli.asset import next_version
    from batchyard.wire.environments import environment_to_arm_body

    which = environment.version or next_version(server, "environments", environment.name)
    path = server.path("environments", environment.name, "versions", which)
    return server.put(path, environment_to_arm_body(environment)).body


def _changed(document: dict[str, object], version: str) -> dict[str, object]:
    from batchyard.domain.errors import InvalidInput
    from batchyard.wire.environments import environment_from_yaml, environment_to_arm_body

    environment, mistakes = read(environment_from_yaml(document), Path.cwd(), field="conda_file")
    if mistakes:
        raise InvalidInput(f"Environment {environment.name!r}, version {version}", mistakes)
    return environment_to_arm_body(environment)


show = asset.show_command(NOUN)
list_ = asset.list_command(NOUN)
update = asset.update_command(NOUN, _changed)
archive = asset.archive_command(NOUN, is_archived=True)
restore = asset.archive_command(NOUN, is_archived=False)
