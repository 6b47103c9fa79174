"""`batchyard job create`: a pipeline or command job of a file, on its own, without an endpoint."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import CommandFailed
from batchyard.domain.errors import InvalidInput

if TYPE_CHECKING:
    from batchyard.cli.component_parts import Part
    from batchyard.cli.rest import Server
    from batchyard.domain.errors import Mistake
    from batchyard.wire.pipelines.job_files import JobYaml

# Azure: what its clients call environments without a name.
_ENVIRONMENT = "CliV2AnonymousEnvironment"


def create(
    server: Server,
    *,
    file: str,
    name: str | None = None,
    sets: list[list[str]] | None = None,
    wait: bool = False,
    stream: bool = False,
    web: bool = False,
    upload: bool = False,
) -> Any:
    """Run a pipeline of a file once; a command job runs as a pipeline of one step.

    Steps that are written out or named as files are registered by what they say, and so is the pipeline of them.
    """
    from batchyard.cli.documents import document_from
    from batchyard.wire.jobs import job_cli_from_arm
    from batchyard.wire.pipelines.job_files import job_to_arm_body

    path = Path(file).resolve()
    document = document_from("job", file, {"name": name}, sets)
    written, part, component = _read(server, document, path, upload=upload)
    _refuse_taken(server, written.wish.job_name)
    job = written.wish.job_name or f"job-{uuid.uuid4().hex[:12]}"
    spec = written.spec
    if part is not None:
        spec = _register(server, part)
        component = component or _anonymous(server, written, spec)
    body = job_to_arm_body(written.wish, written.settings, component=component, spec=spec)
    made = job_cli_from_arm(server.put(server.path("jobs", job), body).body)
    if web:
        say_link(server, made)
    if not (wait or stream):
        return made
    from batchyard.cli.following import follow_to_end

    return follow_to_end(server, made, with_logs=stream)


def _refuse_taken(server: Server, name: str | None) -> None:
    # A PUT of a job that is there changes what is written on it, and runs nothing.
    if name and server.find(server.path("jobs", name)) is not None:
        raise CommandFailed(
            f"Job {name!r} exists already, and a job runs once. Give another name with --name, or none at all; "
            f"`batchyard job show -n {name}` shows the one that is there."
        )


def say_link(server: Server, job: Mapping[str, Any]) -> None:
    """Tell where the job is to be seen, for `--web`. Nothing is opened: there are no pages for a browser yet."""
    server.say(f"{job.get('name')}: {job['services'].get('Studio', {}).get('endpoint')}")


def _read(
    server: Server, document: Mapping[str, object], path: Path, *, upload: bool
) -> tuple[JobYaml, Part | None, str | None]:
    """Check everything that a file says and names. Gives: the job with data brought to the server, what is local of
    its definition, and the id of a registered component.

    Raises: InvalidInput with all mistakes, before anything is sent.
    """
    from batchyard.cli import component_parts
    from batchyard.cli.pipeline_invoke import given_data, sent_data
    from batchyard.cli.pipeline_parts import part_of
    from batchyard.domain.pipelines.components import Signature
    from batchyard.wire.pipelines.job_files import job_from_yaml
    from batchyard.wire.pipelines.ports import inputs_of
    from batchyard.wire.pipelines.values import inputs_from_yaml, outputs_from_yaml
    from batchyard.wire.references import is_reference

    written, found = job_from_yaml(document)
    component, part = written.component, None
    if isinstance(component, str) and is_reference(component):
        component = _pinned(server, component, found)
    elif isinstance(component, str | Mapping):
        part, component = part_of(server, component, path.parent, found), None
    elif isinstance(written.spec.get("jobs"), Mapping):
        part, wrong = component_parts.check(server, written.spec, path.parent, above=(path,))
        found += wrong
    values, notes = inputs_from_yaml(document.get("inputs"), found)
    signature = Signature(inputs_of(written.spec.get("inputs"), []))
    paths: dict[str, Path] = {}
    inputs = given_data(values, signature, paths, found, folder=path.parent)
    outputs = outputs_from_yaml(document.get("outputs"), server.scope, found)
    if found:
        raise InvalidInput(f"Job {written.wish.job_name!r}" if written.wish.job_name else "Job", found)
    for note in (*written.notes, *notes):
        server.say(note)
    inputs = sent_data(server, inputs, paths, upload=upload)
    wish = replace(written.wish, inputs=inputs, outputs=outputs)
    return replace(written, wish=wish), part, component if isinstance(component, str) else None


def _pinned(server: Server, text: str, found: list[Mistake]) -> str | None:
    from batchyard.cli.component_parts import pinned
    from batchyard.domain.resource_ids import parse_reference
    from batchyard.wire.references import reference_to_arm_id

    reference = parse_reference(pinned(server, "components", text, "component", found))
    return None if reference is None else reference_to_arm_id(server.scope, "components", reference)


def _register(server: Server, part: Part) -> dict[str, object]:
    from batchyard.cli import component_parts

    # Named after a job, the same environment would be another one for each job, and so would the steps in it.
    return component_parts.register(server, part, name=_ENVIRONMENT)


def _anonymous(server: Server, written: JobYaml, spec: Mapping[str, object]) -> str | None:
    """Register a definition that the file names or holds as `component`; steps of `jobs` are the server's to join."""
    from batchyard.cli.component_parts import register_anonymous

    return register_anonymous(server, spec) if written.component is not None else None
