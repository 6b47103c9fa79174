"""Which rows of jobs a filter wants, as conditions that both databases read alike."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import ColumnElement, func, or_

from batchyard.ports.records import JobFilter
from batchyard.records.tables import jobs


def wanted(which: JobFilter) -> Iterator[ColumnElement[bool]]:
    """Give the conditions of a filter, all of which hold for a row that it wants."""
    equal = (
        (jobs.c.endpoint, which.endpoint),
        (jobs.c.deployment, which.deployment),
        (jobs.c.compute, which.compute),
        (jobs.c.is_archived, which.is_archived),
    )
    yield from (column == value for column, value in equal if value is not None)
    if which.statuses:
        yield jobs.c.status.in_(sorted(status.value for status in which.statuses))
    if which.created_from is not None:
        yield jobs.c.created_at >= which.created_from
    if which.created_before is not None:
        yield jobs.c.created_at < which.created_before
    if which.parent is not None:
        yield jobs.c.parent == which.parent
    elif not which.with_steps:
        yield jobs.c.parent.is_(None)
    yield from (_has_tag(name, value) for name, value in which.tags)


def _has_tag(name: str, value: str | None) -> ColumnElement[bool]:
    """Look for a tag in the text that `codec.encode_mapping` gives.

    An entry begins behind `{` at the start or behind a `,`, and its quotes are bare; quotes within a name or a value
    are written `\\"`, so nothing else looks like an entry. `LIKE` would not tell upper from lower case on SQLite.
    """
    entry = f"{json.dumps(name)}:" + ("" if value is None else json.dumps(value))
    first = "{" + entry
    return or_(
        func.substr(jobs.c.tags, 1, len(first)) == first, func.replace(jobs.c.tags, f",{entry}", "") != jobs.c.tags
    )
