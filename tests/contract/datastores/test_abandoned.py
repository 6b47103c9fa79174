"""What a killed server leaves in datastores is removed, and never what somebody is still writing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.bootstrap.rooms import EngineRooms
from batchyard.datastores.abandoned import remove_abandoned
from batchyard.datastores.local import LocalDatastores
from batchyard.domain.workspaces import DEFAULT_WORKSPACE
from batchyard.settings import from_environment

LATER_S = 3600.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def remove(home: Path, *, after_s: float = LATER_S) -> int:
    return remove_abandoned([home / "datastores"], sealed=home / "sealed", now=lambda: time.time() + after_s)


def killed_while_writing(home: Path) -> None:
    """Upload in a process that is killed in the middle."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * (1 << 17)
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            LocalDatastores(home).get("workspaceblobstore").put("deep/folder/a", chunks(), create_only=False)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def hidden(home: Path) -> list[str]:
    return [path.name for path in home.rglob(".*")]


def test_what_a_killed_server_was_writing_is_removed_once_it_is_left_alone(home: Path) -> None:
    killed_while_writing(home)
    assert len(hidden(home)) == 1
    assert remove(home, after_s=0.0) == 0
    assert remove(home) == 1
    assert hidden(home) == []
    assert remove(home) == 0


def test_an_upload_that_goes_on_keeps_its_file_however_slow_it_is(home: Path) -> None:
    store = LocalDatastores(home).get("workspaceblobstore")

    def chunks() -> Iterator[bytes]:
        yield b"a" * (1 << 17)
        assert remove(home) == 0
        yield b"b"

    entry = store.put("a", chunks(), create_only=False)
    assert entry.size_bytes == (1 << 17) + 1
    assert hidden(home) == []


def test_files_of_users_stay_whatever_their_age(home: Path) -> None:
    store = LocalDatastores(home).get("workspaceblobstore")
    for name in (".unfinished-novel.txt", ".batchyard", "unfinished-0123456789abcdef"):
        store.put(name, [b"x"], create_only=False)
    assert remove(home) == 0


def test_a_tree_that_was_being_sealed_is_removed_after_a_day(home: Path) -> None:
    tree = home / "sealed" / ".unfinished-0123456789abcdef" / "model"
    tree.mkdir(parents=True)
    (tree / "weights").write_text("x")
    assert remove(home) == 0
    assert remove(home, after_s=2 * 24 * LATER_S) == 1
    assert list((home / "sealed").iterdir()) == []


def test_the_engine_of_a_workspace_looks_where_its_uploads_are(home: Path) -> None:
    workspace = replace(DEFAULT_WORKSPACE, id="w-2")
    left = [home / "workspaces/w-2" / place / ".unfinished-0123456789abcdef" for place in ("uploads/a", "datastores/b")]
    for path in left:
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1.0, 1.0))
    EngineRooms(replace(from_environment(), home=home)).of(workspace).remove_abandoned()
    assert [path for path in left if path.exists()] == []
