"""What a folder of YAML files declares, as one side of a comparison; nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed
from batchyard.cli.local_files import is_local, read_yaml, resolve, tree_of
from batchyard.domain.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from batchyard.domain.differences import Fields, Side, Subject
    from batchyard.wire.documents import Document

_SUFFIXES = (".yml", ".yaml")


def side_of_files(path: Path, *, say: Callable[[str], None]) -> Side:
    """Read a YAML file, or all below a folder; what is none of ours, such as a conda file, is left out.

    say: told what is left out although it looks like a declaration.
    Raises: CommandFailed for nothing to read, or a thing declared twice; InvalidInput naming the file.
    """
    from batchyard.domain.differences import Side

    subjects: dict[Subject, Fields] = {}
    origins: dict[Subject, Path] = {}
    for file in _files(path):
        for subject, fields in _declared(file, say=say, is_named=file == path).items():
            if subject in subjects and fields != subjects[subject]:
                raise CommandFailed(f"{subject} is declared twice: in {str(origins[subject])!r} and {str(file)!r}.")
            subjects[subject], origins[subject] = fields, file
    return Side(subjects)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise CommandFailed(
            f"{str(path)!r} is no file or folder, and no workspace. "
            "Name a folder of YAML, `workspace` or `workspace:NAME`."
        )
    found = [one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES and one.is_file()]
    shown = [one for one in found if not any(part.startswith(".") for part in one.relative_to(path).parts)]
    if not shown:
        raise CommandFailed(f"The folder {str(path)!r} has no YAML files.")
    yield from sorted(shown)


def _declared(file: Path, *, say: Callable[[str], None], is_named: bool) -> dict[Subject, Fields]:
    from batchyard.wire.comparisons import noun_of, subjects_of

    document = read_yaml(str(file))
    noun = noun_of(document)
    if noun is None:
        told = f"{str(file)!r} declares nothing that can be compared; give it a `$schema` if it should."
        if is_named:
            raise CommandFailed(told)
        if "name" in document and not document.keys() & {"dependencies", "jobs"}:
            say(told)
        return {}
    settle = _SETTLE.get(noun)
    try:
        return subjects_of(noun, settle(document, file.parent) if settle else document)
    except InvalidInput as exc:
        raise InvalidInput(str(file), exc.mistakes) from exc


def _path(document: Document, folder: Path) -> Document:
    """Put a local path's content in its place."""
    path = document.get("path")
    if not isinstance(path, str) or not path or not is_local(path):
        return document
    return {**document, "path": _content(path, folder, field="path", is_named=True)}


def _environment(document: Document, folder: Path) -> Document:
    """Put a conda file's text in the place of its path."""
    path = document.get("conda_file")
    if not isinstance(path, str) or "\n" in path or not path:
        return document
    conda = resolve(path, folder)
    read_yaml(str(conda))
    return {**document, "conda_file": conda.read_text(encoding="utf-8") + "\n"}


def _deployment(document: Document, folder: Path) -> Document:
    from batchyard.wire.references import is_reference

    def is_here(value: object) -> bool:
        return isinstance(value, str) and value != "" and is_local(value) and not is_reference(value)

    settled = dict(document)
    code = document.get("code_configuration")
    if isinstance(code, dict) and is_here(code.get("code")):
        where = "code_configuration.code"
        settled["code_configuration"] = {**code, "code": _content(code["code"], folder, field=where, is_named=False)}
    model = document.get("model")
    if is_here(model):
        model = {"path": model}
    if isinstance(model, dict):
        settled["model"] = _path(model, folder)
    environment = document.get("environment")
    if is_here(environment):
        file = resolve(str(environment).removeprefix("file:"), folder)
        environment, folder = read_yaml(str(file)), file.parent
        environment.pop("$schema", None)
    if isinstance(environment, dict):
        settled["environment"] = _environment(environment, folder)
    return settled


def _component(document: Document, folder: Path) -> Document:
    from batchyard.wire.pipelines.component_files import component_from_yaml

    code = component_from_yaml(document).code
    return document if code is None else {**document, "code": _content(code, folder, field="code", is_named=False)}


_SETTLE: Mapping[str, Callable[[Document, Path], Document]] = {
    "batch-deployment": _deployment,
    "model": _path,
    "data": _path,
    "environment": _environment,
    "component": _component,
}


def _content(text: str, folder: Path, *, field: str, is_named: bool) -> str:
    from batchyard.cli.upload import content_hash
    from batchyard.wire.comparisons import by_content

    tree, mistakes = tree_of(resolve(text.removeprefix("file:"), folder), field=field)
    if tree is None or mistakes:
        raise InvalidInput(text, mistakes or [Mistake(field, repr(text), "an existing file or folder")])
    return by_content(content_hash(tree), tree.name if is_named else "")
