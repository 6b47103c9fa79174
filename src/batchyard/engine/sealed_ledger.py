"""What a ledger says as a whole: its plan, and all of it once it is sealed."""

from __future__ import annotations

from functools import partial

from batchyard.domain.jobs import Job
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.tally import Tally, first_failing_position
from batchyard.engine.collect import Sealed
from batchyard.engine.ledger_file import extents, ledger_sha256, records
from batchyard.engine.packing import open_cut
from batchyard.engine.plan import Listing
from batchyard.ports.job_home import JobHome


def read_sealed(home: JobHome, job: Job) -> Sealed | None:
    """Give the sealed ledger; None when it is not the one whose hash the job's record has."""
    parts = extents(home)
    sha256 = ledger_sha256(home, parts)
    if sha256 != job.ledger_sha256:
        return None
    tally, planned = Tally(partial(open_cut, home)), None
    for record in records(home, parts):
        tally.apply(record)
        planned = record if isinstance(record, Planned) else planned
    return None if planned is None else Sealed(parts, sha256, tally, planned)


def planned_of(home: JobHome) -> Planned | None:
    """Give the plan; an empty input may have been listed again since, so the last one counts."""
    found = None
    for record in records(home, extents(home)):
        if isinstance(record, Planned):
            found = record
            if found.items:
                break
    return found


def first_failing_item(home: JobHome, tally: Tally) -> dict[int, str]:
    """Give the name of the first item that failed, by its position; nothing where none did."""
    position, planned = first_failing_position(tally), planned_of(home)
    if position is None or planned is None:
        return {}
    listing = Listing(home.path(planned.listing))
    try:
        return {position: listing.name(position)}
    finally:
        listing.close()
