"""Runs the migrations, one process at a time; needs no alembic.ini."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, func, select

from batchyard.domain.errors import PlatformError
from batchyard.records.engines import migration_engine

# Any number will do, as long as every version uses the same one.
_LOCK_NUMBER = int.from_bytes(b"batchyrd", "big")


def upgrade(url: URL, *, wait_s: float, to: str = "head") -> None:
    """Apply what is missing, all in one transaction, while other processes wait. Raises: PlatformError if newer.

    to: the revision to end at.
    """
    engine = migration_engine(url, wait_s=wait_s)
    try:
        with engine.begin() as connection:
            # On SQLite the transaction itself keeps all others out.
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK_NUMBER)))
            _run(connection, to)
    finally:
        engine.dispose()


def _run(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", "batchyard.records:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except CommandError as exc:
        raise PlatformError(
            f"The metadata database was migrated by a newer version of batchyard ({exc}). "
            "Run that version or a later one."
        ) from exc
