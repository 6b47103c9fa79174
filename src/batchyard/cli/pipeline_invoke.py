"""`batch-endpoint invoke` of a pipeline: values and data by name, from a file, `--inputs`, `--outputs` and `--set`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import UsageMistake
from batchyard.domain.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.cli.rest import Server
    from batchyard.domain.pipelines.components import Signature
    from batchyard.domain.pipelines.invocations import AskedData, AskedInput, PipelineWish
    from batchyard.wire.pipelines.values import WrittenInput


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed that says what a pipeline is given. document: of the file, {} without one. deployment: that it
    names, or the flag."""

    document: Mapping[str, object]
    inputs: list[list[str]] | None = None
    outputs: list[list[str]] | None = None
    input: str | None = None
    input_type: str | None = None
    sets: list[list[str]] | None = None
    upload: bool = False
    deployment: str | None = None


def signature_behind(server: Server, endpoint: str, deployment: str | None) -> Signature | None:
    """Give what the component behind an endpoint takes and gives; None where a model is behind it, or nothing.

    What is not there is told of by who invokes.
    """
    from batchyard.wire.trees import text_at

    endpoint_found = server.find(server.path("batchEndpoints", endpoint))
    if endpoint_found is None:
        return None
    name = deployment or text_at(endpoint_found.body, "properties", "defaults", "deploymentName")
    found = server.find(server.path("batchEndpoints", endpoint, "deployments", name)) if name else None
    if found is None:
        return None
    shown = found.body
    id = text_at(shown, "properties", "deploymentConfiguration", "componentId", "assetId")
    return signature_of(server, id) if id else None


def signature_of(server: Server, component: str) -> Signature:
    """Give what a registered component takes and gives. component: its id."""
    from batchyard.domain.pipelines.components import Signature
    from batchyard.wire.pipelines.ports import inputs_of, outputs_of
    from batchyard.wire.trees import at

    spec = at(server.get(component).body, "properties", "componentSpec")
    # It was checked when it was registered.
    return Signature(inputs_of(at(spec, "inputs"), []), outputs_of(at(spec, "outputs"), []))


def named_wish(
    server: Server,
    typed: Typed,
    signature: Signature,
    *,
    subject: str,
    job_name: str | None,
    experiment_name: str | None,
    tags: Mapping[str, str],
) -> PipelineWish:
    """Give the wish of `wish_of` with the names that flags gave over those of the file."""
    wish = wish_of(server, typed, signature, subject=subject)
    return replace(
        wish,
        job_name=job_name or wish.job_name,
        experiment_name=experiment_name or wish.experiment_name,
        tags={**wish.tags, **tags},
    )


def wish_of(server: Server, typed: Typed, signature: Signature, *, subject: str) -> PipelineWish:
    """Read all that was typed, hold it against what the component takes, and bring local data to the server.

    Raises: InvalidInput with all mistakes, before anything is uploaded.
    """
    from batchyard.domain.pipelines.invocations import inputs_for, output_mistakes
    from batchyard.wire.pipelines.invocations import pipeline_file_from_yaml
    from batchyard.wire.pipelines.values import inputs_from_yaml, outputs_from_yaml

    document = _with_typed(typed, signature)
    wish, found = pipeline_file_from_yaml(document)
    written, notes = inputs_from_yaml(document.get("inputs"), found)
    paths: dict[str, Path] = {}
    inputs = given_data(written, signature, paths, found, folder=Path.cwd())
    wish = replace(wish, inputs=inputs, outputs=outputs_from_yaml(document.get("outputs"), server.scope, found))
    told = {one.field for one in found}
    more = [*inputs_for(wish, signature)[1], *output_mistakes(wish, signature)]
    found += [one for one in more if not any(field.startswith(one.field) for field in told)]
    if found:
        raise InvalidInput(subject, found)
    for note in notes:
        server.say(note)
    return replace(wish, inputs=sent_data(server, inputs, paths, upload=typed.upload))


def given_data(
    written: Mapping[str, WrittenInput],
    signature: Signature,
    paths: dict[str, Path],
    found: list[Mistake],
    *,
    folder: Path,
) -> dict[str, AskedInput]:
    """Tell data from values. paths: gets the local ones, which are looked at here and sent later; folder: what they are
    relative to. found: gets the mistakes."""
    return {name: _asked(name, one, signature, paths, found, folder) for name, one in written.items()}


def sent_data(
    server: Server, inputs: Mapping[str, AskedInput], paths: Mapping[str, Path], *, upload: bool
) -> dict[str, AskedInput]:
    """Give the inputs with local data as the server will read it."""
    sent = {
        name: replace(_data(inputs[name]), uri=_uri(server, name, path, upload=upload)) for name, path in paths.items()
    }
    return {**inputs, **sent}


def _with_typed(typed: Typed, signature: Signature) -> dict[str, object]:
    """Lay flags over the file: values by name, then `--set`. Values stay text: what they are the component tells."""
    from batchyard.cli.documents import flatten, key_values

    document = {key: value for key, value in typed.document.items() if key != "$schema"}
    given = {"inputs": _named(document.get("inputs")), "outputs": _named(document.get("outputs"))}
    if typed.input is not None:
        data = [name for name, port in signature.inputs.items() if not port.type.is_literal]
        if len(data) != 1:
            names = ", ".join(data) or "no data"
            raise UsageMistake(f"--input has no name, and the component takes {names}. Use --set inputs.NAME.path=….")
        said = {"path": typed.input, **({"type": typed.input_type} if typed.input_type else {})}
        given["inputs"][data[0]] = said
    for kind, many in (("inputs", typed.inputs), ("outputs", typed.outputs)):
        for key, value in key_values(many, flag=f"--{kind}").items():
            _put(given[kind], key, value)
    for text in flatten(typed.sets):
        key, sign, value = text.partition("=")
        kind, _, rest = key.partition(".")
        if not sign or (kind in given and not rest):
            raise UsageMistake(f"--set: {text!r} is not KEY=VALUE.")
        if kind in given:
            _put(given[kind], rest, value)
        else:
            _put(document, key, value)
    return {**document, **{kind: named for kind, named in given.items() if named}}


def _named(document: object) -> dict[str, object]:
    return {str(name): value for name, value in document.items()} if isinstance(document, Mapping) else {}


def _put(document: dict[str, object], key: str, value: str) -> None:
    """Set `NAME` or `NAME.path`, `NAME.default` and so on; a place takes that of a value, and the reverse."""
    name, _, inner = key.partition(".")
    if not inner:
        document[name] = value
        return
    before = document.get(name)
    fields = dict(before) if isinstance(before, Mapping) else {}
    if inner in ("path", "value", "default"):
        fields = {key: one for key, one in fields.items() if key not in ("path", "value", "default")}
    document[name] = {**fields, inner: value}


def _asked(
    name: str,
    written: WrittenInput,
    signature: Signature,
    paths: dict[str, Path],
    found: list[Mistake],
    folder: Path,
) -> AskedInput:
    """Tell data from values, and note local paths, which are checked here and sent later."""
    from batchyard.cli.local_files import is_local
    from batchyard.domain.pipelines.invocations import AskedData

    port = signature.inputs.get(name)
    is_data = written.is_path or (port is not None and not port.type.is_literal and isinstance(written.text, str))
    if not is_data:
        return written.text
    text = str(written.text)
    type_ = written.type if written.type is None or not written.type.is_literal else None
    asked = AskedData(text, type_, written.mode)
    if is_local(text) and (port is None or not port.type.is_literal):
        wanted = asked.type or (port.type if port is not None else None)
        path = _local(text, wanted.value if wanted is not None else "", f"inputs.{name}.path", found, folder)
        if path is not None:
            paths[name] = path
    return asked


def _local(text: str, wanted: str, field: str, found: list[Mistake], folder: Path) -> Path | None:
    from batchyard.cli.local_files import first_file, resolve

    path = resolve(text.removeprefix("file:"), folder)
    if not path.exists():
        told, allowed = f"the local path {str(path)!r}, which does not exist", "an existing file or folder"
    elif path.is_file() and wanted in ("uri_folder", "mlflow_model"):
        told, allowed = f"{str(path)!r}, which is a file", f"a folder, for a {wanted}"
    elif path.is_dir() and wanted == "uri_file":
        told, allowed = f"{str(path)!r}, which is a folder", "a file, for a uri_file"
    elif path.is_dir() and first_file(path) is None:
        told, allowed = f"the empty folder {str(path)!r}", "a folder with at least one file"
    else:
        return path
    found.append(Mistake(field, told, allowed))
    return None


def _data(given: AskedInput) -> AskedData:
    from batchyard.domain.pipelines.invocations import AskedData

    return given if isinstance(given, AskedData) else AskedData(str(given))


def _uri(server: Server, name: str, path: Path, *, upload: bool) -> str:
    """Give local data as the server will read it: in place where it may, uploaded where it must."""
    from batchyard.cli.local_files import tree_of
    from batchyard.cli.upload import upload_tree

    if server.connection.reads_in_place and not upload:
        return path.resolve().as_uri()
    tree, mistakes = tree_of(path, field=f"inputs.{name}.path")
    if tree is None or mistakes:
        raise InvalidInput("Invocation", mistakes)
    return upload_tree(server, tree)
