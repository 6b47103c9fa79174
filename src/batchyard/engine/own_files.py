"""Files that a script wrote itself: found in what its attempts left, put into the output, each name once (rule 14)."""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batchyard.domain.deployments import SameName
from batchyard.domain.errors import Conflict
from batchyard.engine.patience import patiently
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.datastore import Piece, Publication, Written
from batchyard.ports.job_home import JobHome

# Mini-batch, first item in it, number of the folder among those of one attempt; big-endian sorts as numbers do.
_FOLDER = struct.Struct(">QQI")
_LEADS_OUT = (
    "{} left {!r} in its output folder, a link that leads out of it. Scripts in a sandbox publish only files that they "
    "wrote: let it write the file there."
)
_MOST_WRITERS = 100  # That the manifest names, of a file that many mini-batches have written together.


def write_files(
    publication: Publication, home: JobHome, files: SortedRuns, same_name: SameName
) -> list[dict[str, Any]]:  # Any: JSON values
    """Write every file of the scripts into the output and give its entries in the manifest.

    files: sorted, from `files_of`. Raises: Conflict when two mini-batches wrote different bytes under one name.
    """
    root, written = home.path("files"), []
    for name, group in itertools.groupby(files, key=lambda raw: raw.split(b"\0", 1)[0]):
        owners = [_owner(raw) for raw in group]
        paths = [Path(os.fsdecode(os.path.join(os.fsencode(root / owner.folder), name))) for owner in owners]
        written_by = dict(zip(paths, owners, strict=True))
        others: list[tuple[bytes, Path]] = []
        if len(paths) > 1 and same_name is SameName.REFUSE:
            firsts, others = _apart(paths, name, [owner.mini_batch for owner in owners])
            paths = _one_of_equals(list(firsts.values()), name, list(firsts))
        for own_name, own_paths in [(name, paths), *((other, [path]) for other, path in others)]:
            entry = _write_file(publication, os.fsdecode(own_name), own_paths)
            written.append({**asdict(entry), **_said_of([written_by[path] for path in own_paths])})
    for path in sorted((root / "_workers").rglob("*")):
        if path.is_symlink() and _is_confined(home, path.relative_to(root).parts[1]) and _leads_out(path, root):
            raise Conflict(_LEADS_OUT.format("A worker", path.name))
        if path.is_file():
            entry = _write_file(publication, str(path.relative_to(root)), [path])
            written.append({**asdict(entry), "exact": False})
    return written


def files_of(
    root: Path, folder: str, mini_batch: int, start: int, number: int, *, is_confined: bool = False
) -> Iterator[bytes]:
    """Name every file an attempt left: its relative name, NUL, the attempt's place (`_FOLDER`), the folder.

    is_confined: it ran in a sandbox, from which no link may lead out: we would follow it where the script could not.
    Raises: OSError when the folder is not there; Conflict for what is no file: it cannot be published, ever.
    """
    top = os.fsencode(root / folder)
    place = _FOLDER.pack(mini_batch, start, number)
    for parent, folders, names in os.walk(top, onerror=_refuse):
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, top)
            if is_confined and _leads_out(path, root):
                raise Conflict(_LEADS_OUT.format(f"Mini-batch {mini_batch}", os.fsdecode(relative)))
            if not os.path.isfile(path) or not os.access(path, os.R_OK):
                raise Conflict(
                    f"Mini-batch {mini_batch} left {os.fsdecode(relative)!r} in its output folder, "
                    "which is no file that can be read, or a link to none. Let the script write plain files there."
                )
            yield relative + b"\0" + place + os.fsencode(folder)


def _is_confined(home: JobHome, worker: str) -> bool:
    """Whether a worker ran in a sandbox. worker: with its fence."""
    return home.exists(f"parts/{worker}.parts")


def _leads_out(path: bytes | Path, root: Path) -> bool:
    """Whether a path is, by a link somewhere on it, one of a file that no script of the job wrote."""
    return not Path(os.fsdecode(os.path.realpath(path))).is_relative_to(os.path.realpath(root))


def _write_file(publication: Publication, name: str, paths: list[Path]) -> Written:
    found = [Piece(path, 0, path.stat().st_size) for path in paths]
    return patiently(lambda: publication.write_file(name, found))


@dataclass(frozen=True, slots=True)
class _Owner:
    """An attempt that left a file. first_item: of its part of the mini-batch. folder: what it wrote, below `files`."""

    mini_batch: int
    first_item: int
    folder: str


def _owner(raw: bytes) -> _Owner:
    rest = raw.split(b"\0", 1)[1]
    mini_batch, first_item, _ = _FOLDER.unpack_from(rest)
    return _Owner(mini_batch, first_item, os.fsdecode(rest[_FOLDER.size :]))


def _said_of(owners: Sequence[_Owner]) -> dict[str, Any]:  # Any: JSON values
    """Say which mini-batches wrote a file, and from which item on where one was divided; the folders themselves go."""
    told = [
        {"mini_batch": owner.mini_batch, **({"first_item": owner.first_item} if owner.first_item else {})}
        for owner in owners[:_MOST_WRITERS]
    ]
    return {"written_by": told, **({"writers": len(owners)} if len(owners) > len(told) else {})}


def _apart(paths: list[Path], name: bytes, mini_batches: list[int]) -> tuple[dict[int, Path], list[tuple[bytes, Path]]]:
    """Give the first file of each mini-batch, and what later parts of one wrote differently, under names of their own.

    A script that names a file after its mini-batch writes it in each part of one that was divided: that keeps both,
    and fails nothing that would not have failed undivided.
    """
    firsts: dict[int, Path] = {}
    others: list[tuple[bytes, Path]] = []
    number = 1
    stem, suffix = os.path.splitext(name)
    for path, mini_batch in zip(paths, mini_batches, strict=True):
        if mini_batch not in firsts:
            firsts[mini_batch] = path
        elif _sha256(path) != _sha256(firsts[mini_batch]):
            number += 1
            others.append((b"%s.part-%d%s" % (stem, number, suffix), path))
    return firsts, others


def _one_of_equals(paths: list[Path], name: bytes, mini_batches: list[int]) -> list[Path]:
    """Several mini-batches wrote one name: one file if the bytes are equal, else the job cannot be published."""
    first = _sha256(paths[0])
    for path, mini_batch in zip(paths[1:], mini_batches[1:], strict=True):
        if _sha256(path) != first:
            raise Conflict(
                f"Mini-batches {mini_batches[0]} and {mini_batch} both wrote {os.fsdecode(name)!r}, with different "
                "bytes. Let the script name files after its items, or set `settings.same_name: concatenate`."
            )
    return paths[:1]


def _sha256(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _refuse(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise Conflict(f"A folder that the script made in its output cannot be read: {error}.") from error
    raise error
