"""Conditional headers: read only what changed, write only over what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from batchyard.domain.errors import Conflict, InvalidInput, Mistake, PreconditionFailed
from batchyard.ports.datastore import Entry

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request asks of the blob. ETags without their quotes, () when not asked; times in whole epoch seconds."""

    if_match: tuple[str, ...] = ()
    if_none_match: tuple[str, ...] = ()
    modified_since: float | None = None
    unmodified_since: float | None = None

    @property
    def create_only(self) -> bool:
        """Whether nothing may be there."""
        return _ANY in self.if_none_match


def conditions_of(headers: Mapping[str, str]) -> Conditions:
    """Read the conditions of a request. Raises: InvalidInput for a time that is none."""
    return Conditions(
        if_match=_etags(headers.get("if-match")),
        if_none_match=_etags(headers.get("if-none-match")),
        modified_since=_time(headers, "if-modified-since"),
        unmodified_since=_time(headers, "if-unmodified-since"),
    )


def is_known(conditions: Conditions, entry: Entry) -> bool:
    """Say whether a reader has these bytes already (304). Raises: PreconditionFailed when it wants other ones."""
    _refuse_unwanted(conditions, entry)
    if conditions.if_none_match:
        return _is_among(conditions.if_none_match, entry)
    return conditions.modified_since is not None and int(entry.modified_at) <= conditions.modified_since


def check_write(conditions: Conditions, entry: Entry | None) -> None:
    """See that what is there may be replaced. entry: None for nothing.

    Raises: Conflict when nothing may be there; PreconditionFailed for all other conditions.
    """
    if entry is None:
        if conditions.if_match:
            raise PreconditionFailed("The blob does not exist, and If-Match asks for one.")
        return
    if conditions.create_only:
        raise Conflict(f"The blob {entry.path!r} exists already.")
    if is_known(conditions, entry):
        raise PreconditionFailed(f"The blob {entry.path!r} is the one that the request must not meet: {entry.etag}.")


def _refuse_unwanted(conditions: Conditions, entry: Entry) -> None:
    if conditions.if_match:
        is_wanted = _is_among(conditions.if_match, entry)
    else:
        is_wanted = conditions.unmodified_since is None or int(entry.modified_at) <= conditions.unmodified_since
    if not is_wanted:
        raise PreconditionFailed(f"The blob {entry.path!r} has changed: it is {entry.etag} now. Read it again.")


def _is_among(etags: tuple[str, ...], entry: Entry) -> bool:
    return _ANY in etags or entry.etag.strip('"') in etags


def _etags(header: str | None) -> tuple[str, ...]:
    if header is None:
        return ()
    # Our tags hold no comma. An empty header is not an absent one: it matches nothing.
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))


def _time(headers: Mapping[str, str], name: str) -> float | None:
    given = headers.get(name)
    if given is None:
        return None
    try:
        return parsedate_to_datetime(given).timestamp()
    except (ValueError, OverflowError) as exc:
        allowed = "a time like 'Sun, 22 Nov 2026 10:00:00 GMT'"
        raise InvalidInput("blob", [Mistake(f"header {name}", repr(given), allowed)]) from exc
