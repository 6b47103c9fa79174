"""What the blob gateway keeps of a blob beside its bytes, and of blobs that are still on their way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class BlobMetadata(Protocol):
    """Notes of uploaders on blobs, such as that an upload is whole. They belong to the bytes they were made on."""

    def get(self, container: str, name: str, *, etag: str) -> Mapping[str, str]:
        """Give the notes on a blob; {} when there are none, or when the blob had another etag then."""

    def replace(self, container: str, name: str, *, etag: str, notes: Mapping[str, str]) -> None:
        """Keep these notes in place of all older ones. Raises: PlatformError."""


class StagedBlob(Protocol):
    """The blocks of one blob, held by one commit."""

    def joined(self, block_ids: Sequence[bytes]) -> Iterator[bytes]:
        """Give the bytes of these blocks, in this order, in pieces of at most 1 MiB.

        Raises: InvalidInput naming blocks that are not there, at once and not at the first piece.
        """


class StagedBlocks(Protocol):
    """Blocks that were uploaded and not committed, apart from all blobs, so that no listing shows them.

    Those of a blob that nobody added to for a week are removed when other blocks arrive.
    """

    def put(self, container: str, name: str, block_id: bytes, chunks: Iterable[bytes]) -> None:
        """Keep a block durably, whole or not at all, in place of an older one with this id. Raises: PlatformError."""

    def committing(self, container: str, name: str) -> AbstractContextManager[StagedBlob]:
        """Hold a blob's blocks, as one commit at a time can; left without an exception, all of them are removed."""
