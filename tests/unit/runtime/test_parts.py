"""The part file and the folders for a script's own files."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from batchyard_runtime.outputs import Outputs
from batchyard_runtime.parts import MAGIC, PartFile, WritesFailed


@pytest.mark.parametrize("kept", [10, 2_000_000])
@pytest.mark.parametrize("lost", [10, 3_000_000])
def test_cut_forgets_written_and_buffered_bytes(tmp_path: Path, kept: int, lost: int) -> None:
    part = PartFile(str(tmp_path / "a.part"))
    part.append(b"k" * kept)
    end, crc = part.end, part.crc
    for _ in range(10):
        part.append(b"l" * (lost // 10))
    part.cut(end, crc)
    part.append(b"after")
    part.flush()
    part.close()
    content = (tmp_path / "a.part").read_bytes()
    assert content == MAGIC + b"k" * kept + b"after"
    assert part.crc == zlib.crc32(b"k" * kept + b"after")
    assert part.end == len(content)


def test_part_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.part").touch()
    with pytest.raises(WritesFailed):
        PartFile(str(tmp_path / "a.part"))


def test_folder_is_kept_while_it_stays_empty(tmp_path: Path) -> None:
    outputs = Outputs(link=str(tmp_path / "link"), root=str(tmp_path / "files"), prefix="1-w")
    outputs.begin_runs()
    first = os.readlink(tmp_path / "link")
    assert not outputs.is_touched()
    (tmp_path / "link" / "made").touch()
    (tmp_path / "link" / "made").unlink()
    assert outputs.is_touched()
    assert outputs.take() is None
    (tmp_path / "link" / "kept").touch()
    assert outputs.is_touched()
    taken = outputs.take()
    outputs.close()
    assert taken is not None
    assert (tmp_path / "files" / taken / "kept").exists()
    assert os.readlink(tmp_path / "link") != first
    assert not (tmp_path / "files" / "_workers" / "1-w").exists()


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
    assert outputs.is_touched()
    assert outputs.take() is None
    (tmp_path / "link" / "again").touch()
    outputs.close()
