"""Inputs that lie on the web: one file each, fetched whole before it is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

WEB_SCHEMES = ("https://", "http://")


class WebInputs(Protocol):
    """Fetches files from the web, from public addresses only; hosts that a setting lists are exempt."""

    def mistake(self, url: str) -> str | None:
        """Say why a URL will never be fetched, or None; nothing is contacted."""

    def fetch(self, url: str, folder: Path, *, meanwhile: Callable[[], None]) -> Path:
        """Download a file into a folder under its own name, whole or not at all; one that is there is kept.

        meanwhile: called whenever something has come; what it raises ends the download.
        Raises: InvalidInput when it is refused, too large or not there; PlatformError for a full disk.
        """


def is_web(uri: str) -> bool:
    """Whether an input's URI is one of the web."""
    return uri.lower().startswith(WEB_SCHEMES)
