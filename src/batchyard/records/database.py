"""Opens the metadata database and gives its transactions; the only file that begins, commits and rolls back."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Pool, func, select

from batchyard.domain.resource_ids import Scope
from batchyard.ports.records import Audit, Documents, JobLeases, Jobs, Operations, Transaction
from batchyard.records.audit import AuditTable
from batchyard.records.documents import DocumentTable
from batchyard.records.engines import Engines, errors_in_our_words, open_engines, parse_url
from batchyard.records.jobs import JobTable
from batchyard.records.leases import JobLeaseTable
from batchyard.records.operations import OperationTable

_WAIT_S = 30.0


def open_records(url: str, scope: Scope, *, wait_s: float = _WAIT_S) -> DatabaseRecords:
    """Open the database of one workspace; it must have been migrated. Nothing connects before the first transaction.

    url: `sqlite:////absolute/path.db` or `postgresql://…`. wait_s: how long a writer waits for others.
    Raises: InvalidInput for another URL.
    """
    return DatabaseRecords(open_engines(parse_url(url), wait_s=wait_s), scope)


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def migrate(url: str) -> None:
    """Bring the database to this version, making it if needed; safe to run in several processes at once, and again.

    Raises: InvalidInput for a URL we do not know; PlatformError when the database does not answer, or was already
    brought to a newer version than this one.
    """
    # Alembic costs 100 ms of import, which every job process would pay for nothing.
    from batchyard.records.migrations.upgrade import upgrade

    with errors_in_our_words():
        upgrade(parse_url(url), wait_s=_WAIT_S)


class DatabaseRecords:
    """`ports.records.Records` on SQLite or PostgreSQL."""

    def __init__(self, engines: Engines, scope: Scope) -> None:
        self._engines = engines
        self._scope = scope.arm_id
        self._inherited: list[Pool] = []
        _close_idle_connections_before_forks(self)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Open a transaction that may write, alone among the writers of this workspace."""
        with errors_in_our_words(), self._engines.writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                # The use cases look first and write then, as SQLite's BEGIN IMMEDIATE allows; so writers of one
                # workspace wait for each other here too. Each statement after it sees all that others committed.
                connection.execute(select(func.pg_advisory_xact_lock(_lock_number(self._scope))))
            yield _OpenTransaction(connection, self._scope)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Open a consistent view for reading; writing in it raises PlatformError."""
        with errors_in_our_words(), self._engines.reading.begin() as connection:
            yield _OpenTransaction(connection, self._scope)

    def after_fork(self) -> None:
        """Forget connections inherited from a parent process; the first call of a forked child."""
        for engine in (self._engines.reading, self._engines.writing):
            # Kept for life: collecting a pool would close the parent's connections from here.
            self._inherited.append(engine.pool)
            engine.dispose(close=False)

    def close(self) -> None:
        """Close all idle connections; the next transaction opens new ones."""
        self._engines.reading.dispose()
        self._engines.writing.dispose()


class _OpenTransaction:
    """`ports.records.Transaction` over one connection."""

    def __init__(self, connection: Connection, scope: str) -> None:
        self.documents: Documents = DocumentTable(connection, scope)
        self.jobs: Jobs = JobTable(connection, scope)
        self.job_leases: JobLeases = JobLeaseTable(connection, scope)
        self.operations: Operations = OperationTable(connection, scope)
        self.audit: Audit = AuditTable(connection, scope)


def _lock_number(scope: str) -> int:
    return int.from_bytes(hashlib.sha256(scope.encode()).digest()[:8], "big", signed=True)


def _close_idle_connections_before_forks(records: DatabaseRecords) -> None:
    """See that a fork outside of transactions copies no open connection.

    SQLite keeps its file locks in tables of the process. A child that inherits them believes that it holds locks which
    are its parent's alone, even on connections it opens itself; the parent might then remove the log under its feet.
    """
    known = weakref.ref(records)

    def close() -> None:
        alive = known()
        if alive is not None:
            alive.close()

    os.register_at_fork(before=close)
