"""The local parts of a deployment: checked all together first, registered only when everything is in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers

from batchyard.cli.failures import ServerError, Unreachable
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Reference

if TYPE_CHECKING:
    from batchyard.cli.local_files import LocalTree
    from batchyard.cli.rest import Server
    from batchyard.domain.assets import Environment
    from batchyard.domain.deployments import DeploymentDraft
    from batchyard.wire.deployments import DeploymentYaml
    from batchyard.wire.documents import Document


@dataclass(slots=True)
class Parts:
    """A deployment as written, with what was found of it on this machine. mistakes: everything wrong so far.

    missing: the server's own words for each reference that names nothing.
    """

    written: DeploymentYaml
    mistakes: list[Mistake] = field(default_factory=list)
    missing: list[ServerError] = field(default_factory=list)
    code: LocalTree | None = None
    model: LocalTree | None = None
    environment: Environment | None = None


def check(server: Server, document: Document, folder: Path, *, skip_script: bool = False) -> Parts:
    """Look at everything a document says and names, here and at the server; nothing is uploaded or registered.

    folder: what relative paths are relative to.
    Raises: InvalidInput with all mistakes; the server's 404 when a missing reference is the only one.
    """
    parts = look(server, document, folder, skip_script=skip_script)
    written = parts.written
    if len(parts.mistakes) == 1 and parts.missing:
        raise parts.missing[0]
    if parts.mistakes:
        raise InvalidInput(f"Deployment {written.name!r}" if written.name else "Deployment", parts.mistakes)
    for note in written.notes:
        server.say(note)
    return parts


def look(server: Server, document: Document, folder: Path, *, skip_script: bool = False) -> Parts:
    """Give what `check` looks at, with the mistakes in it. Raises: Unreachable, where nothing else is wrong."""
    from batchyard.wire.deployments import read_deployment_yaml

    written, mistakes = read_deployment_yaml(document)
    parts = Parts(written, list(mistakes))
    _check_code(parts, folder, skip_script=skip_script)
    _check_model(parts, folder)
    _check_environment(parts, folder)
    try:
        _check_references(server, parts)
    except Unreachable:
        # Without a server the document's own mistakes are still worth telling.
        if not parts.mistakes:
            raise
    return parts


def register(server: Server, parts: Parts) -> DeploymentDraft:
    """Upload and register what is local, saying each on stderr, and give the draft that refers to it."""
    from batchyard.wire.deployments import draft_of

    # The server reviews the environment, so it comes first: when it is refused, nothing else was uploaded.
    environment = _environment(server, parts)
    code = _code(server, parts)
    model = _model(server, parts)
    return draft_of(parts.written, model=model, code=code, environment=environment)


def _check_code(parts: Parts, folder: Path, *, skip_script: bool) -> None:
    from batchyard.cli.local_files import resolve, script_mistakes, tree_of

    if not isinstance(parts.written.code_path, str):
        return
    path = resolve(parts.written.code_path, folder)
    parts.code, mistakes = tree_of(path, field="code_configuration.code")
    if path.is_file():
        allowed = "a folder; the script in it goes to code_configuration.scoring_script"
        mistakes.append(Mistake("code_configuration.code", f"the file {str(path)!r}", allowed))
    parts.mistakes += mistakes
    script = parts.written.scoring_script
    if path.is_dir() and script and not skip_script:
        parts.mistakes += script_mistakes(path, script, field="code_configuration.scoring_script")


def _check_model(parts: Parts, folder: Path) -> None:
    from batchyard.cli.local_files import is_local, resolve, tree_of
    from batchyard.domain.assets import ModelType
    from batchyard.wire.models import ModelYaml

    model = parts.written.model
    if isinstance(model, ModelYaml) and model.path and is_local(model.path):
        parts.model, mistakes = tree_of(resolve(model.path, folder), field="model.path")
        if parts.model is not None and model.type is ModelType.MLFLOW and not _has_script(parts.written):
            mistakes = [
                *mistakes,
                *_mlflow_mistakes(parts.model, has_environment=parts.written.environment is not None),
            ]
        parts.mistakes += mistakes


def _has_script(written: DeploymentYaml) -> bool:
    return written.code_path is not None or written.scoring_script is not None


def _mlflow_mistakes(tree: LocalTree, *, has_environment: bool) -> list[Mistake]:
    """Name what the server would miss in an MLflow model without a script, before it is uploaded."""
    names = {file.relative for file in tree.files}
    described = [name for name in names if name.rpartition("/")[2] == "MLmodel"]
    if not described:
        found, allowed = (
            f"{tree.name!r} without a file 'MLmodel'",
            "the folder that `mlflow` saved, with everything in it",
        )
        return [Mistake("model.path", found, allowed)]
    root = min(described, key=lambda name: (name.count("/"), name)).removesuffix("MLmodel")
    asking = ("conda.yaml", "python_env.yaml", "requirements.txt")
    if has_environment or names & {root + name for name in asking}:
        return []
    found = f"nothing, and {tree.name!r} has none of {', '.join(asking)}"
    return [Mistake("environment", found, "an environment that has mlflow")]


def _check_environment(parts: Parts, folder: Path) -> None:
    from batchyard.cli.environment import read
    from batchyard.cli.failures import CommandFailed
    from batchyard.cli.local_files import read_yaml, resolve
    from batchyard.wire.environments import environment_from_yaml

    written = parts.written.environment
    if written is None or isinstance(written, Reference):
        return
    try:
        if isinstance(written, str):
            path = resolve(written, folder)
            written, folder = environment_from_yaml(read_yaml(str(path))), path.parent
    except InvalidInput as exc:
        parts.mistakes += [Mistake(f"environment.{m.field}", m.found, m.allowed, m.remedy) for m in exc.mistakes]
        return
    except CommandFailed as exc:
        parts.mistakes.append(Mistake("environment", repr(parts.written.environment), "an environment", str(exc)))
        return
    parts.environment, mistakes = read(written, folder, field="environment.conda_file")
    parts.mistakes += mistakes


def _check_references(server: Server, parts: Parts) -> None:
    written = parts.written
    wanted: list[tuple[str, object, str, Callable[[], object]]] = []
    if written.endpoint:
        path = server.path("batchEndpoints", written.endpoint)
        wanted.append(("endpoint_name", written.endpoint, "an existing batch endpoint", lambda: server.get(path)))
    if written.compute:
        wanted.append(("compute", written.compute, "an existing compute", lambda: _check_compute(server, parts)))
    for name, reference, kind in (
        ("model", written.model, "models"),
        ("environment", written.environment, "environments"),
        ("code_configuration.code", written.code_path, "codes"),
    ):
        if isinstance(reference, Reference):
            shown = f"{reference.name}:{reference.version}" if reference.version else reference.name
            look = _looker(parts, server, kind, reference)
            wanted.append((name, shown, f"a registered {name.split('_')[0]}", look))
    for place, found, allowed, look in wanted:
        try:
            look()
        except ServerError as error:
            if error.status not in (400, 404):
                raise
            parts.missing += [error] if error.status == 404 else []
            parts.mistakes.append(Mistake(place, repr(found), allowed, error.message))


def _looker(parts: Parts, server: Server, kind: str, reference: Reference) -> Callable[[], object]:
    from batchyard.cli.asset import get_version

    def look() -> None:
        found = get_version(server, kind, reference.name, reference.version, None)
        if kind == "models" and not _has_script(parts.written):
            _check_type(parts, found)

    return look


def _check_type(parts: Parts, model: Mapping[str, Any]) -> None:
    """Say that a registered model needs a script, before the environment of its deployment is registered."""
    type_ = model["properties"].get("modelType") or "custom_model"
    if type_ != "mlflow_model":
        allowed = "a code folder and its scoring_script"
        remedy = f"A {type_} needs a script that scores with it."
        parts.mistakes.append(Mistake("code_configuration", "nothing", allowed, remedy))


def _check_compute(server: Server, parts: Parts) -> None:
    from batchyard.wire.computes import compute_cli_from_arm

    found = compute_cli_from_arm(server.get(server.path("computes", parts.written.compute)).body)
    wanted, most = parts.written.settings.instance_count, found.get("max_instances")
    if isinstance(most, int) and wanted > most:
        allowed = f"at most {most}, the max_instances of compute {parts.written.compute!r}"
        parts.mistakes.append(Mistake("resources.instance_count", str(wanted), allowed))


def _code(server: Server, parts: Parts) -> Reference | None:
    from batchyard.cli.upload import upload_code
    from batchyard.domain.resource_ids import parse_reference

    if parts.code is None:
        return parts.written.code_path if isinstance(parts.written.code_path, Reference) else None
    return parse_reference(upload_code(server, parts.code))


def _model(server: Server, parts: Parts) -> Reference | None:
    from batchyard.cli import model as models
    from batchyard.cli.upload import upload_tree
    from batchyard.wire.models import ModelYaml

    written = parts.written.model
    if not isinstance(written, ModelYaml):
        return written
    uri = upload_tree(server, parts.model) if parts.model is not None else written.path
    name = written.name or f"{parts.written.endpoint}-{parts.written.name}"
    version = written.version or (None if written.name else _of_content(uri))
    known = _known(server, "models", name, version, {"modelUri": uri})
    if known is not None:
        return known
    named = replace(written, name=name)
    done = models.register(server, named, uri, version=version, is_anonymous=not written.name)
    return _registered(server, "model", name, done)


def _environment(server: Server, parts: Parts) -> Reference | None:
    written = parts.environment
    if written is None:
        return parts.written.environment if isinstance(parts.written.environment, Reference) else None
    return register_environment(server, written, name=f"{parts.written.endpoint}-{parts.written.name}")


def register_environment(server: Server, written: Environment, *, name: str) -> Reference | None:
    """Register an environment that a document has inline, once for each content. name: where it has none."""
    from batchyard.cli import environment as environments

    name = written.name or name
    version = written.version or ("" if written.name else _of_content(f"{written.image}\0{written.conda_file}"))
    content = {"image": written.image, "condaFile": written.conda_file}
    known = _known(server, "environments", name, version or None, content)
    if known is not None:
        return known
    named = replace(written, name=name, version=version, is_anonymous=not written.name)
    return _registered(server, "environment", name, environments.register(server, named))


def _known(
    server: Server, collection: str, name: str, version: str | None, content: Mapping[str, object]
) -> Reference | None:
    """Give the version, or the newest one, when it has this very content: deploying again registers nothing new."""
    from batchyard.cli.asset import newest
    from batchyard.domain.resource_ids import parse_reference

    if version:
        answer = server.find(server.path(collection, name, "versions", version))
        found = None if answer is None else answer.body
    else:
        found = newest(server, collection, name)
    if found is None or any(found["properties"].get(key) != value for key, value in content.items()):
        return None
    return parse_reference(str(found["id"]))


def _registered(server: Server, noun: str, name: str, done: Mapping[str, Any]) -> Reference | None:
    from batchyard.domain.resource_ids import parse_reference

    server.say(f"Registered {noun} {name}:{done['name']}.")
    return parse_reference(str(done["id"]))


def _of_content(text: str) -> str:
    """Give the version of something without a name of its own: it is known by its content."""
    return "sha-" + hashlib.sha256(json.dumps(text).encode()).hexdigest()[:16]
