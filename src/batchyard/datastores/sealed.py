"""The content-addressed store as a local folder: `sealed/<sha256>/…`, read-only, hard-linked from uploads."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchyard.datastores.disk import disk_errors, make_folder, rename_no_replace, sync_folder, sync_tree, write_new
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.tree_checks import check_tree
from batchyard.domain.assets import Sealed
from batchyard.domain.errors import Conflict, InvalidInput, Mistake
from batchyard.domain.outputs.tree_files import TreeFile, read_tree_text, tree_seal, tree_text
from batchyard.domain.outputs.verification import Events
from batchyard.domain.resource_ids import DatastorePath

# Where the lists of the trees' files are: beside them, as nothing may stand in a tree that is not its own.
FILE_LISTS = ".files"
_MOST_NAMES = 10_000


class LocalSealedStore:
    """Trees by the hash of what is in them. A tree that is there never changes, so sealing again is free."""

    def __init__(self, root: Path, datastores: LocalDatastores) -> None:
        self._root = root
        self._datastores = datastores

    def seal(self, source: DatastorePath, *, keep_name: bool) -> Sealed:
        origin = self._datastores.get(source.datastore).path(source.path.rstrip("/"))
        if not origin.exists():
            allowed = "a file or folder that was uploaded"
            raise InvalidInput("path", [Mistake("path", f"nothing at {str(source)!r}", allowed)])
        with self._unfinished(f"seal {str(source)!r}") as unfinished:
            _link_tree(origin, unfinished / origin.name if keep_name or origin.is_file() else unfinished)
            return self._keep(unfinished)

    def add(self, files: Mapping[str, str]) -> Sealed:
        with self._unfinished(f"seal {sorted(files)}") as unfinished:
            for name, text in files.items():
                place = unfinished / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
                os.chmod(place, 0o444)
            return self._keep(unfinished)

    def read_text(self, sealed: Sealed, path: str, *, limit_bytes: int) -> str | None:
        target = self.path(sealed) / path
        if ".." in path.split("/") or path.startswith("/") or not target.is_file():
            return None
        content = target.read_bytes()
        if len(content) > limit_bytes:
            raise InvalidInput(path, [Mistake("", f"{len(content)} bytes", f"at most {limit_bytes} bytes")])
        try:
            return content.decode()
        except UnicodeDecodeError as exc:
            raise InvalidInput(path, [Mistake("", f"bytes that are not UTF-8 ({exc.reason})", "UTF-8 text")]) from exc

    def names(self, sealed: Sealed) -> list[str]:
        root = self.path(sealed)
        return sorted(os.path.relpath(path, root) for path in _files(root))[:_MOST_NAMES]

    def path(self, sealed: Sealed) -> Path:
        """Give the local folder of a tree."""
        return self._root / sealed.sha256

    def files(self, sealed: Sealed) -> Sequence[TreeFile] | None:
        try:
            return read_tree_text(self._list_of(sealed).read_bytes(), sealed)
        except OSError:
            return None

    def check(self, sealed: Sealed, subject: str) -> Events:
        return check_tree(self.path(sealed), sealed, self.files(sealed), subject)

    def _list_of(self, sealed: Sealed) -> Path:
        return self._root / FILE_LISTS / sealed.sha256

    @contextmanager
    def _unfinished(self, what: str) -> Iterator[Path]:
        """Give the name of a folder to make a tree in; it is gone at the end, whatever happened."""
        with disk_errors(what):
            make_folder(self._root, mode=0o777)
            unfinished = self._root / f".unfinished-{secrets.token_hex(8)}"
            try:
                yield unfinished
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    def _keep(self, unfinished: Path) -> Sealed:
        files = tree_files(unfinished, top="")
        sealed = tree_seal(files)
        self._keep_list(sealed, files)
        sync_tree(unfinished)  # The files too: those that could not be linked were copied just now.
        try:
            rename_no_replace(unfinished, self.path(sealed))
        except Conflict:
            return sealed  # The same bytes are sealed already.
        sync_folder(self._root)
        return sealed

    def _keep_list(self, sealed: Sealed, files: Sequence[TreeFile]) -> None:
        """Keep the hash of each file, so that what is wrong in a tree can be named; trees of before get theirs, too."""
        target = self._list_of(sealed)
        if self.files(sealed) is None:
            make_folder(target.parent, mode=0o777)
            beside = target.with_name(f".unfinished-{secrets.token_hex(8)}")
            write_new(beside, [tree_text(files)])
            os.replace(beside, target)
            sync_folder(target.parent)


def _link_tree(origin: Path, target: Path) -> None:
    """Hard-link every file (copy across file systems); links that lead out of the folder are refused."""
    if origin.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(origin, target)
        return
    target.mkdir(parents=True)
    inside = os.path.realpath(origin) + os.sep
    for path in _files(origin):
        if not (os.path.realpath(path) + os.sep).startswith(inside):
            raise InvalidInput("path", [Mistake("path", f"a link out of the folder, {path.name!r}", "files inside it")])
        place = target / os.path.relpath(path, origin)
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path, place)


def _link(origin: Path, target: Path) -> None:
    real = os.path.realpath(origin)
    try:
        os.link(real, target)
    except OSError:  # Another file system, or one without hard links: the bytes are copied.
        shutil.copyfile(real, target)
    is_executable = os.stat(target).st_mode & 0o100
    os.chmod(target, 0o555 if is_executable else 0o444)


def tree_files(root: Path, *, top: str) -> list[TreeFile]:
    """Hash names, executable bits and contents of a tree; ordered by the bytes of the path.

    top: what stands above the paths in the tree, "" for nothing; a single file is called `top` itself.
    """
    found = []
    for path in [root] if root.is_file() else sorted(_files(root), key=os.fsencode):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
            status = os.fstat(stream.fileno())
        name = os.fsencode(os.path.normpath(os.path.join(top, os.path.relpath(path, root))))
        found.append(TreeFile(name, status.st_size, content, bool(status.st_mode & 0o100)))
    return found


def _files(root: Path) -> list[Path]:
    found = []
    for parent, _, names in os.walk(root, followlinks=False):
        found += [Path(parent) / name for name in names]
    return found
