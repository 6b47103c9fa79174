"""Datastores as local folders, below the home, and what is checked against them at invoke."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from batchyard.datastores.disk import disk_errors, make_folder, probe_folder, sync_folder, write_new
from batchyard.datastores.publish import LocalPublication, clear_unfinished, published_names
from batchyard.datastores.publish import check_next as check_next_generation
from batchyard.datastores.publish_trees import check_free, publish_tree
from batchyard.datastores.walking import UNFINISHED, files_in_order, holds_a_file, level_in_order
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.errors import CallerError, Conflict, InvalidInput, Mistake, NotFound, not_found
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.resource_ids import DatastorePath, parse_datastore_uri
from batchyard.domain.sealed_places import CODE_CONTAINER
from batchyard.ports.datastore import Entry
from batchyard.ports.web import WebInputs, is_web

_UNFINISHED = os.fsdecode(UNFINISHED)
_LONGEST_PART_BYTES = 255
# Linux takes 4095; what is written beside the file while it is unfinished has a longer name.
_LONGEST_PATH_BYTES = 4000


class LocalDatastore:
    """One folder. Every path is confined to it, also through symbolic links."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str, *, start: str = "") -> Iterator[Entry]:
        root = self._root_of_list(prefix)
        with disk_errors(f"list {prefix!r}"):
            for path in files_in_order(root, os.fsencode(prefix), start=os.fsencode(start)):
                entry = self._listed(root, path)
                if entry is not None:
                    yield entry

    def level(self, prefix: str, *, start: str = "") -> Iterator[Entry | str]:
        root = self._root_of_list(prefix)
        with disk_errors(f"list {prefix!r}"):
            for path in level_in_order(root, os.fsencode(prefix), start=os.fsencode(start)):
                item = os.fsdecode(path) if path.endswith(b"/") else self._listed(root, path)
                if item is not None:
                    yield item

    def stat(self, path: str) -> Entry | None:
        try:
            found = self.path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not os.path.isfile(self.path(path)):
            return None
        return _entry(path, found)

    def open(self, path: str) -> BinaryIO:
        try:
            return self.path(path).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
            raise NotFound(f"There is no file {path!r} in this datastore.") from exc

    def open_entry(self, path: str) -> tuple[Entry, BinaryIO]:
        stream = self.open(path)
        return _entry(path, os.fstat(stream.fileno())), stream

    def put(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        create_only: bool,
        check: Callable[[Entry | None], None] | None = None,
    ) -> Entry:
        target = self.path(path)
        with disk_errors(f"write {path!r}"):
            unfinished = target.parent / f"{_UNFINISHED}{secrets.token_hex(8)}"
            try:
                make_folder(target.parent, mode=0o777)
                write_new(unfinished, chunks)
                with _alone_in(target.parent):
                    if check is not None:
                        check(self.stat(path))
                    _put_in_place(unfinished, target, create_only=create_only)
                    entry = self.stat(path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
                raise Conflict(f"{path!r} cannot be written: a folder stands there, or a file above it.") from exc
            finally:
                _remove(unfinished)
        if entry is None:
            raise NotFound(f"{path!r} was removed while it was being written.")
        return entry

    def delete(self, path: str) -> bool:
        try:
            self.path(path).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _root_of_list(self, prefix: str) -> bytes:
        """Give the folder to list in, having seen that the prefix stays inside. Raises: CallerError."""
        # With its '/': that of the prefix '/' alone would be joined to the folder as the root of the machine.
        self.path(prefix[: prefix.rfind("/") + 1])
        return os.fsencode(self._root)

    def _listed(self, root: bytes, path: bytes) -> Entry | None:
        """Give a file that a list came upon. The folders above it are no links, so only it may be one."""
        name = os.fsdecode(path)
        try:
            found = os.lstat(os.path.join(root, path))
            if stat.S_ISLNK(found.st_mode):
                return self.stat(name)
        except (FileNotFoundError, NotADirectoryError, CallerError):
            # Gone since, or a link that leads out.
            return None
        return _entry(name, found) if stat.S_ISREG(found.st_mode) else None

    def path(self, path: str) -> Path:
        """Give the local path of a name in the datastore. Raises: CallerError when it would leave the folder."""
        parts = path.split("/")
        if path.startswith("/") or ".." in parts or "\0" in path:
            raise CallerError(f"The path {path!r} leaves its datastore. Use a relative path without '..'.")
        target = self._root / path
        _refuse_unstorable(os.fspath(target))
        inside = os.path.realpath(self._root)
        real = os.path.realpath(target)
        if real != inside and not real.startswith(inside + os.sep):
            raise CallerError(f"The path {path!r} leaves its datastore through a symbolic link.")
        return target


class LocalDatastores:
    """The datastores of one workspace: `datastores/<name>`, and `uploads/code-<id>` for code on its way to be sealed.

    root: where its folders are; the home itself when None. more: further ones, name -> folder. web: what may be read
    from the web, None for nothing. No local path inside the home is read in place.
    """

    def __init__(
        self,
        home: Path,
        *,
        root: Path | None = None,
        more: Mapping[str, Path] | None = None,
        web: WebInputs | None = None,
    ) -> None:
        self._home, self._root, self._more, self._web = home, root or home, more or {}, web

    def get(self, name: str) -> LocalDatastore:
        if name in self._more:
            return LocalDatastore(self._more[name])
        if CODE_CONTAINER.fullmatch(name):
            return LocalDatastore(self._root / "uploads" / name)
        if name not in [info.name for info in DATASTORES]:
            raise not_found("datastore", name, [info.name for info in DATASTORES])
        return LocalDatastore(self._root / "datastores" / name)

    def by_container(self, container: str) -> LocalDatastore | None:
        if CODE_CONTAINER.fullmatch(container):
            return self.get(container)
        names = [info.name for info in DATASTORES if info.container == container]
        return self.get(names[0]) if names else None

    def check_input(self, source: InputSource) -> None:
        if is_web(source.uri):
            self._check_web(source)
            return
        path = self.input_path(source)
        try:
            mistake = self._input_mistake(path, source)
        except OSError as exc:
            allowed = "a path that the server can read"
            mistake = Mistake("input", f"{source.uri!r}, which cannot be read ({exc.strerror})", allowed)
        if mistake is not None:
            raise InvalidInput("The invocation", [mistake])

    def check_output(self, target: OutputTarget) -> None:
        folder = self.get(target.place.datastore).path(target.place.path)
        if not target.into_existing:
            if folder.is_dir() and not any(folder.iterdir()):
                return
            if os.path.lexists(folder):
                raise Conflict(
                    f"The output {str(target.place)!r} exists already and is not an empty folder. Name another one, "
                    "or give a file name to add to a folder."
                )
            return
        for name in published_names(target.file_name):
            if os.path.lexists(folder / name):
                raise Conflict(f"The output file {name!r} exists already in {str(target.place)!r}. Name another one.")

    def probe_output(self, target: OutputTarget) -> None:
        folder = self.get(target.place.datastore).path(target.place.path)
        probe_folder(folder)

    def input_path(self, source: InputSource) -> Path:
        """Give the local path of an input. Raises: InvalidInput for a URI of another kind; NotFound."""
        place = parse_datastore_uri(source.uri)
        if place is not None:
            return self.get(place.datastore).path(place.path.rstrip("/"))
        parts = urlsplit(source.uri)
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
            path = os.fsdecode(_file_path(source.uri))
            _refuse_unstorable(path)
            return Path(path)
        allowed = "azureml://datastores/<name>/paths/<path>, or a local path given to the command"
        raise InvalidInput("The invocation", [Mistake("input", repr(source.uri), allowed)])

    def check_next(self, target: OutputTarget, *, job: str, generation: int) -> None:
        folder = self.get(target.place.datastore).path(target.place.path.rstrip("/"))
        check_next_generation(folder, target, job=job, generation=generation)

    def publication(self, target: OutputTarget, *, job: str, generation: int = 1) -> LocalPublication:
        folder = self.get(target.place.datastore).path(target.place.path.rstrip("/"))
        return LocalPublication(folder, target, job=job, generation=generation)

    def check_free(self, place: DatastorePath, *, is_file: bool) -> None:
        check_free(self._place(place), place, is_file=is_file)

    def publish_tree(self, staged: Path, place: DatastorePath, files: Sequence[TreeFile], *, job: str) -> None:
        publish_tree(staged, self._place(place), place, files, job=job)

    def _place(self, place: DatastorePath) -> Path:
        return self.get(place.datastore).path(place.path.rstrip("/"))

    def discard_unfinished(self, target: OutputTarget, *, job: str) -> None:
        clear_unfinished(self.get(target.place.datastore).path(target.place.path.rstrip("/")), target, job=job)

    def _check_web(self, source: InputSource) -> None:
        refusal = "nothing is read from the web here" if self._web is None else self._web.mistake(source.uri)
        shown = repr(source.uri.partition("?")[0])
        if refusal is not None:
            raise InvalidInput(
                "The invocation", [Mistake("input", f"{shown}: {refusal}", "a file of the web that can be read")]
            )
        if source.kind is not InputKind.FILE:
            remedy = "Say --input-type uri_file; a folder of the web cannot be listed: download it and give its path."
            raise InvalidInput(
                "The invocation", [Mistake("input", f"{shown} as a folder", "one file of the web", remedy)]
            )

    def _input_mistake(self, path: Path, source: InputSource) -> Mistake | None:
        wanted = "a folder with files" if source.kind is InputKind.FOLDER else "a file"
        if source.uri.startswith("file:") and _is_inside(path, self._home):
            return Mistake("input", repr(source.uri), "a path outside the server's own home")
        if not path.exists():
            return Mistake("input", f"nothing at {source.uri!r}", wanted)
        if source.kind is InputKind.FILE:
            return None if path.is_file() else Mistake("input", f"no file at {source.uri!r}", wanted)
        if not path.is_dir():
            return Mistake("input", f"no folder at {source.uri!r}", wanted, "Say --input-type uri_file for one file.")
        if not holds_a_file(os.fsencode(path)):
            return Mistake("input", f"an empty folder at {source.uri!r}", wanted)
        return None


def _refuse_unstorable(path: str) -> None:
    """Raises: CallerError for a path that no file can have; the system would answer with errors of many kinds."""
    is_long = len(os.fsencode(path)) > _LONGEST_PATH_BYTES or any(
        len(os.fsencode(part)) > _LONGEST_PART_BYTES for part in path.split("/")
    )
    if is_long or "\0" in path:
        raise CallerError(
            f"The path {path[:80]!r}… cannot be a file: a part may have {_LONGEST_PART_BYTES} bytes, all of it "
            f"{_LONGEST_PATH_BYTES}, none of them NUL."
        )


def _entry(path: str, found: os.stat_result) -> Entry:
    # The inode too: two files of one size may be written within one tick of the file system's clock.
    etag = f'"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"'
    return Entry(path, found.st_size, found.st_mtime, etag)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep every other put into this folder waiting, for as long as it takes to look and to rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _remove(unfinished: Path) -> None:
    # A file where a folder should be: then nothing was written there.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        unfinished.unlink()


def _put_in_place(unfinished: Path, target: Path, *, create_only: bool) -> None:
    if create_only:
        try:
            os.link(unfinished, target)  # Fails when the target exists; a rename would replace it.
        except FileExistsError as exc:
            raise Conflict(f"{target.name!r} exists already.") from exc
    else:
        os.replace(unfinished, target)
    sync_folder(target.parent)


def _file_path(uri: str) -> bytes:
    # urlsplit would cut at '#' and '?', which are ordinary characters of a quoted path.
    return os.fsencode(unquote(uri.removeprefix("file://").removeprefix("localhost"), errors="surrogateescape"))


def _is_inside(path: Path, folder: Path) -> bool:
    real, home = os.path.realpath(path), os.path.realpath(folder)
    return real == home or real.startswith(home + os.sep) or home.startswith(real + os.sep)
