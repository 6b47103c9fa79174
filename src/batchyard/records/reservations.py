"""Places that jobs publish to, a row each, from the day a job is queued to its end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, insert, or_, select

from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import OutputTarget
from batchyard.domain.jobs import Job
from batchyard.domain.places import uppers
from batchyard.domain.reservations import described, extent, first_clash, reserved_by
from batchyard.domain.resource_ids import DatastorePath
from batchyard.records.tables import jobs, reservations

# The sign behind "/": names between "a/" and "a0" are those below "a".
_BEHIND_SLASH = "0"


def check_free(connection: Connection, scope: str, targets: Sequence[OutputTarget]) -> None:
    """See that no target is, lies in, or holds one that a job has reserved, or another of them. Raises: Conflict."""
    twice = first_clash(targets)
    if twice is not None:
        raise Conflict(
            f"The {described(twice[0])} and the {described(twice[1])} are one place, or one lies in the other. "
            "Choose a place of its own for each."
        )
    for target in targets:
        _check(connection, scope, target)


def reserve(connection: Connection, scope: str, job: Job) -> None:
    """Reserve every place that a job publishes to; `check_free` has let them pass."""
    rows = [{"scope": scope, "job": job.name, "place": _key(extent(target))} for target in reserved_by(job)]
    if rows:
        connection.execute(insert(reservations), rows)


def release(connection: Connection, scope: str, job: str) -> None:
    """Give back what a job has reserved."""
    connection.execute(delete(reservations).where(reservations.c.scope == scope, reservations.c.job == job))


def _check(connection: Connection, scope: str, target: OutputTarget) -> None:
    place = extent(target)
    same_or_above = reservations.c.place.in_([_key(upper) for upper in uppers(place)])
    key = _key(place)
    below = and_(reservations.c.place > f"{key}/", reservations.c.place < f"{key}{_BEHIND_SLASH}")
    holder = (
        select(jobs.c.name, jobs.c.status, reservations.c.place)
        .join(jobs, and_(jobs.c.scope == reservations.c.scope, jobs.c.name == reservations.c.job))
        .where(reservations.c.scope == scope, or_(same_or_above, below))
        .limit(1)
    )
    found = connection.execute(holder).one_or_none()
    if found is None:
        return
    held = DatastorePath(*found.place.split("/", 1))
    where = "" if held in (place, target.place) else f" with {held}"
    raise Conflict(
        f"The {described(target)} is reserved{where} by job {found.name!r}, which is {found.status}. "
        "Choose another output path, or wait until that job has ended."
    )


def _key(place: DatastorePath) -> str:
    """Name a place in one text, under which everything in it sorts."""
    return f"{place.datastore}/{place.path}"
