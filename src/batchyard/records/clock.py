"""The database's own clock: the one clock that all owners of leases share."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Double, literal_column

_NOW: dict[str, ColumnElement[float]] = {
    # unixepoch('subsec') needs SQLite 3.42; this is exact to a millisecond on any.
    "sqlite": literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double()),
    # now() would be the start of the transaction, which may have waited for others.
    "postgresql": literal_column("CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)", Double()),
}


def database_now(connection: Connection) -> ColumnElement[float]:
    """Give the present, in seconds since the epoch, as an expression that the database works out."""
    return _NOW[connection.dialect.name]
