"""`job verify --path --model --code`: a copy of a model or of code, held against what a manifest says was run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any  # JSON of a manifest
from urllib.parse import unquote_to_bytes

from batchyard.cli.failures import CommandFailed
from batchyard.domain.item_names import item_text
from batchyard.domain.outputs.tree_files import TreeFile, tree_seal
from batchyard.domain.outputs.verification import Check, Event, ok, read_through, unchecked, wrong


def check_copy(path: Path, said: Mapping[str, Any], subject: str) -> Iterator[Event]:
    """Read a copy and say of each file whether it is the one that was run. said: the manifest's `model` or `code`.

    What is there beside them is no fault: folders hold caches, and uploads leave out what an ignore file names. Nor are
    executable bits, which an upload does not keep. Raises: CommandFailed when nothing is at the path.
    """
    if not path.exists():
        raise CommandFailed(
            f"There is nothing at {str(path)!r}. Name the file or folder that was registered as {subject}."
        )
    # A model keeps the name of its file or folder at the top of its tree; of code the folder's content is the top.
    top = path.absolute().name if subject == "model" or path.is_file() else ""
    found: list[TreeFile] = []
    for file in [path] if path.is_file() else sorted(_files(path), key=os.fsencode):
        name = os.fsencode(os.path.normpath(os.path.join(top, os.path.relpath(file, path))))
        with file.open("rb") as stream:
            sha256, size = yield from read_through(stream, subject, item_text(name))
        found.append(TreeFile(name, size, sha256, bool(file.stat().st_mode & 0o100)))
    if said.get("files"):
        yield from _compared([_file(one) for one in said["files"]], found, said, subject)
        return
    seal = tree_seal(sorted(found, key=lambda one: one.path))
    yield _whole(seal.sha256, said, subject, "The manifest names no files of it, so which one differs cannot be said.")


def _compared(known: list[TreeFile], found: list[TreeFile], said: Mapping[str, Any], subject: str) -> Iterator[Check]:
    there = {one.path: one for one in found}
    for before in known:
        now, name = there.pop(before.path, None), item_text(before.path)
        if now is not None and (now.sha256, now.size_bytes) == (before.sha256, before.size_bytes):
            yield ok(subject, name)
        else:
            what = "no such file" if now is None else f"{now.size_bytes} bytes, sha256 {now.sha256}"
            yield wrong(subject, name, expected=f"{before.size_bytes} bytes, sha256 {before.sha256}", found=what)
    for path in sorted(there):
        yield unchecked(subject, item_text(path), "It was no part of what was run.")
    # The list itself must be the one under the hash that names the version everywhere else.
    yield _whole(tree_seal(known).sha256, said, subject, "The manifest's own list of files does not have this hash.")


def _whole(found: str, said: Mapping[str, Any], subject: str, note: str) -> Check:
    if found == said.get("sha256"):
        return ok(subject, "", f"{said.get('name')}:{said.get('version')}, sha256 {found}")
    return wrong(subject, "", expected=f"sha256 {said.get('sha256')}", found=f"sha256 {found}", note=note)


def _file(said: Mapping[str, Any]) -> TreeFile:
    encoded = said.get("path_percent_encoded")
    path = unquote_to_bytes(encoded) if encoded else str(said["path"]).encode()
    return TreeFile(path, int(said["size_bytes"]), str(said["sha256"]), bool(said.get("is_executable")))


def _files(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at) / name for name in names if os.path.isfile(os.path.join(at, name)))
