"""What a command has left as an output is looked at, made plain and hashed: real files of its own, and folders.

Links within an output become files; hard links copies, so that nothing is published that somebody else may change.
What leads out, and what is no file, is refused by name.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from batchyard.domain.errors import PlatformError, ScriptError
from batchyard.domain.item_names import item_text
from batchyard.domain.outputs.tree_files import TreeFile

_MOST_NAMED = 10
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFLNK: "a link",
}


class Settling:
    """Settles the outputs of one command, after it has ended. complaints: what is wrong with them, as found so far."""

    def __init__(self, check: Callable[[], None]) -> None:
        """check: called before each file; what it raises ends the settling."""
        self._check = check
        self.complaints: list[str] = []

    def settle(self, name: str, root: Path, *, is_file: bool) -> list[TreeFile]:
        """Make an output plain, and give its files, sorted; nothing of use where there are complaints.

        Raises: PlatformError.
        """
        try:
            return self._file(name, root) if is_file else self._folder(name, root)
        except OSError as exc:
            raise PlatformError(f"The output {name!r} cannot be read: {exc}.") from exc

    def need_file(self, name: str, files: Sequence[TreeFile], path: bytes) -> None:
        """Complain of an output that has no file of this path."""
        if path not in (file.path for file in files):
            self.complaints.append(f"outputs.{name} has no file {item_text(path)!r} at its top; it is an mlflow_model")

    def end(self) -> None:
        """Raises: ScriptError with every complaint."""
        if not self.complaints:
            return
        more = len(self.complaints) - _MOST_NAMED
        lines = self.complaints[:_MOST_NAMED] + ([f"and {more} more"] if more > 0 else [])
        raise ScriptError("The command ended well, but its outputs cannot be published:" + "".join(_lines(lines)))

    def _file(self, name: str, path: Path) -> list[TreeFile]:
        # The command may have put a link above it, to what it cannot read itself: we would publish that.
        kind = _kind(path) if _kind(path.parent) == "a folder" else None
        if kind == "a file":
            return [self._settled(os.fsencode(path), os.fsencode(path.name))]
        found = "was not written" if kind is None else f"is {kind}"
        self.complaints.append(f"outputs.{name} {found}; it is a uri_file: write one file to ${{{{outputs.{name}}}}}")
        return []

    def _folder(self, name: str, root: Path) -> list[TreeFile]:
        kind = _kind(root)
        if kind != "a folder":
            found = "was removed" if kind is None else f"is {kind}"
            self.complaints.append(f"outputs.{name} {found}; write files into the folder ${{{{outputs.{name}}}}}")
            return []
        top, files = os.fsencode(root), list[TreeFile]()
        os.chmod(top, 0o755)
        for at, folders, names in os.walk(top):
            for link in [one for one in folders if os.path.islink(os.path.join(at, one))]:
                folders.remove(link)
                names.append(link)
            for folder in folders:
                os.chmod(os.path.join(at, folder), 0o755)
            for one in names:
                path = os.path.join(at, one)
                complaint = _replace_link(path, top)
                kind = _kind(path)
                relative = os.path.relpath(path, top)
                if complaint or kind != "a file":
                    self.complaints.append(f"outputs.{name}: {item_text(relative)!r} is {complaint or kind}")
                else:
                    files.append(self._settled(path, relative))
        return sorted(files, key=lambda file: file.path)

    def _settled(self, path: bytes, name: bytes) -> TreeFile:
        """Give a file an inode of its own and plain modes, and hash it."""
        self._check()
        status = os.lstat(path)
        is_executable = bool(status.st_mode & 0o100)
        if status.st_nlink > 1:
            _replace(path, path)
        os.chmod(path, 0o755 if is_executable else 0o644)
        with open(path, "rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            return TreeFile(name, os.fstat(stream.fileno()).st_size, sha256, is_executable)


def _replace_link(path: bytes, top: bytes) -> str:
    """Put the file that a link within the output leads to in its place; say what is wrong with another link."""
    if not os.path.islink(path):
        return ""
    real = os.path.realpath(path)
    shown = f"a link to {item_text(os.readlink(path))!r}"
    if not real.startswith(os.path.realpath(top) + b"/"):
        return f"{shown}, which leads out of it"
    if not os.path.isfile(real):
        return f"{shown}, which is {_kind(real) or 'nothing'}; only links to files are published"
    _replace(real, path)
    return ""


def _replace(source: bytes, path: bytes) -> None:
    copy = os.path.join(os.path.dirname(path), b".unfinished-" + secrets.token_hex(8).encode())
    shutil.copyfile(source, copy)
    shutil.copymode(source, copy)
    os.replace(copy, path)


def _kind(path: Path | bytes) -> str | None:
    try:
        return _KINDS.get(stat.S_IFMT(os.lstat(path).st_mode), "of a kind that is unknown")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _lines(texts: list[str]) -> Iterator[str]:
    return (f"\n  - {text}." for text in texts)
