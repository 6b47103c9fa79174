"""Publishing: a pure function of the sealed ledger, so that anyone may repeat it and writes the same bytes (rule 10).

Rows are joined in the order of the input from the workers' part files; failed items, the script's own files and the
manifest follow. Memory stays flat: what has to be sorted goes through sorted runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from batchyard.domain.deployments import OutputAction, OutputFormat, output_format_of
from batchyard.domain.errors import PlatformError
from batchyard.domain.item_names import item_text
from batchyard.domain.jobs import Job
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.tally import Tally
from batchyard.engine.gather import Gathered, failed_lines, gather
from batchyard.engine.ledger_file import Extent
from batchyard.engine.manifest import make_manifest
from batchyard.engine.own_files import write_files
from batchyard.engine.packing import open_cut
from batchyard.engine.part_schemas import RowOfPart
from batchyard.engine.patience import patiently
from batchyard.engine.plan import Listing
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms
from batchyard.engine.rows import RowFiles, lay_out_lines, lay_out_tables
from batchyard.engine.steps.publication import StepPublication
from batchyard.engine.whole_output import check_whole_output
from batchyard.ports.datastore import Publication, Written
from batchyard.ports.job_home import JobHome


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ledger that never changes again."""

    extents: Sequence[Extent]
    sha256: str
    tally: Tally
    planned: Planned


def collect(rooms: Rooms, job: Job, home: JobHome, sealed: Sealed) -> None:
    """Publish the job's output. Safe to repeat, also by two processes at once.

    Raises: ContractBroken when all rows together are not as the deployment declares;
    Conflict when the place is taken, or when two mini-batches wrote different bytes under one name;
    PlatformError when the disk does not do it.
    """
    # Each owner sorts in a folder of its own: one that slept finds its own gone and fails, and harms no later one's.
    clear(home, [f"collect/{older}" for older in range(1, job.fence)])
    work = f"collect/{job.fence}"
    try:
        reach = partial(rooms.faults.reach, "collect.checking")
        reach()
        check_whole_output(job.settings, home, sealed.extents, sealed.planned, home.path(f"{work}/keys"), reach=reach)
        _publish(rooms, job, home, sealed, gather(home, sealed.extents, home.path(work)))
    except OSError as exc:
        raise PlatformError(f"Could not collect the output of job {job.name!r}: {exc}.") from exc
    finally:
        clear(home, [work])


def _publish(rooms: Rooms, job: Job, home: JobHome, sealed: Sealed, gathered: Gathered) -> None:
    rows = _lay_out(rooms, job, home, sealed, gathered)
    rooms.faults.reach("collect.laid_out")
    publication = patiently(lambda: _publication(rooms, job, home))
    try:
        written: list[dict[str, Any]] = []  # Any: JSON values
        if rows is not None:
            written += _write_rows(rooms, publication, rows, is_sharded=job.settings.output_shard_bytes is not None)
        rooms.faults.reach("collect.rows_written")
        cut = open_cut(home, sealed.planned)
        with closing(Listing(home.path(sealed.planned.listing))) as listing:
            entry = patiently(lambda: publication.write_failed_items(failed_lines(gathered.failures, listing, cut)))
            written.append(asdict(entry))
        written += write_files(publication, home, gathered.files, job.scoring.settings.same_name)
        manifest = make_manifest(
            job,
            rooms.sealed,
            planned=sealed.planned,
            counts=sealed.tally.counts,
            ledger_sha256=sealed.sha256,
            outputs=written,
        )
        rooms.faults.reach("collect.manifest_written")
        rooms.faults.reach("publish.before")
        patiently(lambda: publication.publish(manifest))
        rooms.faults.reach("publish.after")
    finally:
        publication.discard()


def _publication(rooms: Rooms, job: Job, home: JobHome) -> Publication:
    step, generation = job.scoring.step, job.generation + 1
    if step is not None:
        return StepPublication(rooms, job, step, home)
    return rooms.datastores.publication(job.scoring.output, job=job.name, generation=generation)


def _lay_out(rooms: Rooms, job: Job, home: JobHome, sealed: Sealed, gathered: Gathered) -> RowFiles | None:
    """Make the files of the rows, or say of what they are made; None for a job without rows."""
    settings = job.settings
    if settings.output_action is not OutputAction.APPEND_ROW:
        return None
    output_format, work = output_format_of(settings), home.path(f"collect/{job.fence}/rows-of-output")
    most_bytes = settings.output_shard_bytes
    reach = partial(rooms.faults.reach, "collect.laying_out")
    if output_format is not OutputFormat.PARQUET:
        return lay_out_lines(home, gathered, work, output_format=output_format, most_bytes=most_bytes, reach=reach)
    cut = open_cut(home, sealed.planned)
    with closing(Listing(home.path(sealed.planned.listing))) as listing:
        return lay_out_tables(
            home,
            gathered,
            work,
            tables=rooms.tables,
            most_bytes=most_bytes,
            told_of=partial(_told_of, cut, listing),
            reach=reach,
        )


def _told_of(cut: Cut, listing: Listing, row: RowOfPart) -> str:
    """Say what a row is of: of an item, or, where rows are not as many as items, of a mini-batch."""
    first, stop = cut.bounds(row.mini_batch, row.items)
    if row.rows == stop - first:
        return f"rows of {item_text(listing.path(first + row.row))!r}"
    return f"the mini-batch of {item_text(listing.path(first))!r}"


def _write_rows(
    rooms: Rooms, publication: Publication, rows: RowFiles, *, is_sharded: bool
) -> list[dict[str, Any]]:  # Any: JSON values
    """Write the files of the rows and give their entries in the manifest."""
    shared: dict[str, Any] = {"format": rows.format.value}
    if rows.columns is not None:
        shared["columns"] = [list(column) for column in rows.columns]
    if rows.is_rewritten:
        # Whoever compares rows with the ledger's crc has to know.
        shared["rewritten"] = True
    entries = []
    for number, file in enumerate(rows.files):
        shard = (number + 1, len(rows.files)) if is_sharded else None
        entry = _write_row_file(publication, rows, number, shard)
        entries.append({**asdict(entry), "rows": file.rows, **shared})
        rooms.faults.reach("collect.row_file_written")
    return entries


def _write_row_file(publication: Publication, rows: RowFiles, number: int, shard: tuple[int, int] | None) -> Written:
    return patiently(lambda: publication.write_rows(rows.pieces(number), shard=shard))
