"""The local parts of a component: its code, its environment and its steps; checked together, registered afterwards."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed, ServerError
from batchyard.domain.assets import ANONYMOUS_COMPONENT
from batchyard.domain.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.cli.local_files import LocalTree
    from batchyard.cli.rest import Server
    from batchyard.domain.assets import Environment

# Where a component names code and an environment: at its root, or in the task of a parallel one.
_CODE = (("code",), ("task", "code"))
_ENVIRONMENT = (("environment",), ("task", "environment"))


@dataclass(slots=True)
class Part:
    """A definition, with what was found of it on this machine. Keys: where in the definition each stands."""

    spec: dict[str, object]
    code: dict[tuple[str, ...], LocalTree] = field(default_factory=dict)
    environments: dict[tuple[str, ...], Environment] = field(default_factory=dict)
    steps: dict[str, Part] = field(default_factory=dict)


def check(
    server: Server, spec: Mapping[str, object], folder: Path, *, where: str = "", above: tuple[Path, ...] = ()
) -> tuple[Part, list[Mistake]]:
    """Look at everything local that a definition names, steps in files of their own too; nothing is uploaded.

    folder: what relative paths are relative to. where: of its fields in mistakes. above: the files that led here.
    """
    part = Part(copy.deepcopy(dict(spec)))
    mistakes: list[Mistake] = []
    for place in _CODE:
        _check_code(part, place, folder, where, mistakes)
    for place in _ENVIRONMENT:
        _check_environment(server, part, place, folder, where, mistakes)
    jobs = part.spec.get("jobs")
    if isinstance(jobs, dict):
        _check_steps(server, part, jobs, folder, where, above, mistakes)
    return part, mistakes


def register(server: Server, part: Part, *, name: str) -> dict[str, object]:
    """Upload and register what is local, and give the definition that refers to it. name: of environments without one.

    Raises: CommandFailed with what the server says of each step that it refuses.
    """
    from batchyard.cli.deployment_parts import register_environment
    from batchyard.cli.upload import upload_code
    from batchyard.wire.pipelines.written_steps import used

    for place, environment in part.environments.items():
        reference = register_environment(server, environment, name=name)
        if reference is not None:
            _put(part.spec, place, f"azureml:{reference.name}:{reference.version}")
    for place, tree in part.code.items():
        _put(part.spec, place, f"azureml:{upload_code(server, tree)}")
    refused = []
    jobs = part.spec.get("jobs")
    for step, inner in part.steps.items():
        try:
            id = register_anonymous(server, register(server, inner, name=name))
        except (ServerError, CommandFailed) as error:
            refused.append(f"The component of jobs.{step}: {error}")
            continue
        if isinstance(jobs, dict):
            jobs[step] = used(jobs[step], f"azureml:{id}")
    if refused:
        raise CommandFailed("\n".join(refused))
    return part.spec


def register_anonymous(server: Server, spec: Mapping[str, object]) -> str:
    """Register a component that nobody named under a version made of what it says. Gives: its id."""
    from batchyard.wire.pipelines.component_files import anonymous_to_arm_body

    said = {key: value for key, value in spec.items() if key not in ("name", "version", "$schema")}
    version = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:30]
    path = server.path("components", ANONYMOUS_COMPONENT, "versions", version)
    return str(server.put(path, anonymous_to_arm_body(said)).body["id"])


def _check_code(part: Part, place: tuple[str, ...], folder: Path, where: str, mistakes: list[Mistake]) -> None:
    from batchyard.cli.local_files import is_local, resolve, tree_of
    from batchyard.wire.trees import at

    code = at(part.spec, *place)
    if isinstance(code, str) and code and is_local(code):
        tree, found = tree_of(resolve(code, folder), field=where + ".".join(place))
        mistakes += found
        if tree is not None:
            part.code[place] = tree


def _check_environment(
    server: Server, part: Part, place: tuple[str, ...], folder: Path, where: str, mistakes: list[Mistake]
) -> None:
    from batchyard.cli.environment import read
    from batchyard.cli.local_files import is_local, read_yaml, resolve
    from batchyard.wire.environments import environment_from_yaml, read_environment_yaml
    from batchyard.wire.trees import at

    written, name = at(part.spec, *place), where + ".".join(place)
    if isinstance(written, str) and not is_local(written):
        _put(part.spec, place, pinned(server, "environments", written, name, mistakes))
        return
    try:
        if isinstance(written, str):
            path = resolve(written.removeprefix("file:"), folder)
            shape, folder = environment_from_yaml(read_yaml(str(path))), path.parent
        elif isinstance(written, Mapping):
            shape, wrong = read_environment_yaml(written, prefix=f"{name}.")
            mistakes += wrong
        else:
            return
        part.environments[place], found = read(shape, folder, field=f"{name}.conda_file")
        mistakes += found
    except InvalidInput as exc:
        mistakes += [Mistake(f"{name}.{one.field}", one.found, one.allowed, one.remedy) for one in exc.mistakes]
    except CommandFailed as exc:
        mistakes.append(Mistake(name, repr(written), "an environment", str(exc)))


def _check_steps(
    server: Server,
    part: Part,
    jobs: dict[str, object],
    folder: Path,
    where: str,
    above: tuple[Path, ...],
    mistakes: list[Mistake],
) -> None:
    """Find the definitions of steps: in files, in the place of a component's name, or written out."""
    from batchyard.wire.pipelines.written_steps import component_of, is_inline, outputs_of
    from batchyard.wire.trees import mapping_at

    found: dict[str, tuple[dict[str, object], Path, tuple[Path, ...]]] = {}
    for name, step in jobs.items():
        if isinstance(step, dict) and not is_inline(step):
            definition = _definition(server, step, folder, f"{where}jobs.{name}.component", above, mistakes)
            found |= {} if definition is None else {name: definition}
    inline = {name: step for name, step in jobs.items() if isinstance(step, dict) and is_inline(step)}
    outputs = {name: mapping_at(document, "outputs") for name, (document, _, _) in found.items()}
    outputs |= {name: outputs_of(step, part.spec) for name, step in inline.items()}
    found |= {name: (component_of(step, part.spec, outputs), folder, above) for name, step in inline.items()}
    for name, (document, beside, files) in found.items():
        field_ = f"{where}jobs.{name}." + ("" if name in inline else "component.")
        part.steps[name], inner = check(server, document, beside, where=field_, above=files)
        mistakes += inner


def _definition(
    server: Server,
    step: dict[str, object],
    folder: Path,
    field_: str,
    above: tuple[Path, ...],
    mistakes: list[Mistake],
) -> tuple[dict[str, object], Path, tuple[Path, ...]] | None:
    """Give the definition that a step names, and what its paths are relative to; None where it is registered."""
    from batchyard.cli.local_files import is_local, read_yaml, resolve

    component = step.get("component")
    if isinstance(component, Mapping):
        return dict(component), folder, above
    if not isinstance(component, str):
        return None
    if not is_local(component):
        step["component"] = pinned(server, "components", component, field_, mistakes)
        return None
    path = resolve(component.removeprefix("file:"), folder)
    if path in above:
        around = " names ".join(str(one.name) for one in (*above[above.index(path) :], path))
        mistakes.append(Mistake(field_, f"a file that leads back to itself: {around}", "a file of another component"))
        return None
    try:
        document = {key: value for key, value in read_yaml(str(path)).items() if key != "$schema"}
    except (CommandFailed, InvalidInput) as exc:
        mistakes.append(Mistake(field_, repr(component), "azureml:NAME:VERSION, or a component's YAML file", str(exc)))
        return None
    return document, path.parent, (*above, path)


def pinned(server: Server, kind: str, text: str, field_: str, mistakes: list[Mistake]) -> str:
    """Give a reference with its version in place of a label: what a component names never changes."""
    from batchyard.cli.asset import get_version
    from batchyard.domain.resource_ids import parse_reference

    reference = parse_reference(text)
    if reference is None or reference.label is None:
        return text
    try:
        return f"azureml:{get_version(server, kind, reference.name, None, reference.label)['id']}"
    except ServerError as error:
        if error.status != 404:
            raise
        mistakes.append(Mistake(field_, repr(text), f"one of the registered {kind}", error.message))
        return text


def _put(spec: dict[str, object], place: tuple[str, ...], value: object) -> None:
    at: object = spec
    for key in place[:-1]:
        at = at.get(key) if isinstance(at, dict) else None
    if isinstance(at, dict):
        at[place[-1]] = value
