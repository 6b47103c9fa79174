"""Looking whether a tree of files is still the one that was sealed, and which of its files are not."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from batchyard.domain.assets import Sealed
from batchyard.domain.item_names import item_text
from batchyard.domain.outputs.tree_files import TreeFile, tree_seal
from batchyard.domain.outputs.verification import Check, Event, ok, read_through, unchecked, wrong


def check_tree(root: Path, sealed: Sealed, known: Sequence[TreeFile] | None, subject: str) -> Iterator[Event]:
    """Read a tree and hold it against its seal. known: its files as they were sealed, None when nobody knows them."""
    if not root.is_dir():
        yield wrong(subject, "", expected=f"sha256 {sealed.sha256}", found="nothing: the tree is gone")
        return
    found: list[TreeFile] = []
    for path in _paths(root):
        file = yield from _read(root, path, subject)
        if file is not None:
            found.append(file)
    if known is not None:
        yield from _compared({file.path: file for file in known}, {file.path: file for file in found}, subject)
    elif tree_seal(found) != sealed:
        yield unchecked(
            subject, "", "Which file it is cannot be said: the tree was sealed before their hashes were kept."
        )
    seal = tree_seal(found)
    if seal == sealed:
        yield ok(subject, "", _text(seal))
    else:
        yield wrong(subject, "", expected=_text(sealed), found=_text(seal))


def _paths(root: Path) -> list[bytes]:
    top = os.fsencode(root)
    every = (os.path.relpath(os.path.join(at, name), top) for at, _, names in os.walk(top) for name in names)
    return sorted(every)


def _read(root: Path, path: bytes, subject: str) -> Generator[Event, None, TreeFile | None]:
    full = os.path.join(os.fsencode(root), path)
    try:
        with open(full, "rb") as stream:
            is_executable = bool(os.fstat(stream.fileno()).st_mode & 0o100)
            sha256, size = yield from read_through(stream, subject, item_text(path))
    except OSError as exc:
        yield wrong(subject, item_text(path), expected="a file that can be read", found=str(exc.strerror or exc))
        return None
    return TreeFile(path, size, sha256, is_executable)


def _compared(known: dict[bytes, TreeFile], found: dict[bytes, TreeFile], subject: str) -> Iterator[Check]:
    for path in sorted({*known, *found}):
        name, before, now = item_text(path), known.get(path), found.get(path)
        if before == now:
            yield ok(subject, name)
        else:
            yield wrong(subject, name, expected=_file_text(before), found=_file_text(now))


def _file_text(file: TreeFile | None) -> str:
    if file is None:
        return "no such file"
    return f"{file.size_bytes} bytes, sha256 {file.sha256}{', executable' if file.is_executable else ''}"


def _text(sealed: Sealed) -> str:
    files = "1 file" if sealed.files == 1 else f"{sealed.files} files"
    return f"{files}, {sealed.size_bytes} bytes, sha256 {sealed.sha256}"
