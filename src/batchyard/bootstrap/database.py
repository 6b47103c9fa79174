"""Where the metadata database of a home is."""

from __future__ import annotations

from batchyard.records.database import sqlite_url
from batchyard.settings import Settings


def database_url(settings: Settings) -> str:
    """Give the URL of the metadata database: the one that was set, else SQLite in the home."""
    return settings.database_url or sqlite_url(settings.home / "batchyard.db")
