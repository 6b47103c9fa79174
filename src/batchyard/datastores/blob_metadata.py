"""Notes on blobs as small files beside the datastores, so that no listing shows them."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from batchyard.datastores.disk import disk_errors


class LocalBlobMetadata:
    """`blob-metadata/` of a home. A note that a power cut takes away costs an upload, so nothing is synced."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, container: str, name: str, *, etag: str) -> Mapping[str, str]:
        """Give the notes on a blob; {} when there are none, or when the blob had another etag then."""
        try:
            found = json.loads(self._path(container, name).read_text())
            is_current = found["etag"] == etag
            return {str(key): str(value) for key, value in found["notes"].items()} if is_current else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def replace(self, container: str, name: str, *, etag: str, notes: Mapping[str, str]) -> None:
        """Keep these notes in place of all older ones. Raises: PlatformError."""
        path = self._path(container, name)
        unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
        with disk_errors(f"note something on {name!r}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps({"etag": etag, "notes": dict(notes)}))
            os.replace(unfinished, path)

    def _path(self, container: str, name: str) -> Path:
        key = hashlib.sha256(f"{container}/{name}".encode(errors="surrogateescape")).hexdigest()
        return self._root / key[:2] / key
