"""Watching the other process: when it is started, and when it is left alone."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from batchyard.bootstrap.locks import hold
from batchyard.bootstrap.spawn import Watcher
from batchyard.settings import server_environment


class Child:
    """A started process, as far as the watcher looks at it."""

    pid = 1

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        """Give the exit code once it is set."""
        return self.code


class Yard:
    """A home whose engine is watched, under a clock that stands still until it is moved."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = 1000.0
        self.children: list[Child] = []
        self.watcher = Watcher(home, other="engine", start=self._start, clock=lambda: self.now)

    def _start(self, process: str, home: Path) -> subprocess.Popen[bytes]:
        assert (process, home) == ("engine", self.home)
        self.children.append(Child())
        return cast("subprocess.Popen[bytes]", self.children[-1])

    def crash(self) -> None:
        """End the newest child."""
        self.children[-1].code = 1


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Give a home without an engine."""
    return Yard(tmp_path)


def test_a_missing_process_is_started_at_once_and_once(yard: Yard) -> None:
    assert yard.watcher.tick()
    assert not yard.watcher.tick()
    assert len(yard.children) == 1


def test_a_process_that_holds_its_lock_is_left_alone(yard: Yard) -> None:
    lock = hold(yard.home / "engine.lock")

    assert not yard.watcher.tick()

    os.close(lock.descriptor)
    assert yard.watcher.tick()


def test_a_process_that_does_not_take_its_lock_is_started_again_after_a_while(yard: Yard) -> None:
    yard.watcher.tick()
    yard.now += 11

    assert yard.watcher.tick()


def test_a_process_that_keeps_ending_is_started_ever_more_rarely(yard: Yard) -> None:
    starts = []
    for _ in range(400):
        if yard.watcher.tick():
            starts.append(yard.now)
            yard.crash()
        yard.now += 0.25

    pauses = [round(later - earlier, 2) for earlier, later in itertools.pairwise(starts)]
    assert pauses[:2] == [0.25, 0.25]
    assert sorted(pauses) == pauses
    assert max(pauses) == 5.0


def test_a_process_that_ran_well_is_started_at_once_again(yard: Yard) -> None:
    for _ in range(6):
        yard.watcher.tick()
        yard.crash()
        yard.now += 10
    lock = hold(yard.home / "engine.lock")
    yard.watcher.tick()
    os.close(lock.descriptor)

    assert yard.watcher.tick()


def test_a_stopped_home_starts_nothing(yard: Yard) -> None:
    (yard.home / "stopped").touch()

    assert yard.watcher.is_stopped()
    assert not yard.watcher.tick()


def test_a_home_that_vanished_or_was_replaced_is_noticed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    yard = Yard(home)
    assert not yard.watcher.is_home_gone()

    home.rename(tmp_path / "elsewhere")
    assert yard.watcher.is_home_gone()
    home.mkdir()
    assert yard.watcher.is_home_gone()
    assert not yard.watcher.tick()


def test_only_what_a_server_needs_of_the_environment_reaches_it(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "UV_INDEX_URL": "x",
        "HTTPS_PROXY": "p",
        "BATCHYARD_FAULT": "f",
        "BATCHYARD_TOKEN": "secret",
        "BATCHYARD_URL": "u",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }

    kept = server_environment(tmp_path, given)

    assert set(kept) == {"PATH", "UV_INDEX_URL", "HTTPS_PROXY", "BATCHYARD_FAULT", "BATCHYARD_HOME"}
    assert kept["BATCHYARD_HOME"] == str(tmp_path)
