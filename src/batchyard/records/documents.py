"""Documents and their revisions; every save is a new row, and `is_current` moves to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, update

from batchyard.domain.errors import PreconditionFailed
from batchyard.ports.records import Key, Kind, Page, Stored
from batchyard.records import codec
from batchyard.records.paging import make_token, read_token
from batchyard.records.tables import AnyRow, documents


class DocumentTable:
    """`ports.records.Documents` in one transaction of one workspace."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection = connection
        self._scope = scope

    def get(self, key: Key, *, revision: int | None = None) -> Stored[Any] | None:  # Any: the document of the kind
        """Give the current document, or that revision (also of a deleted one); None when there is none."""
        wanted = documents.c.is_current if revision is None else documents.c.revision == revision
        row = self._connection.execute(select(documents).where(self._named(key), wanted)).one_or_none()
        return None if row is None else _stored(row)

    def list(
        self,
        kind: Kind,
        *,
        parent: str = "",
        name: str | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Page[Stored[Any]]:  # Any: the document of the kind
        """Give current documents of a kind, by name, then by creation, newest first; parent "" gives those of all."""
        query = select(documents).where(documents.c.scope == self._scope, documents.c.kind == kind.value)
        query = query.where(documents.c.is_current)
        if parent:
            query = query.where(documents.c.parent == parent)
        if name is not None:
            query = query.where(documents.c.name == name)
        if token is not None:
            query = query.where(_after(token))
        query = query.order_by(documents.c.name, documents.c.creation.desc()).limit(limit + 1)
        rows = self._connection.execute(query).all()
        more = len(rows) > limit
        rows = rows[:limit]
        next_token = make_token([rows[-1].name, rows[-1].creation]) if more and rows else None
        return Page(tuple(_stored(row) for row in rows), next_token)

    # Any: the document of the kind.
    def save(self, key: Key, document: object, *, actor: str, now: float, if_match: str | None = None) -> Stored[Any]:
        """Store a new current revision; see `ports.records.Documents.save`."""
        text = codec.encode_document(key.kind, document)
        current = self._current(key)
        if if_match is not None:
            _check_match(key, current, if_match)
        newest = select(func.coalesce(func.max(documents.c.revision), 0)).where(self._named(key))
        revision = int(self._connection.execute(newest).scalar_one()) + 1
        stored = Stored(
            key,
            document,
            revision,
            _etag(revision, text),
            created_at=now if current is None else current.created_at,
            created_by=actor if current is None else current.created_by,
            modified_at=now,
            modified_by=actor,
        )
        creation = self._next_creation() if current is None else current.creation
        self._retire(key)
        self._connection.execute(insert(documents).values(self._row(stored, text=text, creation=creation)))
        return stored

    def delete(self, key: Key, *, if_match: str | None = None) -> bool:
        """Take the current document out of sight, keeping its revisions; False when there was none."""
        current = self._current(key)
        if current is None:
            return False
        if if_match is not None:
            _check_match(key, current, if_match)
        self._retire(key)
        return True

    def revisions(self, key: Key) -> Sequence[Stored[Any]]:  # Any: the document of the kind
        """Give all revisions, newest first."""
        query = select(documents).where(self._named(key)).order_by(documents.c.revision.desc())
        return [_stored(row) for row in self._connection.execute(query)]

    def _named(self, key: Key) -> ColumnElement[bool]:
        return and_(
            documents.c.scope == self._scope,
            documents.c.kind == key.kind.value,
            documents.c.parent == key.parent,
            documents.c.name == key.name,
            documents.c.version == key.version,
        )

    def _current(self, key: Key) -> AnyRow | None:
        query = select(documents.c.etag, documents.c.created_at, documents.c.created_by, documents.c.creation)
        return self._connection.execute(query.where(self._named(key), documents.c.is_current)).one_or_none()

    def _next_creation(self) -> int:
        highest = select(func.coalesce(func.max(documents.c.id), 0))
        return int(self._connection.execute(highest).scalar_one()) + 1

    def _retire(self, key: Key) -> None:
        query = update(documents).where(self._named(key), documents.c.is_current).values(is_current=False)
        self._connection.execute(query)

    def _row(self, stored: Stored[object], *, text: str, creation: int) -> dict[str, object]:
        return {
            "scope": self._scope,
            "kind": stored.key.kind.value,
            "parent": stored.key.parent,
            "name": stored.key.name,
            "version": stored.key.version,
            "revision": stored.revision,
            "etag": stored.etag,
            "document": text,
            "is_current": True,
            "creation": creation,
            "created_at": stored.created_at,
            "created_by": stored.created_by,
            "modified_at": stored.modified_at,
            "modified_by": stored.modified_by,
        }


def _after(token: str) -> ColumnElement[bool]:
    name, creation = read_token(token, str, int)
    return or_(documents.c.name > name, and_(documents.c.name == name, documents.c.creation < creation))


def _check_match(key: Key, current: AnyRow | None, if_match: str) -> None:
    what = f"The {key.kind.value} {key.name!r}"
    if current is None:
        raise PreconditionFailed(f"{what} does not exist (any more), so it cannot have the etag {if_match!r}.")
    if if_match not in ("*", current.etag):
        raise PreconditionFailed(
            f"{what} changed since it was read: its etag is {current.etag!r}, not {if_match!r}. "
            "Read it again and repeat."
        )


def _etag(revision: int, text: str) -> str:
    return hashlib.sha256(f"{revision}\n{text}".encode()).hexdigest()[:16]


def _stored(row: AnyRow) -> Stored[Any]:  # Any: the document of the kind
    kind = Kind(row.kind)
    return Stored(
        Key(kind, row.name, row.version, row.parent),
        codec.decode_document(kind, row.document),
        row.revision,
        row.etag,
        row.created_at,
        row.created_by,
        row.modified_at,
        row.modified_by,
    )
