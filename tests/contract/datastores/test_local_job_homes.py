"""The promises of ports.job_home, kept by local folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.errors import Conflict, NotFound


@pytest.fixture
def homes(tmp_path: Path) -> LocalJobHomes:
    return LocalJobHomes(tmp_path / "jobs")


def test_every_job_with_a_home_is_named(homes: LocalJobHomes) -> None:
    assert homes.names() == []
    for job in ("b", "a"):
        homes.open(job)
    assert homes.names() == ["a", "b"]


def test_folders_and_files_of_a_home_are_told_apart(homes: LocalJobHomes) -> None:
    home = homes.open("job")
    home.create("spec.json", b"{}")
    home.create("collect/2/rows", b"")
    home.create("collect/1/rows", b"")
    assert home.folders() == ["collect"]
    assert home.folders("collect") == ["1", "2"]
    assert home.folders("nothing") == []
    assert home.list("collect") == []
    assert home.list(".") == ["spec.json"]


def test_a_file_is_made_once(homes: LocalJobHomes) -> None:
    home = homes.open("job")
    home.create("a/b", b"first")
    with pytest.raises(Conflict):
        home.create("a/b", b"second")
    with pytest.raises(Conflict):
        home.append("a/b")
    with home.read("a/b") as stream:
        assert stream.read() == b"first"
    with pytest.raises(NotFound):
        home.read("c")


def test_a_removed_folder_is_gone_however_it_was_left(homes: LocalJobHomes) -> None:
    home = homes.open("job")
    home.create("files/locked/x", b"")
    home.path("files/locked").chmod(0o500)
    home.remove_tree("files")
    home.remove_tree("files")
    assert not home.exists("files")


def test_a_link_in_a_folder_that_a_script_can_write_to_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"the token")
    home = LocalJobHomes(tmp_path / "jobs").open("job")
    home.path("parts/1-n0-s0-0.parts/rows.part").symlink_to(tmp_path / "secret")
    with pytest.raises(NotFound):
        home.read("parts/1-n0-s0-0.parts/rows.part")
