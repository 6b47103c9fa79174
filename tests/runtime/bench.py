"""Real workers, driven by hand: a folder for a job, a script, an input, and a driver without any scoring state."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from batchyard.domain.scoring.events import (
    InstanceEvent,
    Lease,
    LeaseReported,
    TakenBack,
    Worker,
    WorkerEnded,
    WorkerReady,
)
from batchyard.instances.local import LocalInstances
from batchyard.ports.instance import FrozenListing, WorkerPlan
from batchyard_runtime.parts import MAGIC
from batchyard_runtime.schema_parts import MAGIC as SCHEMA_MAGIC

E = TypeVar("E")


class Bench:
    """One job run on real worker processes. Use as a context manager: leaving it ends every worker.

    forks_from_slots: 1 for workers that are all forked, where the script allows it; 2 for one that is executed.
    """

    forks_from_slots = 2

    def __init__(
        self, folder: Path, source: str, *, items: int = 4, names: Sequence[bytes] = (), **chosen: Any
    ) -> None:
        """source: of the scoring script. names: of the input files, made by count when left out."""
        self.folder = folder
        self.names = list(names) or [b"item-%d" % k for k in range(items)]
        size = chosen.pop("mini_batch_size", 1)
        self.plan = replace(_plan(folder), **{"forks_from_slots": self.forks_from_slots, **chosen})
        self.listing = FrozenListing(
            input_root=os.fsencode(folder / "input"),
            paths=folder / "job" / "listing",
            index=folder / "job" / "listing.index",
            items=len(self.names),
            mini_batch_size=size,
        )
        for made in (self.plan.code_dir, self.plan.model_dir, folder / "job"):
            made.mkdir(parents=True, exist_ok=True)
        (self.plan.code_dir / self.plan.script).write_text(source)
        _write_listing(self.listing, self.names)
        _make_files(self.listing, self.names)
        self.instances = LocalInstances(self.plan)
        self.events: list[InstanceEvent] = []
        self._leases = 0

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.instances.close(is_early=True)

    @property
    def mini_batches(self) -> int:
        """How many the input is cut into."""
        return -(-self.listing.items // self.listing.mini_batch_size)

    def start(self) -> list[Worker]:
        """Start all workers, tell them the listing and wait until each is ready."""
        self.instances.start()
        self.instances.open_listing(self.listing)
        wanted = self.plan.nodes * self.plan.slots
        self.until(lambda: len(self.of(WorkerReady)) >= wanted or bool(self.of(WorkerEnded)))
        assert not self.of(WorkerEnded), self.events
        return [event.worker for event in self.of(WorkerReady)]

    def assign(
        self,
        worker: Worker,
        first: int,
        count: int = 1,
        *,
        attempt: int = 1,
        items: tuple[int, int] | None = None,
        run_items: int = 0,
    ) -> int:
        """Hand out one lease; give its id."""
        self._leases += 1
        self.instances.assign(worker, Lease(self._leases, first, count, attempt, items, run_items))
        return self._leases

    def score(self, *, count: int | None = None) -> LeaseReported:
        """Start one worker and score the whole input in one lease."""
        (worker,) = self.start()
        self.assign(worker, 0, self.mini_batches if count is None else count)
        return self.wait(LeaseReported)

    def wait(self, kind: type[E], *, number: int = 1, within_s: float = 120.0) -> E:
        """Poll until so many events of a kind have come; give the last of them."""
        self.until(lambda: len(self.of(kind)) >= number, within_s=within_s)
        return self.of(kind)[number - 1]

    def until(self, holds: Callable[[], bool], *, within_s: float = 120.0) -> None:
        """Poll until something holds."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"nothing after {within_s} s: {self.events}"
            self.events += self.instances.poll(0.1)

    def of(self, kind: type[E]) -> list[E]:
        """Give the events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def rows(self, events: Iterable[LeaseReported] | None = None) -> dict[int, bytes]:
        """Read the rows of each reported mini-batch from the part files."""
        found: dict[int, bytes] = {}
        for event in self.of(LeaseReported) if events is None else events:
            for segment in event.segments:
                content = (self.plan.parts_dir / segment.part).read_bytes()
                assert content.startswith(MAGIC if self.plan.rows is None else SCHEMA_MAGIC)
                assert zlib.crc32(content[segment.offset :][: sum(segment.lengths)]) == segment.crc
                at = segment.offset
                for number, length in enumerate(segment.lengths, start=segment.first):
                    assert number not in found
                    found[number] = content[at : at + length]
                    at += length
        return found

    def text(self) -> str:
        """Give all rows, in order of mini-batch, as text."""
        return b"".join(rows for _, rows in sorted(self.rows().items())).decode()

    def schemas(self) -> dict[str, dict[str, Any]]:  # Any: JSON of a header
        """Give the header of each part file, by its name."""
        found = {}
        for path in sorted(self.plan.parts_dir.iterdir()):
            magic, header, _ = path.read_bytes().split(b"\n", 2)
            assert magic + b"\n" == SCHEMA_MAGIC
            found[path.name] = json.loads(header)
        return found

    def log(self, path: str) -> str:
        """Read a log file by its path under the job's logs."""
        return (self.plan.logs_dir / path).read_text()

    def taken(self) -> set[int]:
        """Give all mini-batches that were told of as taken back, each of which must be told once."""
        told = [m for event in self.of(TakenBack) for m in range(event.first, event.first + event.count)]
        assert len(told) == len(set(told))
        return set(told)


def _plan(folder: Path) -> WorkerPlan:
    return WorkerPlan(
        job="job-1",
        fence=1,
        nodes=1,
        slots=1,
        python=Path(sys.executable),
        code_dir=folder / "code",
        script="score.py",
        model_dir=folder / "model",
        parts_dir=folder / "job" / "parts",
        files_dir=folder / "job" / "files",
        logs_dir=folder / "job" / "logs",
        scratch_dir=folder / "job" / "scratch-1",
        timeout_s=20.0,
        start_timeout_s=120.0,
        writes_rows=True,
        logging_level="INFO",
    )


def _make_files(listing: FrozenListing, names: Sequence[bytes]) -> None:
    for name in names:
        path = os.path.join(listing.input_root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "ab").close()


def _write_listing(listing: FrozenListing, names: Sequence[bytes]) -> None:
    offsets = [0]
    for name in names:
        offsets.append(offsets[-1] + len(name) + 1)
    listing.paths.write_bytes(b"".join(name + b"\0" for name in names))
    listing.index.write_bytes(struct.pack(f"<{len(offsets)}Q", *offsets))
