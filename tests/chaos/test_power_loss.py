"""The file layer that forgets: what was synced stays, what was not is gone, as on a disk that lost its power."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.power_loss import forget, note_all

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home/jobs/job").mkdir(parents=True)
    note_all(tmp_path / "home", tmp_path / "notes")
    return tmp_path / "home"


def do(home: Path, program: str) -> None:
    """Run a program in the job's folder whose syncs are noted, then take the power away."""
    notes = home.parent / "notes"
    start = f"""
import ctypes, os, pathlib
from tests.support.power_loss import note_syncs
note_syncs(pathlib.Path({str(home)!r}), pathlib.Path({str(notes)!r}))
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
def write(path, text):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, text)
    os.close(fd)
path = {str(home / "jobs/job")!r}
os.chdir(path)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", start + program], env=environment, check=True, timeout=180)
    forget(home, notes)


def content(home: Path) -> dict[str, bytes]:
    root = home / "jobs/job"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_bytes_written_after_the_last_sync_are_gone(home: Path) -> None:
    do(home, "write('a', b'kept'); sync('a'); sync('.'); write('a', b' lost')")
    assert content(home) == {"a": b"kept"}


def test_a_name_whose_folder_was_not_synced_is_gone(home: Path) -> None:
    do(home, "write('a', b'synced'); sync('a')")
    assert content(home) == {}


def test_a_file_that_was_never_synced_is_empty_where_its_name_is_durable(home: Path) -> None:
    do(home, "write('a', b'lost'); sync('.')")
    assert content(home) == {"a": b""}


def test_a_rename_that_was_not_synced_is_undone(home: Path) -> None:
    do(home, "os.mkdir('a'); write('a/b', b'x'); sync('a/b'); sync('a'); sync('.'); os.rename('a', 'c')")
    assert content(home) == {"a/b": b"x"}


def test_a_rename_that_was_synced_stays(home: Path) -> None:
    do(home, "os.mkdir('a'); write('a/b', b'x'); sync('a/b'); sync('a'); sync('.'); os.rename('a', 'c'); sync('.')")
    assert content(home) == {"c/b": b"x"}


def test_a_deletion_that_was_not_synced_is_undone(home: Path) -> None:
    do(home, "write('a', b'x'); sync('a'); sync('.'); os.unlink('a')")
    assert content(home) == {"a": b"x"}


def test_a_sync_of_the_whole_file_system_keeps_everything_so_far(home: Path) -> None:
    do(
        home,
        "os.mkdir('a'); write('a/b', b'kept'); fd = os.open('.', os.O_RDONLY); "
        "assert ctypes.CDLL(None, use_errno=True).syncfs(fd) == 0; write('a/b', b' lost'); write('a/c', b'lost')",
    )
    assert content(home) == {"a/b": b"kept"}
