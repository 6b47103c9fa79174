"""The job home: the one folder in which a job keeps what it must not lose.

`spec.json`, `listing/<fence>{,.index}`, `ledger/<fence>.log`, `parts/<fence>-<worker>.part`, `files/`,
`workers.jsonl` and, for one owner at a time, `code-<fence>`, `scratch-<fence>` and `collect/<fence>`; of a job that
is a step, `outputs/` and, for one owner, `inputs-<fence>` and `outputs-<fence>`; of a parallel one, `step_keys/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol


class AppendFile(Protocol):
    """A file that only grows, by one writer."""

    def write(self, content: bytes) -> None:
        """Add bytes at the end; not durable yet. Raises: PlatformError."""

    def sync(self) -> None:
        """Make everything written durable. Raises: PlatformError; after that the file must not be used again."""

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""


class JobHome(Protocol):
    """One job's home. Names are relative, '/'-separated. Errors of the disk are PlatformError."""

    def path(self, name: str) -> Path:
        """Give the local path of a name, for workers and for kernel copies; its parent folder exists."""

    def exists(self, name: str) -> bool:
        """Whether the file or folder is there."""

    def create(self, name: str, content: bytes) -> None:
        """Write a small file, durable on return. Raises: Conflict when it is there."""

    def append(self, name: str) -> AppendFile:
        """Make a new file to append to, its name durable on return. Raises: Conflict when it is there."""

    def sync(self, name: str) -> None:
        """Make durable what a file holds now, whoever wrote it."""

    def sync_tree(self, name: str) -> None:
        """Make durable what is below a folder, files and names."""

    def read(self, name: str) -> BinaryIO:
        """Open a file. Raises: NotFound."""

    def list(self, folder: str) -> Sequence[str]:
        """Give the names of the files in a folder, sorted; [] when there is no folder."""

    def folders(self, folder: str = ".") -> Sequence[str]:
        """Give the names of the folders in a folder, by default in the home itself, sorted; [] when it is not there."""

    def remove_tree(self, name: str) -> None:
        """Delete a folder with everything in it; nothing when it is not there."""


class JobHomes(Protocol):
    """All job homes of a workspace."""

    def exists(self, job: str) -> bool:
        """Whether a job has a home."""

    def open(self, job: str) -> JobHome:
        """Give the home of a job, made when it is not there."""

    def names(self) -> Sequence[str]:
        """Give the names of all jobs that have a home, sorted."""
