"""Locks held for life."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchyard.bootstrap.locks import AlreadyHeldError, hold, holder, is_held


def test_a_lock_is_held_until_its_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "doors.lock"
    assert not is_held(path)

    lock = hold(path)
    assert is_held(path)
    assert holder(path)["pid"] == os.getpid()

    os.close(lock.descriptor)
    assert not is_held(path)


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    lock = hold(tmp_path / "doors.lock")

    with pytest.raises(AlreadyHeldError, match=str(os.getpid())):
        hold(tmp_path / "doors.lock", patience_s=0)

    os.close(lock.descriptor)


def test_looking_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "doors.lock"
    os.close(hold(path).descriptor)
    is_held(path)

    os.close(hold(path, patience_s=0).descriptor)


def test_a_child_that_lets_go_leaves_the_lock_with_its_parent(tmp_path: Path) -> None:
    lock = hold(tmp_path / "engine.lock")
    inherited = os.dup(lock.descriptor)

    type(lock)(lock.path, inherited).close_in_child()

    assert is_held(lock.path)
    os.close(lock.descriptor)


@pytest.mark.parametrize("text", ["", "{", "[]", "\udc80"])
def test_a_lock_file_that_says_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.lock").write_bytes(text.encode(errors="surrogateescape"))

    assert holder(tmp_path / "x.lock") == {}
