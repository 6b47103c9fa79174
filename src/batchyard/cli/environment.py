"""`batchyard environment`: registered environments and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.assets import Environment
    from batchyard.domain.errors import Mistake
    from batchyard.wire.documents import Change
    from batchyard.wire.environments import EnvironmentYaml

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


def show(server: Server, *, name: str, version: str | None = None, label: str | None = None) -> Any:
    """Show a version of an environment; the newest when none is named."""
    from batchyard.cli.asset import get_version
    from batchyard.wire.environments import environment_cli_from_arm

    return environment_cli_from_arm(get_version(server, "environments", name, version, label))


def list_(
    server: Server,
    *,
    name: str | None = None,
    max_results: int | None = None,
    include_archived: bool = False,
    archived_only: bool = False,
) -> Any:
    """List the environments, or the versions of one."""
    from batchyard.cli.asset import list_versions
    from batchyard.wire.environments import environment_cli_from_arm

    return list_versions(
        server,
        "environments",
        name,
        limit=max_results,
        include_archived=include_archived,
        archived_only=archived_only,
        to_cli=environment_cli_from_arm,
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
    """Change description, tags or properties of an environment's version."""
    from batchyard.cli import documents
    from batchyard.cli.asset import get_version
    from batchyard.domain.errors import InvalidInput
    from batchyard.wire import environments as wire

    flags = {"description": description, "tags": documents.key_values(tags, flag="--tags")}
    which = version or str(get_version(server, "environments", name, None, label)["name"])

    def to_body(document: dict[str, object]) -> dict[str, object]:
        environment, mistakes = read(wire.environment_from_yaml(document), Path.cwd(), field="conda_file")
        if mistakes:
            raise InvalidInput(f"Environment {name!r}", mistakes)
        return wire.environment_to_arm_body(environment)

    answer = documents.update(
        server,
        server.path("environments", name, "versions", which),
        to_document=wire.environment_yaml_from_arm,
        change=lambda document: documents.patch_from(
            "environment", document, None, flags, changes, force_string=force_string
        ),
        to_body=to_body,
    )
    return wire.environment_cli_from_arm(answer.body)


def archive(server: Server, *, name: str, version: str | None = None) -> None:
    """Hide a version, or all of an environment, from lists; deployments go on using it."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "environments", name, version, is_archived=True)


def restore(server: Server, *, name: str, version: str | None = None) -> None:
    """Show an archived version, or all of an environment, in lists again."""
    from batchyard.cli.asset import set_archived

    set_archived(server, "environments", name, version, is_archived=False)


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
