"""`batchyard batch-deployment`: what runs behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli import output
from batchyard.cli.grammar import Command
from batchyard.cli.tune import tune as tune  # a command of this noun, in a file of its own for its length

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.deployments import DeploymentDraft
    from batchyard.wire.documents import Change, Document

COMMANDS = (
    Command("batch-deployment create", "create", output.deployments),
    Command("batch-deployment show", "show", output.deployments),
    Command("batch-deployment list", "list_", output.deployments),
    Command("batch-deployment update", "update", output.deployments),
    Command(
        "batch-deployment delete",
        "delete",
        question="Delete batch deployment {name!r} of endpoint {endpoint_name!r}? Jobs and outputs stay.",
    ),
    Command("batch-deployment validate", "validate", output.findings),
    Command("batch-deployment list-jobs", "list_jobs", output.jobs),
    Command(
        "batch-deployment tune",
        "tune",
        output.trials,
        example=(
            "Find settings that score a folder within an hour.",
            "batchyard batch-deployment tune -e spam -n words --input messages --target-duration 3600 --write new.yml",
        ),
    ),
)


def create(
    server: Server,
    *,
    file: str,
    endpoint_name: str | None = None,
    name: str | None = None,
    sets: list[list[str]] | None = None,
    set_default: bool = False,
    skip_script_validation: bool = False,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,
) -> Any:
    """Create a batch deployment, or replace the one of the same name; local code and models are uploaded."""
    from batchyard.cli.documents import document_from
    from batchyard.cli.failures import UsageMistake
    from batchyard.cli.operation import finish
    from batchyard.cli.reasons import change_headers
    from batchyard.wire.deployments import deployment_to_arm_body

    if set_default and no_wait:
        raise UsageMistake("--set-default waits until the deployment is ready; it cannot go with --no-wait.")
    document = document_from("batch-deployment", file, {"endpoint_name": endpoint_name, "name": name}, sets)
    folder = Path(file).resolve().parent
    draft = _draft(server, document, folder, skip_script=skip_script_validation)
    path = _path(server, draft.endpoint, draft.name)
    answer = server.put(path, deployment_to_arm_body(server.scope, draft), headers=change_headers(reason, ticket))
    if no_wait:
        return _shown(server, answer.body)
    done = finish(server, answer, path, what=f"Deployment {draft.name!r} of endpoint {draft.endpoint!r}")
    if set_default:
        _make_default(server, draft.endpoint, draft.name, reason=reason, ticket=ticket)
        done = server.get(path).body
    return _ready(server, done)


def show(server: Server, *, endpoint_name: str, name: str, revision: int | None = None) -> Any:
    """Show a batch deployment: its newest revision, or an older one by its number."""
    params = {} if revision is None else {"revision": revision}
    return _shown(server, server.get(_path(server, endpoint_name, name), **params).body)


def list_(server: Server, *, endpoint_name: str) -> Any:
    """List the deployments of a batch endpoint."""
    found = server.list_all(server.path("batchEndpoints", endpoint_name, "deployments"))
    if not found:
        # An empty list and a missing endpoint are told apart.
        server.get(server.path("batchEndpoints", endpoint_name))
    return [_shown(server, arm) for arm in found]


def update(
    server: Server,
    *,
    endpoint_name: str | None = None,
    name: str | None = None,
    file: str | None = None,
    changes: list[Change] | None = None,
    force_string: bool = False,
    skip_script_validation: bool = False,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,
) -> Any:
    """Change a batch deployment; what is not named stays. Consumers are not disturbed while it is provisioned."""
    from batchyard.cli import documents
    from batchyard.cli.operation import finish
    from batchyard.cli.reasons import change_headers
    from batchyard.wire import deployments as wire

    endpoint, deployment = _which(file, endpoint_name, name)
    folder = Path(file).resolve().parent if file else Path.cwd()

    def to_body(document: dict[str, object]) -> dict[str, object]:
        draft = _draft(server, document, folder, skip_script=skip_script_validation)
        return wire.deployment_to_arm_body(server.scope, draft)

    path = _path(server, endpoint, deployment)
    answer = documents.update(
        server,
        path,
        to_document=wire.deployment_yaml_from_arm,
        change=lambda document: documents.patch_from(
            "batch-deployment", document, file, {}, changes, force_string=force_string, to_stored_form=_in_new_form
        ),
        to_body=to_body,
        headers=change_headers(reason, ticket),
    )
    what = f"Deployment {deployment!r} of endpoint {endpoint!r}"
    if no_wait:
        return _shown(server, answer.body)
    done = finish(server, answer, path, what=what)
    # Its warnings were told when it was provisioned.
    return _shown(server, done) if answer.is_unchanged else _ready(server, done)


def delete(
    server: Server,
    *,
    endpoint_name: str,
    name: str,
    force: bool = False,
    reason: str = "",
    ticket: str = "",
    no_wait: bool = False,  # noqa: ARG001  # done at once anyway; accepted as Azure does
) -> None:
    """Delete a batch deployment; the endpoint's default only with --force. Jobs and outputs stay."""
    from batchyard.cli.reasons import change_headers

    options = {"force": "true"} if force else {}
    server.delete(_path(server, endpoint_name, name), headers=change_headers(reason, ticket), **options)


def validate(
    server: Server,
    *,
    file: str | None = None,
    endpoint_name: str | None = None,
    name: str | None = None,
    sets: list[list[str]] | None = None,
    input: str | None = None,
) -> Any:
    """Look at everything a batch deployment needs, and change nothing; exit 1 where something stands in its way.

    With --file: at a YAML file and what it names, before anything is registered. With --name: at one that exists; with
    --input also at what a job on it would need, and a sample of the data is scored.
    """
    from batchyard.cli import preflight
    from batchyard.cli.failures import UsageMistake

    if file is not None:
        if input is not None:
            raise UsageMistake("--input goes with --name; `batchyard run FILE --dry-run --input DATA` takes a file.")
        return preflight.validate_file(server, file, endpoint_name=endpoint_name, name=name, sets=sets)
    if endpoint_name is None or name is None:
        raise UsageMistake("Give --endpoint-name and --name of a deployment, or a --file.")
    if sets:
        raise UsageMistake("--set goes with --file: a deployment that exists is looked at as it is.")
    if input is None:
        return preflight.validate_existing(server, endpoint=endpoint_name, name=name)
    from batchyard.cli.invoke import invoke

    return invoke(server, name=endpoint_name, deployment_name=name, input=input, dry_run=True)


def list_jobs(server: Server, *, endpoint_name: str, name: str, max_results: int | None = None) -> Any:
    """List the jobs that reached a batch deployment, newest first."""
    from batchyard.cli.job import jobs_of

    server.get(_path(server, endpoint_name, name))
    return jobs_of(server, {"endpoint": endpoint_name, "deployment": name}, limit=max_results)


def _draft(server: Server, document: Document, folder: Path, *, skip_script: bool) -> DeploymentDraft:
    """Check what a document says, register what is local, and give the draft that refers to it."""
    from batchyard.cli import deployment_parts, pipeline_parts

    if pipeline_parts.is_pipeline(document):
        return pipeline_parts.draft(server, document, folder)
    return deployment_parts.register(server, deployment_parts.check(server, document, folder, skip_script=skip_script))


def _ready(server: Server, arm: Mapping[str, Any]) -> dict[str, object]:
    """Show a deployment that was provisioned, and say on stderr what its environment is not as asked for."""
    from batchyard.wire.deployments import deployment_warnings

    for warning in deployment_warnings(arm):
        server.say(f"Warning: {warning}")
    return _shown(server, arm)


def _shown(server: Server, arm: Mapping[str, Any]) -> dict[str, object]:
    from batchyard.cli.operation import log_place
    from batchyard.wire.deployments import deployment_cli_from_arm

    shown = deployment_cli_from_arm(arm)
    log = shown["provisioning_log"]
    return {**shown, "provisioning_log": log_place(server, log) if isinstance(log, str) else None}


def _path(server: Server, endpoint: str, name: str) -> str:
    return server.path("batchEndpoints", endpoint, "deployments", name)


def _which(file: str | None, endpoint_name: str | None, name: str | None) -> tuple[str, str]:
    from batchyard.cli.failures import UsageMistake
    from batchyard.cli.local_files import read_yaml
    from batchyard.wire.schema_nouns import check_noun

    given = read_yaml(file) if file else {}
    check_noun(given, "batch-deployment", subject=file or "")
    endpoint = endpoint_name or given.get("endpoint_name")
    deployment = name or given.get("name")
    if not isinstance(endpoint, str) or not isinstance(deployment, str):
        raise UsageMistake("Give --endpoint-name and --name, or a --file that has both.")
    return endpoint, deployment


def _in_new_form(given: dict[str, object]) -> dict[str, object]:
    """Give a document with its settings, which the legacy form has at the root, where the stored one has them."""
    from batchyard.wire.deployment_settings import SETTING_KEYS

    if "type" in given or "settings" in given:
        return given
    settings = {key: value for key, value in given.items() if key in SETTING_KEYS}
    rest = {key: value for key, value in given.items() if key not in SETTING_KEYS}
    return {**rest, "settings": settings} if settings else rest


def _make_default(server: Server, endpoint: str, name: str, *, reason: str, ticket: str) -> None:
    from batchyard.cli import batch_endpoint

    switch: list[Change] = [("--set", [f"defaults.deployment_name={name}"])]
    batch_endpoint.update(server, name=endpoint, changes=switch, reason=reason, ticket=ticket)
