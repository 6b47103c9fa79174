"""What narrows a list of jobs, read from the query of its request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.datastructures import QueryParams

from batchyard.api.told import TEXT, VIEW
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.job_states import JobStatus
from batchyard.ports.records import JobFilter

FILTERS = (
    ("endpoint", "Only its jobs.", TEXT),
    ("deployment", "Only the jobs that reached it.", TEXT),
    ("compute", "Only the jobs that run there.", TEXT),
    ("status", "Only jobs in it; may be given several times, or several with commas.", TEXT),
    ("tag", "`NAME` or `NAME=VALUE`; may be given several times.", TEXT),
    ("createdFrom", "ISO-8601, in UTC where it names no zone.", TEXT),
    ("createdBefore", "ISO-8601, in UTC where it names no zone.", TEXT),
    VIEW,
)
_VIEWS = {"activeonly": False, "archivedonly": True, "all": None}


def job_filter(query: QueryParams, *, endpoint: str | None = None, deployment: str | None = None) -> JobFilter:
    """Read the filter of a list: `endpoint`, `deployment`, `compute`, `status`, `tag`, `createdFrom`, `createdBefore`,
    `listViewType`; other parameters are not looked at.

    `status` and `tag` may be given several times; several states may stand between commas. A tag is `NAME` or
    `NAME=VALUE`. Times are ISO-8601, in UTC where they name no zone.
    Raises: InvalidInput with all mistakes.
    """
    # PostgreSQL takes no text with a NUL, and no name has one.
    named = [name for name in ("endpoint", "deployment", "compute") if "\0" in query.get(name, "")]
    mistakes = [Mistake(name, repr(query[name]), "a name") for name in named]
    which = JobFilter(
        endpoint=endpoint or query.get("endpoint") or None,
        deployment=deployment or query.get("deployment") or None,
        compute=query.get("compute") or None,
        statuses=_statuses(query.getlist("status"), mistakes),
        tags=tuple(_tag(text, mistakes) for text in query.getlist("tag")),
        created_from=_time(query, "createdFrom", mistakes),
        created_before=_time(query, "createdBefore", mistakes),
        is_archived=_view(query.get("listViewType") or "ActiveOnly", mistakes),
    )
    if mistakes:
        raise InvalidInput("list of jobs", mistakes)
    return which


def _statuses(given: Sequence[str], mistakes: list[Mistake]) -> frozenset[JobStatus]:
    known = {status.value.lower(): status for status in JobStatus}
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    allowed = "one of " + ", ".join(status.value for status in JobStatus)
    mistakes += [Mistake("status", repr(word), allowed) for word in words if word.lower() not in known]
    return frozenset(known[word.lower()] for word in words if word.lower() in known)


def _tag(text: str, mistakes: list[Mistake]) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        mistakes.append(Mistake("tag", repr(text), "NAME or NAME=VALUE"))
    return name, value if equals else None


def _time(query: QueryParams, name: str, mistakes: list[Mistake]) -> float | None:
    text = query.get(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        allowed = "a time such as 2026-11-23T08:00 (UTC) or 2026-11-23T08:00:00+01:00"
        mistakes.append(Mistake(name, repr(text), allowed))
        return None


def _view(text: str, mistakes: list[Mistake]) -> bool | None:
    if text.lower() not in _VIEWS:
        mistakes.append(Mistake("listViewType", repr(text), "ActiveOnly, ArchivedOnly or All"))
    return _VIEWS.get(text.lower())
