"""The loop between state machine, workers and ledger, where a pause cannot wait for what runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.events import InstanceEvent, Lease, LeaseReported, Segment, Worker, WorkerReady
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.machine import Rules
from batchyard.domain.scoring.minibatches import Cut
from batchyard.engine.ledger_file import LedgerFile
from batchyard.engine.score import DRAIN_S, score
from batchyard.ports.job_leases import Wish

WORKERS = (Worker("n0", 0, 0), Worker("n0", 1, 1))


class Instances:
    """Two workers: one hangs, the other reports just before a pause has waited for long enough."""

    def __init__(self, *, is_disk_broken: bool = False) -> None:
        self.now, self.is_disk_broken = 0.0, is_disk_broken
        self.leases: dict[Worker, Lease] = {}
        self.events: list[InstanceEvent] = [WorkerReady(worker, 0.0) for worker in WORKERS]
        self.wish = Wish.GO_ON

    def poll(self, timeout_s: float) -> Sequence[InstanceEvent]:
        events, self.events = self.events, []
        if self.wish is Wish.PAUSE and not events:
            self.now += DRAIN_S + 1
            lease = self.leases[WORKERS[1]]
            segment = Segment(lease.first, "1-n0-s1-1.part", 0, (2,), 0, 1, 1)
            return [LeaseReported(WORKERS[1], lease.id, (segment,), (), 0.1)]
        self.wish = Wish.PAUSE
        return events

    def assign(self, worker: Worker, lease: Lease) -> None:
        self.leases[worker] = lease

    def sync_parts(self, parts: Sequence[str]) -> None:
        if self.is_disk_broken:
            raise PlatformError("the disk is broken")

    def check(self) -> None:
        """The lease is always ours."""

    def tell(self) -> None:
        """Nobody asks how it goes."""

    def reach(self, point: str) -> None:
        """No faults here."""

    def take_back(self, worker: Worker) -> None:
        """Nothing comes back."""

    def wind_down(self) -> None:
        """Nobody is left to go."""

    def close(self, *, is_early: bool) -> None:
        """All are gone."""


def paused(folder: Path, instances: Instances, on_ready: Callable[[], None] = lambda: None) -> LedgerFile:
    fake: Any = instances
    ledger = LedgerFile(LocalJobHome(folder), 1, faults=fake, check=instances.check)
    ledger.write(Planned(4, 1, "0" * 64, 0.0))
    rules = Rules(Cut(4, 1), 1, -1, one_by_one=True, slots=2)
    clock = lambda: instances.now  # noqa: E731
    score(rules, ledger, fake, fake, faults=fake, watch=fake, monotonic=clock, on_ready=on_ready)
    return ledger


def test_what_was_reported_before_a_pause_gives_up_waiting_is_kept(tmp_path: Path) -> None:
    ledger = paused(tmp_path, Instances())
    assert (ledger.tally.counts.succeeded, ledger.tally.verdict) == (1, None)


def test_the_first_worker_that_is_ready_is_told_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    paused(tmp_path, Instances(), on_ready=lambda: told.append("ready"))
    assert told == ["ready"]


def test_a_disk_that_fails_then_ends_the_owner_instead_of_pausing_the_job(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="the disk is broken"):
        paused(tmp_path, Instances(is_disk_broken=True))
