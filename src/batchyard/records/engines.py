"""Connections to the two kinds of database, and their errors in our words; the only place that knows drivers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from batchyard.domain.errors import Conflict, InvalidInput, Mistake, PlatformError

# Enough for every thread of a server; a thread that finds no free connection opens one more.
_KEPT_CONNECTIONS = 5


@dataclass(frozen=True, slots=True)
class Engines:
    """Two ways into one database: `reading` refuses to write and sees one moment; `writing` does both."""

    reading: Engine
    writing: Engine


def parse_url(url: str) -> URL:
    """Read a database URL. Raises: InvalidInput for anything but a SQLite file or PostgreSQL."""
    allowed = "sqlite:////absolute/path.db or postgresql://user@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise InvalidInput("Database", [Mistake("database_url", "not a URL", allowed)]) from exc
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database not in (None, "", ":memory:"):
        return parsed.set(drivername="sqlite+pysqlite")
    raise InvalidInput("Database", [Mistake("database_url", repr(parsed.render_as_string()), allowed)])


def open_engines(url: URL, *, wait_s: float) -> Engines:
    """Make the engines of a database that exists; nothing connects yet. wait_s: how long writers wait for others."""
    if url.get_backend_name() == "sqlite":
        existing = _sqlite_url(url)
        reading = _sqlite_engine(existing, begin="BEGIN", wait_s=wait_s)
        event.listen(reading, "connect", _refuse_writes)
        return Engines(reading, _sqlite_engine(existing, begin="BEGIN IMMEDIATE", wait_s=wait_s))
    engine = _postgresql_engine(url, wait_s=wait_s)
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(reading, engine.execution_options(isolation_level="READ COMMITTED"))


def migration_engine(url: URL, *, wait_s: float) -> Engine:
    """Make an engine for migrations; a missing SQLite file is made, and set to its write-ahead log for good."""
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url, wait_s=wait_s)
    _turn_on_write_ahead_log(url.database or "", wait_s=wait_s)
    return _sqlite_engine(_sqlite_url(url), begin="BEGIN IMMEDIATE", wait_s=wait_s)


def _sqlite_url(url: URL) -> URL:
    # mode=rw: a database whose home has vanished must not come back empty.
    path = Path(url.database or "").absolute()
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})


def _turn_on_write_ahead_log(path: str, *, wait_s: float) -> None:
    """SQLite does not wait by itself here while another process does the same."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=wait_s)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.Error as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise PlatformError(_what_happened(str(exc))) from exc
        time.sleep(0.02)


def _postgresql_engine(url: URL, *, wait_s: float) -> Engine:
    """Make an engine for PostgreSQL.

    A writer that stops inside its transaction (a suspended process, a lost network) is cut off after the same time
    that others wait for it: its lock would hold up the whole workspace.
    """
    wait_ms = int(wait_s * 1000)
    options = f"-c lock_timeout={wait_ms} -c idle_in_transaction_session_timeout={wait_ms}"
    return create_engine(
        url,
        connect_args={"connect_timeout": 10, "options": options},
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=20,
        pool_pre_ping=True,
        hide_parameters=True,
    )


@contextmanager
def errors_in_our_words() -> Iterator[None]:
    """Turn what the driver raises into errors of ours; texts name no values, since rows hold users' variables."""
    try:
        yield
    except (DataError, UnicodeEncodeError) as exc:
        mistake = Mistake("", "a character or number that cannot be stored", "text without NUL, numbers in range")
        raise InvalidInput("Request", [mistake]) from exc
    except IntegrityError as exc:
        raise Conflict("Somebody else made the same thing at the same moment. Read it again and repeat.") from exc
    except SQLAlchemyError as exc:
        raise PlatformError(_what_happened(str(getattr(exc, "orig", None) or exc))) from exc


def _sqlite_engine(url: URL, *, begin: str, wait_s: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": wait_s},
        pool_size=_KEPT_CONNECTIONS,
        max_overflow=-1,
        hide_parameters=True,
    )

    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver would begin late and not immediately: of 800 concurrent increments, 564 got lost without an error.
        connection.isolation_level = None
        # FULL: what was answered survives a power cut.
        connection.execute("PRAGMA synchronous=FULL")

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin_transaction)
    return engine


def _refuse_writes(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA query_only=ON")


def _what_happened(driver_text: str) -> str:
    text = driver_text.strip().splitlines()[0] if driver_text.strip() else "no reason given"
    lower = text.lower()
    if "locked" in lower or "lock timeout" in lower:
        return f"The metadata database is busy: another writer has held it too long ({text}). Repeat the request."
    if "serialize" in lower or "deadlock" in lower:
        return f"The metadata database could not order this change among others ({text}). Repeat the request."
    if "full" in lower or "no space" in lower or "disk i/o" in lower:
        return f"The metadata database cannot write ({text}). Free space on its disk and repeat."
    if "readonly" in lower or "read-only" in lower:
        return f"Writing was tried in a transaction for reading, or on a read-only disk ({text})."
    if "no such table" in lower or ("relation" in lower and "does not exist" in lower):
        return f"The metadata database has not been set up for this version ({text}). Migrate it first."
    return f"The metadata database does not answer as it should ({text}). See that it runs and is reachable."
