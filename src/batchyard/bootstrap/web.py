"""Inputs from the web, as the settings allow them."""

from __future__ import annotations

from batchyard.datastores.web import WebFiles
from batchyard.settings import Settings


def make_web_files(settings: Settings) -> WebFiles:
    """Give what fetches inputs from the web, as the settings allow it."""
    hosts = (host.strip().lower() for host in settings.web_input_hosts.split(","))
    return WebFiles(frozenset(host for host in hosts if host), settings.web_input_max_bytes)
