"""Opens the metadata database and gives its transactions; the only file that begins, commits and rolls back."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Pool, func, select

from batchyard.domain.errors import NotFound
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import Workspace
from batchyard.ports.job_leases import JobLeases
from batchyard.ports.records import Audit, Documents, Jobs, Operations, Transaction, Workspaces
from batchyard.records.audit import AuditTable
from batchyard.records.documents import DocumentTable
from batchyard.records.engines import Engines, errors_in_our_words, open_engines, parse_url
from batchyard.records.jobs import JobTable
from batchyard.records.leases import JobLeaseTable
from batchyard.records.operations import OperationTable
from batchyard.records.rehearsal import rehearse_reading, rehearse_writing
from batchyard.records.workspaces import WorkspaceTable

_WAIT_S = 30.0


def open_records(url: str, scope: Scope, *, wait_s: float = _WAIT_S) -> DatabaseRecords:
    """Open the database, seen from the workspace whose id is the ARM id of `scope`, such as the default one.

    It must have been migrated. Nothing connects before the first transaction.

    url: `sqlite:////absolute/path.db` or `postgresql://…`. wait_s: how long a writer waits for others.
    Raises: InvalidInput for another URL.
    """
    pools = _Pools(open_engines(parse_url(url), wait_s=wait_s))
    return DatabaseRecords(pools, Workspace(scope, scope.arm_id))


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
    """`ports.records.Records` on SQLite or PostgreSQL.

    workspace: whose rows are seen; its scope and its id. is_checked: whether it may have been deleted meanwhile.
    """

    def __init__(self, pools: _Pools, workspace: Workspace, *, is_checked: bool = False) -> None:
        self._pools, self._workspace, self._is_checked = pools, workspace, is_checked

    def of(self, workspace: Workspace) -> DatabaseRecords:
        """Give the same database and connections, seen from another workspace."""
        return DatabaseRecords(self._pools, workspace, is_checked=not workspace.is_default)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Open a transaction that may write, alone among the writers of this workspace."""
        with errors_in_our_words(), self._pools.engines.writing.begin() as connection:
            _wait_for_writers(connection, self._workspace)
            tx = _OpenTransaction(connection, self._workspace)
            if self._is_checked and tx.workspaces.by_id(self._workspace.id) is None:
                raise NotFound(f"The workspace {self._workspace.scope.workspace!r} has been deleted meanwhile.")
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Open a consistent view for reading; writing in it raises PlatformError."""
        with errors_in_our_words(), self._pools.engines.reading.begin() as connection:
            yield _OpenTransaction(connection, self._workspace, is_reading=True)

    def warm_up(self) -> None:
        """Build what the processes of jobs need of statements and codecs, before they are forked."""
        with (
            errors_in_our_words(),
            self._pools.engines.writing.connect() as connection,
            connection.begin() as transaction,
        ):
            rehearse_writing(connection)
            transaction.rollback()
        with errors_in_our_words(), self._pools.engines.reading.begin() as connection:
            rehearse_reading(connection)

    def after_fork(self) -> None:
        """Forget connections inherited from a parent process; the first call of a forked child."""
        self._pools.forget()

    def close(self) -> None:
        """Close all idle connections; the next transaction opens new ones."""
        self._pools.close()


class _Pools:
    """The connections to one database, shared by all who see it from one workspace or another."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self._inherited: list[Pool] = []
        _close_idle_connections_before_forks(self)

    def forget(self) -> None:
        """Leave what a parent process opened alone."""
        for engine in (self.engines.reading, self.engines.writing):
            # Kept for life: collecting a pool would close the parent's connections from here.
            self._inherited.append(engine.pool)
            engine.dispose(close=False)

    def close(self) -> None:
        """Close what is idle."""
        self.engines.reading.dispose()
        self.engines.writing.dispose()


class _OpenTransaction:
    """`ports.records.Transaction` over one connection."""

    def __init__(self, connection: Connection, workspace: Workspace, *, is_reading: bool = False) -> None:
        self._connection, self._is_reading = connection, is_reading
        self.scope: Scope = workspace.scope
        self.documents: Documents = DocumentTable(connection, workspace.id)
        self.jobs: Jobs = JobTable(connection, workspace.id)
        self.job_leases: JobLeases = JobLeaseTable(connection, workspace.id)
        self.operations: Operations = OperationTable(connection, workspace.id)
        self.audit: Audit = AuditTable(connection, workspace.id)
        self.workspaces: Workspaces = WorkspaceTable(connection)

    def of(self, workspace: Workspace) -> Transaction:
        """Give the same transaction in another workspace."""
        if not self._is_reading:
            _wait_for_writers(self._connection, workspace)
        return _OpenTransaction(self._connection, workspace, is_reading=self._is_reading)


def _wait_for_writers(connection: Connection, workspace: Workspace) -> None:
    if connection.dialect.name == "postgresql":
        # The use cases look first and write then, as SQLite's BEGIN IMMEDIATE allows; so writers of one
        # workspace wait for each other here too. Each statement after it sees all that others committed.
        connection.execute(select(func.pg_advisory_xact_lock(_lock_number(workspace.id))))


def _lock_number(scope: str) -> int:
    return int.from_bytes(hashlib.sha256(scope.encode()).digest()[:8], "big", signed=True)


def _close_idle_connections_before_forks(pools: _Pools) -> None:
    """See that a fork outside of transactions copies no open connection.

    SQLite keeps its file locks in tables of the process. A child that inherits them believes that it holds locks which
    are its parent's alone, even on connections it opens itself; the parent might then remove the log under its feet.
    """
    known = weakref.ref(pools)

    def close() -> None:
        alive = known()
        if alive is not None:
            alive.close()

    os.register_at_fork(before=close)
