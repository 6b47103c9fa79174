"""`batchyard batch-endpoint`: stable names and URLs in front of batch deployments."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command
from batchyard.cli.invoke import invoke as invoke  # a command of this noun, in a file of its own for its length
from batchyard.cli.reasons import change_headers

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.wire.documents import Change

COMMANDS = (
    Command("batch-endpoint create", "create", output.endpoints),
    Command("batch-endpoint show", "show", output.endpoints),
    Command("batch-endpoint list", "list_", output.endpoints),
    Command("batch-endpoint update", "update", output.endpoints),
    Command(
        "batch-endpoint delete",
        "delete",
        question="Delete batch endpoint {name!r} and its deployments? Jobs and outputs stay.",
    ),
    Command("batch-endpoint invoke", "invoke", output.invoked),
    Command("batch-endpoint list-jobs", "list_jobs", output.jobs),
)


def create(
    server: Server,
    *,
    file: str | None = None,
    name: str | None = None,
    sets: list[list[str]] | None = None,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Create a batch endpoint, or replace the one of the same name."""
    from batchyard.cli.documents import document_from
    from batchyard.wire.endpoints import endpoint_cli_from_arm, endpoint_from_yaml, endpoint_notes, endpoint_to_arm_body

    document = document_from("batch-endpoint", file, {"name": name}, sets)
    endpoint = endpoint_from_yaml(document)
    for note in endpoint_notes(document):
        server.say(note)
    path = server.path("batchEndpoints", endpoint.name)
    answer = server.put(path, endpoint_to_arm_body(endpoint), headers=change_headers(reason, ticket))
    return endpoint_cli_from_arm(answer.body)


def show(server: Server, *, name: str) -> Any:
    """Show a batch endpoint, with the history of its default."""
    from batchyard.wire.endpoints import endpoint_cli_from_arm

    return endpoint_cli_from_arm(server.get(server.path("batchEndpoints", name)).body)


def list_(server: Server) -> Any:
    """List the batch endpoints."""
    from batchyard.wire.endpoints import endpoint_cli_from_arm

    return [endpoint_cli_from_arm(arm) for arm in server.list_all(server.path("batchEndpoints"))]


def update(
    server: Server,
    *,
    name: str,
    file: str | None = None,
    defaults: list[list[str]] | None = None,
    changes: list[Change] | None = None,
    force_string: bool = False,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> Any:
    """Change a batch endpoint, such as its default; what is not named stays."""
    from batchyard.cli import documents
    from batchyard.wire.endpoints import endpoint_cli_from_arm, endpoint_from_yaml, endpoint_to_arm_body

    flags = {"defaults": documents.key_values(defaults, flag="--defaults", separators=":=")}
    answer = documents.update(
        server,
        server.path("batchEndpoints", name),
        to_document=functools.partial(_stored, name),
        change=lambda document: documents.patch_from(
            "batch-endpoint", document, file, flags, changes, force_string=force_string
        ),
        to_body=lambda document: endpoint_to_arm_body(endpoint_from_yaml(document)),
        headers=change_headers(reason, ticket),
    )
    return endpoint_cli_from_arm(answer.body)


def delete(
    server: Server,
    *,
    name: str,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> None:
    """Delete a batch endpoint and its deployments; jobs and outputs stay."""
    server.delete(server.path("batchEndpoints", name), headers=change_headers(reason, ticket))


def list_jobs(server: Server, *, name: str, max_results: int | None = None) -> Any:
    """List the jobs of a batch endpoint, newest first."""
    from batchyard.cli.job import jobs_of

    server.get(server.path("batchEndpoints", name))
    return jobs_of(server, {"endpoint": name}, limit=max_results)


def _stored(name: str, arm: Mapping[str, Any]) -> dict[str, object]:
    from batchyard.wire.endpoints import endpoint_from_arm, endpoint_to_yaml

    return endpoint_to_yaml(endpoint_from_arm(name, arm))
