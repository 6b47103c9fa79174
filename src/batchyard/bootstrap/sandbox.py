"""How processes of ours run code of users: in a sandbox, if the settings say so."""

from __future__ import annotations

from pathlib import Path

from batchyard.instances.sandbox import Sandbox
from batchyard.settings import Settings


def make_sandbox(settings: Settings) -> Sandbox | None:
    """Give the sandbox of the settings; None where code of users runs as our own user."""
    return sandbox_of(settings) if settings.sandbox else None


def sandbox_of(settings: Settings) -> Sandbox:
    """Give the sandbox as it is, or would be if it were on."""
    return Sandbox(
        has_network=settings.sandbox_network,
        also_reads=settings.sandbox_read,
        masked=(settings.home, Path.home()),
    )
