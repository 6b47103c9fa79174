"""The part file and the folders for a script's own files."""

from __future__ import annotations

import os
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from batchyard_runtime.outputs import Outputs
from batchyard_runtime.parts import MAGIC, PartFile, WritesFailed


@pytest.mark.parametrize("kept", [10, 2_000_000])
@pytest.mark.parametrize("lost", [10, 3_000_000])
def test_cut_forgets_written_and_buffered_bytes(tmp_path: Path, kept: int, lost: int) -> None:
    part = PartFile(str(tmp_path / "a.part"))
    part.append(b"k" * kept)
    end = part.end
    for _ in range(10):
        part.append(b"l" * (lost // 10))
    part.cut(end)
    part.append(b"after")
    crc = part.end_segment()
    part.close()
    content = (tmp_path / "a.part").read_bytes()
    assert content == MAGIC + b"k" * kept + b"after"
    assert crc == zlib.crc32(b"k" * kept + b"after")
    assert part.end == len(content)


def test_each_segment_has_the_checksum_of_its_own_bytes(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a.part"))
    part.append(b"one")
    part.append(b"two")
    first = part.end_segment()
    start = part.end
    part.append(b"x" * 3_000_000)
    part.cut(start)
    part.append(b"three")
    assert (first, part.end_segment(), part.end_segment()) == (zlib.crc32(b"onetwo"), zlib.crc32(b"three"), 0)
    part.close()


def test_part_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.part").touch()
    with pytest.raises(WritesFailed):
        PartFile(str(tmp_path / "a.part"))


def test_folder_is_kept_while_it_stays_empty(tmp_path: Path) -> None:
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    first = os.readlink(tmp_path / "link")
    assert not outputs.is_touched(0)
    (tmp_path / "link" / "made").touch()
    (tmp_path / "link" / "made").unlink()
    assert outputs.is_touched(0)
    assert outputs.take() is None
    (tmp_path / "link" / "kept").touch()
    assert outputs.is_touched(0)
    taken = outputs.take()
    outputs.close()
    assert taken is not None
    assert (tmp_path / "files" / taken / "kept").exists()
    assert os.readlink(tmp_path / "link") != first
    assert not (tmp_path / "files" / "_workers" / "1-w").exists()


def _by_thread(path: Path) -> None:
    thread = threading.Thread(target=path.touch)
    thread.start()
    thread.join()


def _by_child(path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os._exit(0)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("change", [Path.touch, Path.mkdir, _by_thread, _by_child])
@pytest.mark.parametrize("has_inotify", [True, False])
def test_change_is_told_whoever_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], has_inotify: bool
) -> None:
    if not has_inotify:
        monkeypatch.setitem(sys.modules, "ctypes", None)  # As in a Python that was built without it.
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    outputs.watch()
    for _ in range(3):
        assert not outputs.is_touched(0)
    change(tmp_path / "link" / "made")
    assert outputs.is_touched(0)
    outputs.renew()
    outputs.watch()
    assert not outputs.is_touched(0)
    (tmp_path / "link" / "again").touch()
    assert outputs.is_touched(0)
    outputs.close()


def test_what_was_written_before_the_watch_began_is_told(tmp_path: Path) -> None:
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    (tmp_path / "link" / "early").touch()
    outputs.watch()
    assert outputs.is_touched(0)
    outputs.close()


def test_files_of_shutdown_are_the_workers_own(tmp_path: Path) -> None:
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    outputs.end_runs()
    (tmp_path / "link" / "last").touch()
    outputs.close()
    assert (tmp_path / "files" / "_workers" / "1-w" / "last").exists()


def test_folder_that_the_script_removed_is_replaced(tmp_path: Path) -> None:
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    os.rmdir(os.readlink(tmp_path / "link"))
    assert outputs.is_touched(0)
    assert outputs.take() is None
    (tmp_path / "link" / "again").touch()
    outputs.close()


def test_a_segment_is_ended_as_two_with_a_checksum_of_each(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a.part"))
    part.append(b"before")
    start = part.end
    part.append(b"own")
    assert part.end_segment_apart(start) == (zlib.crc32(b"before"), zlib.crc32(b"own"))
    start = part.end
    part.append(b"alone")
    assert part.end_segment_apart(start) == (0, zlib.crc32(b"alone"))
