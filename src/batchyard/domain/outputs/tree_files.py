"""The files of a sealed tree, and the text over which its hash is made: so a list of them proves itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from batchyard.domain.assets import Sealed

_HEAD = b"batchyard tree 1\n"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file. path: relative to the top, the bytes of its name. sha256: hex digest of its content."""

    path: bytes
    size_bytes: int
    sha256: str
    is_executable: bool = False


def tree_text(files: Iterable[TreeFile]) -> bytes:
    """Give what a tree's hash is made over: a line for each file, which a NUL ends. files: sorted by their path."""
    lines = (b"%d %d %s %s\0" % (f.is_executable, f.size_bytes, f.sha256.encode(), f.path) for f in files)
    return _HEAD + b"".join(lines)


def tree_seal(files: Iterable[TreeFile]) -> Sealed:
    """Give the seal of a tree. files: sorted by their path."""
    known = list(files)
    digest = hashlib.sha256(tree_text(known)).hexdigest()
    return Sealed(digest, len(known), sum(file.size_bytes for file in known))


def read_tree_text(text: bytes, sealed: Sealed) -> list[TreeFile] | None:
    """Read the files of a tree back from its text; None for a text that is not the one under the seal."""
    if hashlib.sha256(text).hexdigest() != sealed.sha256:
        return None
    lines = (line.split(b" ", 3) for line in text.removeprefix(_HEAD).split(b"\0")[:-1])
    return [TreeFile(path, int(size), sha256.decode(), flag == b"1") for flag, size, sha256, path in lines]
