"""Publishing: a pure function of the sealed ledger, so that anyone may repeat it and writes the same bytes (rule 10).

Rows are joined in the order of the input from the workers' part files; failed items, the script's own files and the
manifest follow. Memory stays flat: what has to be sorted goes through sorted runs.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batchyard.domain.deployments import OutputAction, SameName
from batchyard.domain.errors import Conflict, PlatformError
from batchyard.domain.failures import SHORT_RESULT, log_of
from batchyard.domain.item_names import item_fields
from batchyard.domain.jobs import Job
from batchyard.domain.ledger import Committed, FailedItems, Planned, live
from batchyard.domain.minibatches import Cut
from batchyard.domain.outcomes import short_message
from batchyard.domain.tally import Tally
from batchyard.engine.ledger_file import Extent, records
from batchyard.engine.packing import open_cut
from batchyard.engine.patience import patiently
from batchyard.engine.plain_json import to_json
from batchyard.engine.plan import Listing
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms
from batchyard.engine.sorting import SortedRuns
from batchyard.ports.datastore import Piece, Publication, Written
from batchyard.ports.job_home import JobHome

# Big-endian sorts as numbers do.
_ROWS = struct.Struct(">QQQQI")  # First mini-batch, its first item (for a part of one), offset, bytes, part file.
_PLACE = struct.Struct(">QQ")  # Mini-batch, first item in it.
_FOLDER = struct.Struct(">QQI")  # Mini-batch, first item in it, number of the folder among those of one attempt.
MANIFEST_FORMAT = "batchyard manifest 1"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ledger that never changes again."""

    extents: Sequence[Extent]
    sha256: str
    tally: Tally
    planned: Planned


def collect(rooms: Rooms, job: Job, home: JobHome, sealed: Sealed) -> None:
    """Publish the job's output. Safe to repeat, also by two processes at once.

    Raises: Conflict when the place is taken, or when two mini-batches wrote different bytes under one name;
    PlatformError when the disk does not do it.
    """
    # Each owner sorts in a folder of its own: one that slept finds its own gone and fails, and harms no later one's.
    clear(home, [f"collect/{older}" for older in range(1, job.fence)])
    work = f"collect/{job.fence}"
    try:
        _publish(rooms, job, home, sealed, gather(home, sealed.extents, home.path(work)))
    except OSError as exc:
        raise PlatformError(f"Could not collect the output of job {job.name!r}: {exc}.") from exc
    finally:
        clear(home, [work])


def _publish(rooms: Rooms, job: Job, home: JobHome, sealed: Sealed, gathered: Gathered) -> None:
    publication = patiently(
        lambda: rooms.datastores.publication(job.spec.output, job=job.name, generation=job.generation + 1)
    )
    try:
        written: list[dict[str, Any]] = []  # Any: JSON values
        if job.spec.settings.output_action is OutputAction.APPEND_ROW:
            entry = patiently(lambda: publication.write_rows(pieces(home, gathered)))
            written.append({**_entry(entry), "rows": sealed.tally.counts.rows})
        rooms.faults.reach("collect.rows_written")
        cut = open_cut(home, sealed.planned)
        with closing(Listing(home.path(sealed.planned.listing))) as listing:
            entry = patiently(lambda: publication.write_failed_items(failed_lines(gathered.failures, listing, cut)))
            written.append(_entry(entry))
        written += _write_files(publication, home, gathered.files, job.spec.settings.same_name)
        manifest = _manifest(job, sealed, written)
        rooms.faults.reach("collect.manifest_written")
        rooms.faults.reach("publish.before")
        patiently(lambda: publication.publish(manifest))
        rooms.faults.reach("publish.after")
    finally:
        publication.discard()


@dataclass(slots=True)
class Gathered:
    """What the ledger says, each sorted: rows and failures by mini-batch, files by name. parts: by their number."""

    rows: SortedRuns
    failures: SortedRuns
    files: SortedRuns
    parts: list[str]


def gather(
    home: JobHome,
    extents: Sequence[Extent],
    work: Path,
    *,
    counts: Callable[[Committed], bool] = lambda _: True,
    with_files: bool = True,
) -> Gathered:
    """Read the ledger and sort what it says, in runs below `work`. counts: whether the rows of a range do."""
    found = Gathered(SortedRuns(work / "rows"), SortedRuns(work / "failures"), SortedRuns(work / "files"), [])
    numbers: dict[str, int] = {}
    for record in live(lambda: records(home, extents)):
        if isinstance(record, FailedItems):
            found.failures.add(_PLACE.pack(record.mini_batch, _start(record)) + json.dumps(asdict(record)).encode())
        elif isinstance(record, Committed) and counts(record):
            number = numbers.setdefault(record.part, len(numbers))
            start = _start(record)
            found.rows.add(_ROWS.pack(record.first, start, record.offset, record.size_bytes, number))
            for mini_batch, missing in record.short:
                short = {
                    "mini_batch": mini_batch,
                    "count": missing,
                    "attempts": record.attempt,
                    "worker": record.worker,
                    "items": record.items,
                }
                found.failures.add(_PLACE.pack(mini_batch, start) + json.dumps(short).encode())
            for number, (mini_batch, folder) in enumerate(record.files if with_files else ()):
                found.files.extend(_files_of(home.path("files"), folder, _FOLDER.pack(mini_batch, start, number)))
    found.parts = list(numbers)
    return found


def pieces(home: JobHome, gathered: Gathered) -> Iterator[Piece]:
    """Give the rows' bytes in input order; neighbours in one part file become one piece."""
    paths = [home.path(f"parts/{name}") for name in gathered.parts]
    start, size, part = 0, 0, -1
    for raw in gathered.rows:
        _, _, offset, length, number = _ROWS.unpack(raw)
        if number == part and offset == start + size:
            size += length
            continue
        if size:
            yield Piece(paths[part], start, size)
        start, size, part = offset, length, number
    if size:
        yield Piece(paths[part], start, size)


def failed_lines(failures: SortedRuns, listing: Listing, cut: Cut) -> Iterator[bytes]:
    """One JSON line for each failed item, in input order; a short result is one line for its mini-batch."""
    for raw in failures:
        failure = json.loads(raw[_PLACE.size :])
        first, stop = cut.bounds(failure["mini_batch"], failure["items"])
        if "error" not in failure:
            yield _line(_short_line(failure, first, stop, listing))
            continue
        keys = ("mini_batch", "attempts", "error_class", "error", "message", "stack", "worker")
        shared = {key: failure[key] for key in keys}
        shared["log"] = log_of(failure["worker"], stack=failure["stack"])
        shared["attribution"] = _attribution(failure, stop - first)
        for position in range(first, stop):
            yield _line({**item_fields(listing.path(position)), "position": position, **shared})


def _start(record: Committed | FailedItems) -> int:
    return record.items[0] if record.items else 0


def _attribution(failure: dict[str, Any], items: int) -> str:  # Any: JSON values
    """To what the failure is charged: this item alone, or a part of its mini-batch, or all of it."""
    if items == 1:
        return "item"
    return "not_isolated" if failure["items"] else "mini_batch"


def _short_line(short: dict[str, Any], first: int, stop: int, listing: Listing) -> dict[str, object]:
    """Of several items it cannot be known which one is missing: the script returned fewer elements than it was given.

    Any: JSON values.
    """
    given = stop - first
    return {
        **(item_fields(listing.path(first)) if given == 1 else {"item": None}),
        "position": first,
        "mini_batch": short["mini_batch"],
        "attempts": short["attempts"],
        "error_class": "data",
        "error": SHORT_RESULT,
        "message": short_message(given, short["count"]),
        "stack": "",
        "worker": short["worker"],
        "log": log_of(short["worker"], stack=""),
        "attribution": _attribution(short, given),
        "count": short["count"],
    }


def _files_of(root: Path, folder: str, place: bytes) -> Iterator[bytes]:
    """Name every file an attempt left: its relative name, NUL, the attempt's place (`_FOLDER`), the folder.

    Raises: OSError when the folder is not there; Conflict for what is no file: it cannot be published, ever.
    """
    top = os.fsencode(root / folder)
    for parent, folders, names in os.walk(top, onerror=_refuse):
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, top)
            if not os.path.isfile(path) or not os.access(path, os.R_OK):
                raise Conflict(
                    f"Mini-batch {_FOLDER.unpack(place)[0]} left {os.fsdecode(relative)!r} in its output folder, "
                    "which is no file that can be read, or a link to none. Let the script write plain files there."
                )
            yield relative + b"\0" + place + os.fsencode(folder)


def _refuse(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise Conflict(f"A folder that the script made in its output cannot be read: {error}.") from error
    raise error


def _write_files(
    publication: Publication, home: JobHome, files: SortedRuns, same_name: SameName
) -> list[dict[str, Any]]:  # Any: JSON values
    root, written = home.path("files"), []
    for name, group in itertools.groupby(files, key=lambda raw: raw.split(b"\0", 1)[0]):
        owners = [_owner(raw) for raw in group]
        paths = [Path(os.fsdecode(os.path.join(os.fsencode(root / folder), name))) for _, folder in owners]
        others: list[tuple[bytes, Path]] = []
        if len(paths) > 1 and same_name is SameName.REFUSE:
            firsts, others = _apart(paths, name, [mini_batch for mini_batch, _ in owners])
            paths = _one_of_equals(list(firsts.values()), name, list(firsts))
        written.append(_entry(_write_file(publication, os.fsdecode(name), paths)))
        written += [_entry(_write_file(publication, os.fsdecode(other), [path])) for other, path in others]
    for path in sorted((root / "_workers").rglob("*")):
        if path.is_file():
            entry = _write_file(publication, str(path.relative_to(root)), [path])
            written.append({**_entry(entry), "exact": False})
    return written


def _write_file(publication: Publication, name: str, paths: list[Path]) -> Written:
    found = [Piece(path, 0, path.stat().st_size) for path in paths]
    return patiently(lambda: publication.write_file(name, found))


def _owner(raw: bytes) -> tuple[int, str]:
    rest = raw.split(b"\0", 1)[1]
    return _FOLDER.unpack_from(rest)[0], os.fsdecode(rest[_FOLDER.size :])


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


def _manifest(job: Job, sealed: Sealed, written: list[dict[str, Any]]) -> bytes:  # Any: JSON values
    """Say what was run on what and what came out; no host and no time that the ledger does not hold."""
    spec = job.spec
    document = {
        "format": MANIFEST_FORMAT,
        "generation": job.generation + 1,
        "job": job.name,
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deployment_revision": spec.deployment_revision,
        "routed_by": spec.routed_by,
        "model": {"name": spec.model.name, "version": spec.model.version, "sha256": spec.model_seal.sha256},
        "code": {
            "name": spec.code.name,
            "version": spec.code.version,
            "sha256": spec.code_seal.sha256,
            "scoring_script": spec.scoring_script,
        },
        "environment": {
            "name": spec.environment.name,
            "version": spec.environment.version,
            "sha256": spec.build.sha256,
            "python_version": spec.build.python_version,
        },
        "input": {
            "uri": spec.source.uri,
            "kind": spec.source.kind.value,
            "items": sealed.tally.counts.items,
            "listing_sha256": sealed.planned.listing_sha256,
            "skipped_items": [item_fields(os.fsencode(name)) for name in sealed.planned.skipped_names],
        },
        "settings": asdict(job.settings),
        "counts": asdict(sealed.tally.counts),
        "outputs": written,
        "ledger_sha256": sealed.sha256,
    }
    return to_json(document)


def _entry(written: Written) -> dict[str, Any]:  # Any: JSON values
    return asdict(written)


def _line(document: dict[str, Any]) -> bytes:  # Any: JSON values
    return json.dumps(document).encode() + b"\n"
