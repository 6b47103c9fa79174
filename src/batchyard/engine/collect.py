"""Publishing: a pure function of the sealed ledger, so that anyone may repeat it and writes the same bytes (rule 10).

Rows are joined in the order of the input from the workers' part files; failed items, the script's own files and the
manifest follow. Memory stays flat: what has to be sorted goes through sorted runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from batchyard.domain.deployments import OutputAction
from batchyard.domain.errors import PlatformError
from batchyard.domain.item_names import item_fields
from batchyard.domain.jobs import Job
from batchyard.domain.ledger import Planned
from batchyard.domain.tally import Tally
from batchyard.engine.gather import Gathered, failed_lines, gather, pieces
from batchyard.engine.ledger_file import Extent
from batchyard.engine.own_files import write_files
from batchyard.engine.packing import open_cut
from batchyard.engine.patience import patiently
from batchyard.engine.plain_json import to_json
from batchyard.engine.plan import Listing
from batchyard.engine.prepare import clear
from batchyard.engine.rooms import Rooms
from batchyard.ports.job_home import JobHome

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
            written.append({**asdict(entry), "rows": sealed.tally.counts.rows})
        rooms.faults.reach("collect.rows_written")
        cut = open_cut(home, sealed.planned)
        with closing(Listing(home.path(sealed.planned.listing))) as listing:
            entry = patiently(lambda: publication.write_failed_items(failed_lines(gathered.failures, listing, cut)))
            written.append(asdict(entry))
        written += write_files(publication, home, gathered.files, job.spec.settings.same_name)
        manifest = _manifest(job, sealed, written)
        rooms.faults.reach("collect.manifest_written")
        rooms.faults.reach("publish.before")
        patiently(lambda: publication.publish(manifest))
        rooms.faults.reach("publish.after")
    finally:
        publication.discard()


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
