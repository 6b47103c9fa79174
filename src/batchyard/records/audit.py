"""The append-only list of mutations; nothing here changes or removes a row, and triggers refuse it to everybody."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from batchyard.domain.audit import AuditEntry
from batchyard.records import codec
from batchyard.records.tables import audit


class AuditTable:
    """`ports.records.Audit` in one transaction of one workspace."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self._connection = connection
        self._scope = scope

    def append(self, entry: AuditEntry) -> None:
        """Add a row in this transaction."""
        row = {
            "scope": self._scope,
            "time": entry.time,
            "actor": entry.actor,
            "action": entry.action,
            "target": entry.target,
            "before": entry.before,
            "after": entry.after,
            "reason": entry.reason,
            "ticket": entry.ticket,
            "details": codec.encode_mapping(entry.details),
        }
        self._connection.execute(insert(audit).values(row))

    def list(self, *, target: str | None = None, action: str | None = None, limit: int = 200) -> Sequence[AuditEntry]:
        """Give entries, newest first; target matches exactly."""
        query = select(audit).where(audit.c.scope == self._scope)
        if target is not None:
            query = query.where(audit.c.target == target)
        if action is not None:
            query = query.where(audit.c.action == action)
        rows = self._connection.execute(query.order_by(audit.c.id.desc()).limit(limit))
        return [
            AuditEntry(
                row.time,
                row.actor,
                row.action,
                row.target,
                row.before,
                row.after,
                row.reason,
                row.ticket,
                codec.decode_texts(row.details),
            )
            for row in rows
        ]
