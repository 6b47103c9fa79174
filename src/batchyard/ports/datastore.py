"""Users' bytes: listed, read, written and published in named datastores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from batchyard.domain.assets import Sealed
from batchyard.domain.job_specs import InputSource, OutputTarget
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.outputs.verification import Events
from batchyard.domain.resource_ids import DatastorePath


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. path: relative to the datastore, '/'-separated. modified_at: epoch seconds, UTC."""

    path: str
    size_bytes: int
    modified_at: float
    etag: str


class Datastore(Protocol):
    """One named place. Paths are relative; one that would leave the place is refused with CallerError."""

    def list(self, prefix: str, *, start: str = "") -> Iterator[Entry]:
        """Give every file whose path starts with prefix and is not before start, sorted by the bytes of the path.

        Going on from a start costs no more than beginning there. Links that lead out of the place are left out.
        """

    def level(self, prefix: str, *, start: str = "") -> Iterator[Entry | str]:
        """Give files as `list` does, but those below folders only once, as the folder's path with a '/' at its end.

        The folders are those next below the last '/' of prefix; what is in them is not looked through.
        """

    def stat(self, path: str) -> Entry | None:
        """Give one file, or None."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading. Raises: NotFound."""

    def open_entry(self, path: str) -> tuple[Entry, BinaryIO]:
        """Open a file for reading, and tell of the very bytes that were opened. Raises: NotFound."""

    def put(
        self,
        path: str,
        chunks: Iterable[bytes],
        *,
        create_only: bool,
        check: Callable[[Entry | None], None] | None = None,
    ) -> Entry:
        """Write a file whole or not at all.

        check: called with what is there (None: nothing) once all bytes have arrived; what it raises ends the put. No
        other put takes the place between it and ours.
        Raises: Conflict when it exists and create_only; PlatformError.
        """

    def delete(self, path: str) -> bool:
        """Delete one file; False when it was not there."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a local file: size_bytes of them from offset on."""

    path: Path
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """A published file. name: relative to the output, '/'-separated."""

    name: str
    size_bytes: int
    sha256: str


class Publication(Protocol):
    """An output on its way: nothing of it is seen before `publish`, everything after. Disk errors: PlatformError, and
    what has failed so may be called again.

    Of two at once for one job the older one fails with PlatformError, at the latest when it publishes, or was first.
    """

    def write_rows(self, pieces: Iterable[Piece], *, shard: tuple[int, int] | None = None) -> Written:
        """Join the pieces, in order, as the predictions file.

        shard: its number, from 1, and how many there are, where the predictions are several files; see `shard_name`.
        """

    def write_failed_items(self, lines: Iterable[bytes]) -> Written:
        """Write the list of failed items."""

    def write_file(self, name: str, pieces: Iterable[Piece]) -> Written:
        """Join the pieces as a file of the script's own, under its relative name.

        Raises: Conflict when the output has a file of this name, or one where a folder has to be.
        """

    def publish(self, manifest: bytes) -> None:
        """Make everything durable and seen, the manifest last; again with the same manifest is already done.

        Of a later generation: takes the place of the one before, whole, where that is there and as it was published,
        or that of nothing. Where files are replaced one by one, the manifest last, readers see by its hashes that what
        they have belongs together.
        Raises: Conflict when the place is taken by anything else; then nothing of this output is seen.
        """

    def discard(self) -> None:
        """Remove what is not published; nothing after `publish`. Safe to repeat, never fails."""


class Datastores(Protocol):
    """The datastores of the workspace, and what is checked against them at invoke."""

    def get(self, name: str) -> Datastore:
        """Give one by name. Raises: NotFound naming the known ones."""

    def by_container(self, container: str) -> Datastore | None:
        """Give the one behind a container of the blob gateway; `code-<id>` containers take uploads of code."""

    def check_input(self, source: InputSource) -> None:
        """Look whether the input exists and has a first item, however large it is, in milliseconds.

        Raises: InvalidInput (missing, empty, a file named as folder or the reverse, inside the home itself).
        """

    def check_output(self, target: OutputTarget) -> None:
        """Look whether the target is free (rule 13).

        Raises: Conflict naming what is there; NotFound for the datastore.
        """

    def probe_output(self, target: OutputTarget) -> None:
        """See that something can be written where the target will be; nothing of it is ever seen by a name.

        Raises: NotFound for the datastore; PlatformError telling what the disk refuses.
        """

    def input_path(self, source: InputSource) -> Path:
        """Give the local path of an input. Raises: InvalidInput for a URI of another kind; NotFound."""

    def check_next(self, target: OutputTarget, *, job: str, generation: int) -> None:
        """Look whether this generation of a job's output can be published where the one before it was.

        Raises: Conflict naming what is there beside it, or in its place.
        """

    def publication(self, target: OutputTarget, *, job: str, generation: int = 1) -> Publication:
        """Begin to publish a job's output; what an earlier try left unfinished is removed."""

    def check_free(self, place: DatastorePath, *, is_file: bool) -> None:
        """Look whether a file or a folder can be published at a place: nothing is there, or an empty folder.

        Raises: Conflict naming what is there; NotFound for the datastore.
        """

    def publish_tree(self, staged: Path, place: DatastorePath, files: Sequence[TreeFile], *, job: str) -> None:
        """Move a file or a folder to its place, where it is seen whole, at once and durable.

        files: what is in it, sorted; a file alone has one, by its own name. Where they are at the place already, it is
        done: so by whoever was at it before, or at the same time.
        Raises: Conflict when anything else is there, which stays; PlatformError, after which it may be called again.
        """

    def discard_unfinished(self, target: OutputTarget, *, job: str) -> None:
        """Remove what publishers of the job left unfinished; nothing else, and nothing when there is nothing."""


class Trees(Protocol):
    """Trees of files by their hash, as the engine needs them: to be read in place."""

    def path(self, sealed: Sealed) -> Path:
        """Give the local folder of a tree; nobody writes in it."""

    def files(self, sealed: Sealed) -> Sequence[TreeFile] | None:
        """Give the files of a tree as they were sealed, sorted by the bytes of their path; None where nobody kept them
        (trees of versions before this), or the list is damaged."""


class SealedStore(Trees, Protocol):
    """The content-addressed store: what is registered never changes again."""

    def seal(self, source: DatastorePath, *, keep_name: bool) -> Sealed:
        """Link the bytes of a file or folder into the store under our hash of them; sealing again is free.

        keep_name: the last part of the path stays as the top of the tree (models), else the folder's content is the
        top (code). Raises: InvalidInput when nothing is there.
        """

    def add(self, files: Mapping[str, str]) -> Sealed:
        """Keep texts as a tree of their own; adding the same again is free. files: relative path -> text."""

    def read_text(self, sealed: Sealed, path: str, *, limit_bytes: int) -> str | None:
        """Give a text file of the tree, or None when it has no such file.

        Raises: InvalidInput when it is not UTF-8 or longer.
        """

    def names(self, sealed: Sealed) -> list[str]:
        """Give the tree's file paths, sorted, at most 10,000."""

    def check(self, sealed: Sealed, subject: str) -> Events:
        """Read all bytes of a tree and say of each file whether it is as it was sealed; every one that is not, is
        missing or is too much is named. Ends with what holds for the tree as a whole. subject: what the tree is."""
