"""The environment cache as doors, engine and local runs use it alike."""

from __future__ import annotations

import os

from batchyard.environments.cache import LocalEnvironments
from batchyard.settings import Settings


def make_environments(settings: Settings) -> LocalEnvironments:
    """Give the environment cache of the home; builds see the machine's index and proxy settings, nothing else."""
    return LocalEnvironments(
        settings.home / "environments",
        allow_source_builds=settings.allow_source_builds,
        timeout_s=settings.environment_build_timeout_s,
        environ=os.environ,
    )
