"""Datastores that are slow, and of which every third call fails, whichever process makes it."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import InputSource, OutputTarget
from batchyard.ports.datastore import Datastore, Datastores, Piece, Publication, Written

EVERY = 3


class Calls:
    """Counts calls in a file, so that processes that come later count on."""

    def __init__(self, path: Path, *, slow_s: float = 0.0) -> None:
        self._path, self._slow_s = path, slow_s

    def is_to_fail(self) -> bool:
        """Take some time; say whether this call is a third one."""
        time.sleep(self._slow_s)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.write(fd, b".")
            return os.fstat(fd).st_size % EVERY == 0
        finally:
            os.close(fd)

    def count(self, what: str) -> None:
        """Raises: PlatformError for every third call."""
        if self.is_to_fail():
            raise PlatformError(f"{what} did not answer.")


class WeakPublication:
    """A publication as weak as its datastore."""

    def __init__(self, strong: Publication, calls: Calls) -> None:
        self._strong, self._calls = strong, calls

    def write_rows(self, pieces: Iterable[Piece], *, shard: tuple[int, int] | None = None) -> Written:
        self._calls.count("write_rows")
        return self._strong.write_rows(pieces, shard=shard)

    def write_failed_items(self, lines: Iterable[bytes]) -> Written:
        self._calls.count("write_failed_items")
        return self._strong.write_failed_items(lines)

    def write_file(self, name: str, pieces: Iterable[Piece]) -> Written:
        self._calls.count("write_file")
        return self._strong.write_file(name, pieces)

    def publish(self, manifest: bytes) -> None:
        """Fail before, and also after everything is done: the caller cannot know."""
        self._calls.count("publish")
        self._strong.publish(manifest)
        self._calls.count("publish, when it was done")

    def discard(self) -> None:
        self._strong.discard()


class WeakDatastores:
    """The datastores of a home, slow and failing."""

    def __init__(self, strong: Datastores, count_file: Path, *, slow_s: float) -> None:
        self._strong, self._calls = strong, Calls(count_file, slow_s=slow_s)

    def get(self, name: str) -> Datastore:
        return self._strong.get(name)

    def by_container(self, container: str) -> Datastore | None:
        return self._strong.by_container(container)

    def check_input(self, source: InputSource) -> None:
        self._strong.check_input(source)

    def probe_output(self, target: OutputTarget) -> None:
        self._strong.probe_output(target)

    def check_output(self, target: OutputTarget) -> None:
        self._strong.check_output(target)

    def input_path(self, source: InputSource) -> Path:
        return self._strong.input_path(source)

    def check_next(self, target: OutputTarget, *, job: str, generation: int) -> None:
        self._strong.check_next(target, job=job, generation=generation)

    def publication(self, target: OutputTarget, *, job: str, generation: int = 1) -> WeakPublication:
        self._calls.count("publication")
        return WeakPublication(self._strong.publication(target, job=job, generation=generation), self._calls)

    def discard_unfinished(self, target: OutputTarget, *, job: str) -> None:
        self._calls.count("discard_unfinished")
        self._strong.discard_unfinished(target, job=job)


def weaken_folders(root: Path, count_file: Path) -> None:
    """Let every third folder below root that this process lists from now on fail as a network drive does."""
    calls, real, inside = Calls(count_file), os.scandir, os.fsencode(root)

    def scandir(folder: Any = ".") -> Any:  # Any: as `os.scandir`
        is_inside = isinstance(folder, (str, bytes)) and os.fsencode(folder).startswith(inside)
        if is_inside and calls.is_to_fail():
            raise OSError(errno.EIO, os.strerror(errno.EIO), folder)
        return real(folder)

    os.scandir = scandir
