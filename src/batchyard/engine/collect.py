"""Publishing: a pure function of the sealed ledger, so that anyone may repeat it and writes the same bytes (rule 10).

Rows are joined in the order of the input from the workers' part files; failed items, the script's own files and the
manifest follow. Memory stays flat: what has to be sorted goes through sorted runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from batchyard.domain.deployments import OutputAction
from batchyard.domain.errors import PlatformError
from batchyard.domain.jobs import Job
from batchyard.domain.ledger import Planned
from batchyard.domain.tally import Tally
from batchyard.engine.gather import Gathered, failed_lines, gather, pieces
from batchyard.engine.ledger_file import Extent
from batchyard.engine.manifest import make_manifest
from batchyard.engine.own_files import write_files
from batchyard.engine.packing import open_cut
from batchyard.engine.patience import patiently
from batchyard.engine.plan import Listing
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms
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
            written.append({**asdict(entry), "rows": sealed.tally.counts.rows})
        rooms.faults.reach("collect.rows_written")
        cut = open_cut(home, sealed.planned)
        with closing(Listing(home.path(sealed.planned.listing))) as listing:
            entry = patiently(lambda: publication.write_failed_items(failed_lines(gathered.failures, listing, cut)))
            written.append(asdict(entry))
        written += write_files(publication, home, gathered.files, job.spec.settings.same_name)
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
