"""What the blob gateway keeps of a blob beside its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class BlobMetadata(Protocol):
    """Notes of uploaders on blobs, such as that an upload is whole. They belong to the bytes they were made on."""

    def get(self, container: str, name: str, *, etag: str) -> Mapping[str, str]:
        """Give the notes on a blob; {} when there are none, or when the blob had another etag then."""

    def replace(self, container: str, name: str, *, etag: str, notes: Mapping[str, str]) -> None:
        """Keep these notes in place of all older ones. Raises: PlatformError."""
