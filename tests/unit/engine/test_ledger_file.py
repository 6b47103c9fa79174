"""The ledger on disk: what one owner saw and built on, every later owner sees, whatever the power did between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalAppendFile, LocalJobHome
from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.ledger import Committed, Planned, Record, Resumed, Verdict, live
from batchyard.engine.ledger_file import LedgerFile, extents, records


class Quiet:
    def reach(self, point: str) -> None:
        """No faults here."""


class ForgetfulHome(LocalJobHome):
    """A job home on a disk that forgets, in a power cut, what was not made durable."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        self.durable: dict[str, int] = {}

    def append(self, name: str) -> LocalAppendFile:
        self.durable[name] = 0
        home, file = self, super().append(name)

        class Noting(LocalAppendFile):
            def __init__(self) -> None:
                self._fd, self._name = file._fd, file._name

            def sync(self) -> None:
                super().sync()
                home.durable[name] = (home.root / name).stat().st_size

        return Noting()

    def sync(self, name: str) -> None:
        super().sync(name)
        self.durable[name] = (self.root / name).stat().st_size

    def cut_power(self) -> None:
        for name, size in self.durable.items():
            with open(self.root / name, "r+b") as stream:
                stream.truncate(size)


def no_parts(parts: Sequence[str]) -> None:
    """The rows of these tests are empty."""


def opened(home: LocalJobHome, fence: int) -> LedgerFile:
    return LedgerFile(home, fence, faults=Quiet(), check=lambda: None)


def commit(first: int, *, part: str = "p", size: int = 0, offset: int = 0) -> Committed:
    return Committed(first, 1, part, offset, (size,), 0, 1, 1)


def all_records(home: LocalJobHome) -> list[Record]:
    return list(records(home, extents(home)))


def test_what_a_new_owner_builds_on_survives_a_power_cut(tmp_path: Path) -> None:
    home = ForgetfulHome(tmp_path)
    first = opened(home, 1)
    first.write(Planned(2, 1, "0" * 64, 0.0))
    first.append([commit(0)], now=0.0)
    first._file.write(b"")
    # Killed between the write and the sync: the record is in the page cache, where the next owner reads it.
    killed = LedgerFile.__new__(LedgerFile)
    killed.__dict__.update(first.__dict__)
    killed._file.sync = lambda: None
    killed.sync(no_parts)
    second = opened(home, 2)
    seen = second.tally.counts
    assert seen.succeeded == 1
    second.write(commit(1))
    second.write(Verdict("Completed"))
    home.cut_power()
    assert opened(home, 3).tally.counts.succeeded == 2


def test_a_ledger_that_is_shorter_than_its_heir_says_is_refused(tmp_path: Path) -> None:
    home = LocalJobHome(tmp_path)
    first = opened(home, 1)
    first.write(Planned(2, 1, "0" * 64, 0.0))
    first.write(commit(0))
    opened(home, 2)
    with open(tmp_path / "ledger/1.log", "r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 1)
    with pytest.raises(PlatformError, match=r"1\.log"):
        all_records(home)
    with pytest.raises(PlatformError, match=r"1\.log"):
        opened(home, 3)


def test_a_lost_range_does_not_take_an_empty_one_at_the_same_offset_with_it(tmp_path: Path) -> None:
    """Mini-batches without rows stand where the next ones begin, and nothing of theirs can be lost."""
    home = LocalJobHome(tmp_path)
    first = opened(home, 1)
    first.write(Planned(3, 1, "0" * 64, 0.0))
    first.write(commit(0, size=0, offset=17))
    first.write(commit(1, size=5, offset=17))
    first.write(commit(2, size=0, offset=22))
    second = opened(home, 2)
    assert list(second.tally.settled) == [(0, 1), (2, 3)]
    assert [r.first for r in live(lambda: all_records(home)) if isinstance(r, Committed)] == [0, 2]
    second.write(commit(1, part="q", size=5, offset=17))
    (tmp_path / "parts").mkdir()
    third = opened(home, 3)
    assert list(third.tally.settled) == [(0, 1), (2, 3)]
    assert third.tally.counts.succeeded == 2


def taken_up(home: LocalJobHome, fence: int, run: int) -> LedgerFile:
    return LedgerFile(home, fence, faults=Quiet(), check=lambda: None, resumed=Resumed(run, {"error_threshold": 3}))


def test_a_new_run_is_written_once_whoever_owns_it_later(tmp_path: Path) -> None:
    home = LocalJobHome(tmp_path)
    first = opened(home, 1)
    first.write(Planned(2, 1, "0" * 64, 0.0))
    first.write(Verdict("Failed"))
    assert opened(home, 2).tally.verdict is not None
    assert taken_up(home, 3, run=2).tally.verdict is None
    assert taken_up(home, 4, run=2).tally.run == 2
    assert [r for r in all_records(home) if isinstance(r, Resumed)] == [Resumed(2, {"error_threshold": 3})]


def test_an_owner_that_died_while_it_opened_a_new_run_changes_nothing_or_all(tmp_path: Path) -> None:
    home = LocalJobHome(tmp_path)
    opened(home, 1).write(Verdict("Failed"))
    taken_up(home, 2, run=2).close()
    whole = (tmp_path / "ledger/2.log").read_bytes()
    for cut in range(len(whole)):
        (tmp_path / "ledger/2.log").write_bytes(whole[:cut])
        assert taken_up(home, 3, run=2).tally.verdict is None
        assert [r.run for r in all_records(home) if isinstance(r, Resumed)] == [2]
        (tmp_path / "ledger/3.log").unlink()
