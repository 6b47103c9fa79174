"""Putting a later generation of an output where the one before it stands (rule 18).

A folder of its own is exchanged whole, at once. Beside other files each file is exchanged by itself, the manifest last:
it names the hashes of all others, so that whoever reads in between sees that they do not belong together.
Only what is as it was published is ever replaced; what somebody has changed or added since stays.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchyard.datastores.disk import rename_exchange, rename_no_replace, sync_folder
from batchyard.domain.errors import Conflict

_GIVEN_UP = ".given-up-"  #: no name of an output begins with a dot


@dataclass(frozen=True, slots=True)
class Earlier:
    """The generation that stands at a place. files: name -> (size, sha256) of all but the manifest."""

    manifest: bytes
    files: Mapping[str, tuple[int, str]]


def earlier_at(manifest: Path, *, job: str, generation: int) -> Earlier | None:
    """Read the manifest of the generation before this one; None where there is no file of its name.

    Raises: Conflict when it is of another job, or of another generation.
    """
    if not manifest.is_file() or manifest.is_symlink():
        return None
    content = manifest.read_bytes()
    try:
        document = json.loads(content)
        found = document["job"], document["generation"]
        files = {entry["name"]: (entry["size_bytes"], entry["sha256"]) for entry in document["outputs"]}
    except (ValueError, KeyError, TypeError) as exc:
        raise Conflict(f"{manifest.name!r} at the output's place is no manifest of ours.") from exc
    if found != (job, generation - 1):
        raise Conflict(
            f"{manifest.name!r} at the output's place is of generation {found[1]} of job {found[0]!r}, "
            f"not of generation {generation - 1} of job {job!r}."
        )
    return Earlier(content, files)


def check_unchanged(folder: Path, earlier: Earlier, *, names: Collection[str], hashes: bool = True) -> None:
    """Let these files pass if they are as they were published. hashes: look at all their bytes, not at sizes alone.

    Raises: Conflict naming the first that is not, or is gone.
    """
    for name in names:
        size, sha256 = earlier.files[name]
        path = folder / name
        is_same = path.is_file() and not path.is_symlink() and path.stat().st_size == size
        if not is_same or (hashes and _sha256(path) != sha256):
            raise Conflict(f"{name!r} of the output is not what the job published: somebody has changed or removed it.")


def check_alone(folder: Path, earlier: Earlier, *, manifest: str) -> None:
    """Let a folder pass that holds what its manifest names, and nothing else. Raises: Conflict naming what is there."""
    for parent, _, names in os.walk(folder):
        for name in names:
            relative = os.path.relpath(os.path.join(parent, name), folder)
            if relative != manifest and relative not in earlier.files:
                raise Conflict(f"{relative!r} in the output's folder is none of the job's files; it would be deleted.")


def exchange_folder(staging: Path, folder: Path, earlier: Earlier, *, manifest: str) -> None:
    """Put a staged folder in the place of the earlier generation, which is in staging's place then.

    Raises: Conflict when the folder is not as it was published; then it stays.
    """
    check_alone(folder, earlier, manifest=manifest)
    check_unchanged(folder, earlier, names=earlier.files)
    rename_exchange(staging, folder)
    try:  # What came between the look and the exchange is in our hands now.
        check_alone(staging, earlier, manifest=manifest)
        check_unchanged(staging, earlier, names=earlier.files, hashes=False)
    except Conflict:
        rename_exchange(staging, folder)
        raise


def exchange_files(
    staging: Path, folder: Path, earlier: Earlier, *, names: Sequence[str], manifest: str, exchanged: set[str]
) -> None:
    """Put staged files (and a folder of files) in the place of the earlier ones, in this order, the manifest last.

    What the earlier generation had and this one has not is taken away, just before the manifest.
    exchanged: filled with the names that are through, so that it may be called again after it failed in between; or by
    another process that has staged the same bytes.
    Raises: Conflict when one of them is not as it was published; then nothing was replaced.
    """
    left = [name for name in names if name not in exchanged and not _is_equal(staging / name, folder / name)]
    given_up = sorted({name.partition("/")[0] for name in earlier.files} - {*names})
    for name in [*left, *given_up]:
        if os.path.lexists(folder / name):
            check_unchanged(folder, earlier, names=_below(name, earlier))
            if (folder / name).is_dir():
                check_alone(folder / name, _inside(name, earlier), manifest="")
    for name in left:
        if os.path.lexists(folder / name):
            rename_exchange(staging / name, folder / name)
        else:
            rename_no_replace(staging / name, folder / name)
        exchanged.add(name)
    for name in given_up:  # Such as files of rows, of which there may be fewer now.
        if os.path.lexists(folder / name):
            rename_no_replace(folder / name, staging / f"{_GIVEN_UP}{name}")
    sync_folder(folder)
    rename_exchange(staging / manifest, folder / manifest)


def _below(name: str, earlier: Earlier) -> list[str]:
    """Name the earlier files that are this one, or are in the folder of this name. Raises: Conflict for none."""
    found = [other for other in earlier.files if other == name or other.startswith(f"{name}/")]
    if not found:
        raise Conflict(f"{name!r} stands where the output needs a place, and is none of the job's files.")
    return found


def _inside(name: str, earlier: Earlier) -> Earlier:
    files = {other.removeprefix(f"{name}/"): entry for other, entry in earlier.files.items()}
    return Earlier(earlier.manifest, files)


def _is_equal(staged: Path, there: Path) -> bool:
    """Whether another publisher was here before: the bytes are those that are staged."""
    if staged.is_dir():
        mine, theirs = _hashes(staged), _hashes(there)
        return mine == theirs
    return there.is_file() and staged.stat().st_size == there.stat().st_size and _sha256(staged) == _sha256(there)


def _hashes(folder: Path) -> dict[str, str]:
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(path, folder): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
