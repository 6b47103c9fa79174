"""Groups become durable beside the loop: it goes on meanwhile, and is told when, or what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.ledger import Committed, Record
from batchyard.engine.group_sync import GroupSync
from batchyard.engine.ledger_file import GROUP_S, LedgerFile, extents, records


class Quiet:
    def reach(self, point: str) -> None:
        """No faults here."""


class SlowDisk:
    """Syncs parts when it is let."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.asked = threading.Event()
        self.failure: Exception | None = None

    def sync(self, parts: Sequence[str]) -> None:
        self.asked.set()
        assert self.may_go_on.wait(30)
        if self.failure:
            raise self.failure


def committed(first: int) -> Committed:
    return Committed(first, 1, "1-w.part", 0, (5,), 0, 1, 1)


def on_disk(folder: Path) -> list[Record]:
    home = LocalJobHome(folder)
    return [r for r in records(home, extents(home)) if isinstance(r, Committed)]


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerFile:
    return LedgerFile(LocalJobHome(tmp_path), 1, faults=Quiet(), check=lambda: None)


def test_loop_goes_on_while_a_group_is_written_and_is_told_once(
    tmp_path: Path, ledger: LedgerFile, disk: SlowDisk
) -> None:
    sync = GroupSync(ledger, disk.sync)
    ledger.append([committed(0)], now=0.0)
    assert sync.durable(now=GROUP_S, is_idle=False) == ()
    assert disk.asked.wait(30)
    ledger.append([committed(1)], now=GROUP_S)
    assert sync.durable(now=5.0, is_idle=False) == ()
    assert on_disk(tmp_path) == []
    disk.may_go_on.set()
    sync.stop()
    assert sync.durable(now=5.0, is_idle=False) == (committed(0),)
    assert on_disk(tmp_path) == [committed(0)]
    assert sync.durable(now=5.0, is_idle=True) == (committed(1),)
    assert sync.durable(now=9.0, is_idle=True) == ()
    assert on_disk(tmp_path) == [committed(0), committed(1)]


def test_idle_loop_waits_for_the_group_that_is_being_written(ledger: LedgerFile, disk: SlowDisk) -> None:
    sync = GroupSync(ledger, disk.sync)
    ledger.append([committed(0)], now=0.0)
    sync.durable(now=GROUP_S, is_idle=False)
    threading.Timer(0.01, disk.may_go_on.set).start()
    assert sync.durable(now=GROUP_S, is_idle=True) == (committed(0),)


def test_what_the_disk_refuses_is_raised_in_the_loop_and_nothing_is_in_the_ledger(
    tmp_path: Path, ledger: LedgerFile, disk: SlowDisk
) -> None:
    sync = GroupSync(ledger, disk.sync)
    disk.failure = PlatformError("the disk is full")
    disk.may_go_on.set()
    ledger.append([committed(0)], now=0.0)
    sync.durable(now=GROUP_S, is_idle=False)
    sync.stop()
    with pytest.raises(PlatformError, match="full"):
        sync.durable(now=GROUP_S, is_idle=False)
    assert on_disk(tmp_path) == []
