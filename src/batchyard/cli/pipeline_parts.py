"""The component of a pipeline deployment: registered already, or in a YAML file or the deployment's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Reference

if TYPE_CHECKING:
    from batchyard.cli.component_parts import Part
    from batchyard.cli.rest import Server
    from batchyard.domain.deployments import DeploymentDraft


def is_pipeline(document: Mapping[str, object]) -> bool:
    """Tell whether a deployment's document is that of a pipeline component."""
    return str(document.get("type") or "").lower() == "pipeline"


def draft(server: Server, document: Mapping[str, object], folder: Path) -> DeploymentDraft:
    """Check everything that a document says and names, register what is local, and give the draft that refers to it.

    folder: what relative paths are relative to.
    Raises: InvalidInput with all mistakes, before anything is registered.
    """
    from batchyard.cli import component_parts
    from batchyard.domain.resource_ids import parse_reference
    from batchyard.wire.pipelines.deployments import pipeline_draft_of, read_pipeline_yaml

    written, mistakes = read_pipeline_yaml(document)
    part: Part | None = None
    if isinstance(written.component, str | Mapping):
        part = part_of(server, written.component, folder, mistakes)
    if mistakes:
        raise InvalidInput(f"Deployment {written.name!r}" if written.name else "Deployment", mistakes)
    # A component is registered for an endpoint that is there.
    server.get(server.path("batchEndpoints", written.endpoint))
    for note in written.notes:
        server.say(note)
    if part is None:
        reference = written.component if isinstance(written.component, Reference) else None
        return pipeline_draft_of(written, reference or component_of_job(server, written.job))
    spec = component_parts.register(server, part, name=f"{written.endpoint}-{written.name}")
    return pipeline_draft_of(written, parse_reference(component_parts.register_anonymous(server, spec)))


def part_of(
    server: Server, component: str | Mapping[str, object], folder: Path, mistakes: list[Mistake]
) -> Part | None:
    """Look at a component that is a file, by its path, or a definition; None after noting that it is not there."""
    from batchyard.cli import component_parts
    from batchyard.cli.local_files import read_yaml, resolve

    above: tuple[Path, ...] = ()
    if isinstance(component, str):
        path = resolve(component, folder)
        try:
            component = read_yaml(str(path))
        except (CommandFailed, InvalidInput) as exc:
            allowed = "azureml:NAME:VERSION, or a component's YAML file"
            mistakes.append(Mistake("component", repr(component), allowed, str(exc)))
            return None
        folder, above = path.parent, (path,)
    spec = {key: value for key, value in component.items() if key != "$schema"}
    part, found = component_parts.check(server, spec, folder, where="component.", above=above)
    mistakes += found
    return part


def component_of_job(server: Server, job: str) -> Reference | None:
    """Give the component that a pipeline job runs; None where none is named. Raises: InvalidInput; ServerError 404."""
    from batchyard.domain.resource_ids import parse_reference
    from batchyard.wire.trees import text_at

    if not job:
        return None
    found = text_at(server.get(server.path("jobs", job)).body, "properties", "componentId")
    if not found:
        raise InvalidInput("Deployment", [Mistake("job_definition", repr(job), "a pipeline job")])
    return parse_reference(found)
