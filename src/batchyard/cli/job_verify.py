"""`batchyard job verify`: a job as the server has it, or a downloaded output, without any server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO  # Any: JSON of the server's answers

from batchyard.cli.failures import CommandFailed
from batchyard.cli.visible import visible
from batchyard.domain.errors import NotFound
from batchyard.domain.outputs.checks import check_output
from batchyard.domain.outputs.verification import Check, Event, unchecked

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

_MANIFEST, _OF_FILE = "_manifest.json", ".manifest.json"
_DOWNLOADED = ("named-outputs", "score")
_TREES = ("model", "code", "environment")


def checks_of_job(server: Server, name: str) -> Iterator[dict[str, Any]]:
    """Give the checks that the server makes, as it makes them. Raises: CommandFailed when it breaks off."""
    from batchyard.wire.verification import read_verification

    path = f"/history/v1.0{server.path('runs', name)}/verification"
    is_whole = False
    for line in _lines(server.read_bytes(path, block=1 << 12)):
        found = read_verification(line)
        is_whole = "end" in found
        if "progress" in found and server.shows_progress and sys.stderr.isatty():
            _show(found["progress"])
        elif "check" in found:
            yield found["check"]
    if not is_whole:
        raise CommandFailed(f"The verification of job {name!r} broke off: not everything was looked at. Repeat it.")


def checks_of_folder(folder: Path, copies: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """Give the checks of every output in a folder, each by its manifest alone. Raises: CommandFailed without any.

    copies: of what the manifests say was run, by `model` or `code`.
    """
    from batchyard.wire.verification import check_to_json

    for files, manifest in outputs_in(folder):
        for event in _check(files, manifest, copies):
            if isinstance(event, Check):
                yield check_to_json(event)


def _check(files: LocalFiles, manifest: str, copies: Mapping[str, Path]) -> Iterator[Event]:
    from batchyard.cli.job_trees import check_copy

    document = yield from check_output(files, manifest)
    for subject, path in copies.items():
        said = None if document is None else document.get(subject)
        if isinstance(said, Mapping):
            yield from check_copy(path, said, subject)
        else:
            yield unchecked(subject, "", "No manifest says which one was run.")


def outputs_in(folder: Path) -> list[tuple[LocalFiles, str]]:
    """Find the outputs in a folder, or in the folder that something was downloaded into: files and manifest of each.

    Raises: CommandFailed without any.
    """
    place = next((at for at in (folder, folder.joinpath(*_DOWNLOADED)) if _manifests(at)), None)
    if place is None:
        raise CommandFailed(
            f"{str(folder)!r} holds no output: there is no `{_MANIFEST}` and no `NAME{_OF_FILE}` in it. Name the "
            "folder that `job download` filled, or one that a job published into."
        )
    return [(LocalFiles(place, manifest), manifest) for manifest in _manifests(place)]


class LocalFiles:
    """The files of an output in a local folder: all of them, or those that are named after its own file."""

    def __init__(self, folder: Path, manifest: str) -> None:
        self._folder, self._manifest = folder, manifest

    def names(self) -> Iterable[str]:
        """Give what is there and belongs to this output."""
        own = "" if self._manifest == _MANIFEST else self._manifest.removesuffix(_OF_FILE) + ".files"
        for at, _, names in os.walk(self._folder / own):
            yield from (os.path.relpath(os.path.join(at, name), self._folder) for name in names)

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises: NotFound, for what leads out of the folder too; OSError."""
        path = self._folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
            raise NotFound(f"There is no file {name!r} in {str(self._folder)!r}.")
        return path.open("rb")


def line_of(check: Mapping[str, Any]) -> str | None:
    """Say one check in a line; None for the many files of a tree that are as they were."""
    subject, file, note = check["subject"], check["file"], check["note"]
    if check["result"] == "ok" and file and subject in _TREES:
        return None
    about = f"{check['result']:<10}{subject}{f' {file}' if file else ''}"
    if check["result"] != "wrong":
        return visible(f"{about}{f': {note}' if note else ''}")
    return visible(f"{about}: expected {check['expected']}, found {check['found']}{f'. {note}' if note else ''}")


def summary_of(results: Mapping[str, int], *, unlisted: int) -> str:
    """Say how many checks came to which result. unlisted: those among them that `line_of` has no line for."""
    hidden = f" ({unlisted} of them files of model, code and environment, which are not listed)" if unlisted else ""
    return f"{results['ok']} as they were{hidden}, {results['wrong']} wrong, {results['unchecked']} not checked"


def _manifests(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    found = sorted(path.name for path in folder.iterdir() if path.name.endswith(_OF_FILE) and path.is_file())
    return [_MANIFEST] if (folder / _MANIFEST).is_file() else found


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        raise CommandFailed("The verification broke off in the middle of a line. Repeat it.")


def _show(progress: Mapping[str, Any]) -> None:
    text = visible(f"{progress['subject']} {progress['file']}: {progress['doneBytes'] >> 20} MiB")
    print(f"\r{text[:78]:<78}\r", end="", file=sys.stderr, flush=True)
