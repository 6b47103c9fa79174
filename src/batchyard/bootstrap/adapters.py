"""Adapters that doors and engine are built of alike."""

from __future__ import annotations

import os

from batchyard.environments.cache import LocalEnvironments
from batchyard.records.database import sqlite_url
from batchyard.settings import Settings


def database_url(settings: Settings) -> str:
    """Give the URL of the metadata database: the one that was set, else SQLite in the home."""
    return settings.database_url or sqlite_url(settings.home / "batchyard.db")


def make_environments(settings: Settings) -> LocalEnvironments:
    """Give the environment cache of the home; builds see the machine's index and proxy settings, nothing else."""
    return LocalEnvironments(
        settings.home / "environments",
        allow_source_builds=settings.allow_source_builds,
        timeout_s=settings.environment_build_timeout_s,
        environ=os.environ,
    )
