"""A later generation of an output takes the place of the one before it, whole, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from batchyard.datastores.local import LocalDatastores
from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import OutputTarget
from batchyard.domain.resource_ids import DatastorePath
from batchyard.ports.datastore import Piece, Written

BOTH = pytest.mark.parametrize("into_existing", [False, True])
Files = dict[str, bytes]
ONE: Files = {"a.csv": b"one\n", "extra/x.txt": b"x1"}
TWO: Files = {"a.csv": b"one\ntwo\n", "extra/x.txt": b"x1", "extra/y.txt": b"y2"}


@pytest.fixture
def datastores(tmp_path: Path) -> LocalDatastores:
    (tmp_path / "home").mkdir()
    return LocalDatastores(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home/datastores/workspaceblobstore/out/score"


def target_of(*, into_existing: bool) -> OutputTarget:
    return OutputTarget(DatastorePath("workspaceblobstore", "out/score"), "a.csv", into_existing)


def publish(
    datastores: LocalDatastores,
    tmp_path: Path,
    content: Files,
    *,
    generation: int,
    into_existing: bool,
    job: str = "job",
) -> None:
    """Publish as the engine does: rows, failed items, files of the script, a manifest that names their hashes."""
    publication = datastores.publication(target_of(into_existing=into_existing), job=job, generation=generation)
    written: list[Written] = []
    try:
        for name, body in content.items():
            piece = tmp_path / f"piece-{generation}-{name.replace('/', '-')}"
            piece.write_bytes(body)
            pieces = [Piece(piece, 0, len(body))]
            is_rows = name == "a.csv"
            written.append(publication.write_rows(pieces) if is_rows else publication.write_file(name, pieces))
        written.append(publication.write_failed_items([b"failed %d\n" % generation]))
        publication.publish(manifest_of(job, generation, written))
    finally:
        publication.discard()


def manifest_of(job: str, generation: int, written: Sequence[Written]) -> bytes:
    outputs = [{"name": w.name, "size_bytes": w.size_bytes, "sha256": w.sha256} for w in written]
    return json.dumps({"job": job, "generation": generation, "outputs": outputs}).encode()


def whole_generation(folder: Path, *, into_existing: bool) -> int | None:
    """Read an output as anybody should: the generation whose manifest fits all files, None when they do not fit."""
    manifest = folder / ("a.csv.manifest.json" if into_existing else "_manifest.json")
    try:
        found = json.loads(manifest.read_bytes())
        for entry in found["outputs"]:
            content = (folder / entry["name"]).read_bytes()
            if hashlib.sha256(content).hexdigest() != entry["sha256"]:
                return None
    except FileNotFoundError:
        return None
    return int(found["generation"])


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@BOTH
def test_a_later_generation_takes_the_place_of_the_one_before_whole(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=into_existing)
    datastores.check_next(target_of(into_existing=into_existing), job="job", generation=2)
    publish(datastores, tmp_path, TWO, generation=2, into_existing=into_existing)
    assert whole_generation(folder, into_existing=into_existing) == 2
    assert (folder / "a.csv").read_bytes() == b"one\ntwo\n"
    assert len(everything(folder)) == 5, everything(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["score"]


@BOTH
def test_publishing_the_same_generation_again_is_already_done(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=into_existing)
    for _ in range(2):
        publish(datastores, tmp_path, TWO, generation=2, into_existing=into_existing)
    assert whole_generation(folder, into_existing=into_existing) == 2


@BOTH
def test_it_appears_where_the_one_before_was_taken_away(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=into_existing)
    folder.rename(tmp_path / "moved")
    datastores.check_next(target_of(into_existing=into_existing), job="job", generation=2)
    publish(datastores, tmp_path, TWO, generation=2, into_existing=into_existing)
    assert whole_generation(folder, into_existing=into_existing) == 2


@BOTH
@pytest.mark.parametrize("change", ["rows", "gone", "other job", "manifest", "later generation"])
def test_what_is_not_as_it_was_published_is_never_replaced(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool, change: str
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=into_existing)
    manifest = folder / ("a.csv.manifest.json" if into_existing else "_manifest.json")
    if change == "rows":
        (folder / "a.csv").write_bytes(b"mine")
    elif change == "gone":
        (folder / "a.csv").unlink()
        (folder / "a.csv").mkdir()
    elif change == "manifest":
        manifest.write_text("[]")
    elif change == "later generation":
        manifest.write_bytes(manifest_of("job", 3, []))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(Conflict):
        job = "other" if change == "other job" else "job"
        publish(datastores, tmp_path, TWO, generation=2, into_existing=into_existing, job=job)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["score"]


def test_a_file_that_somebody_put_into_the_jobs_own_folder_is_not_deleted(
    datastores: LocalDatastores, folder: Path, tmp_path: Path
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=False)
    (folder / "notes.txt").write_text("mine")
    for attempt in (
        lambda: datastores.check_next(target_of(into_existing=False), job="job", generation=2),
        lambda: publish(datastores, tmp_path, TWO, generation=2, into_existing=False),
    ):
        with pytest.raises(Conflict, match=r"notes\.txt"):
            attempt()
    assert (folder / "notes.txt").read_text() == "mine"
    assert whole_generation(folder, into_existing=False) == 1


def test_other_files_beside_it_are_none_of_its_business(
    datastores: LocalDatastores, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    publish(datastores, tmp_path, ONE, generation=1, into_existing=True)
    publish(datastores, tmp_path, TWO, generation=2, into_existing=True)
    assert (folder / "notes.txt").read_text() == "mine"
    assert whole_generation(folder, into_existing=True) == 2


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_publisher_killed_between_two_files_leaves_what_no_reader_takes_for_whole_and_the_next_one_ends_it(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, done: int
) -> None:
    """Its steps are those of `exchange_files`: the folder of files, rows, failed items, and the manifest last."""
    publish(datastores, tmp_path, ONE, generation=1, into_existing=True)
    other = LocalDatastores(tmp_path / "other")
    publish(other, tmp_path, TWO, generation=2, into_existing=True)
    staged = tmp_path / "other/datastores/workspaceblobstore/out/score"
    for name in ["a.csv.files", "a.csv", "a.csv.failed.jsonl"][:done]:
        (folder / name).rename(tmp_path / f"old-{name}")
        (staged / name).rename(folder / name)
    # As long as only files were added, what the manifest of the first names is still there.
    assert whole_generation(folder, into_existing=True) == (1 if done == 1 else None)
    publish(datastores, tmp_path, TWO, generation=2, into_existing=True)
    assert whole_generation(folder, into_existing=True) == 2
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


@BOTH
def test_a_reader_sees_one_generation_whole_or_can_tell(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool
) -> None:
    publish(datastores, tmp_path, ONE, generation=1, into_existing=into_existing)
    stop, seen = threading.Event(), set[int | None]()

    def read() -> None:
        while not stop.is_set():
            seen.add(whole_generation(folder, into_existing=into_existing))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for generation in range(2, 30):
            content = {**TWO, "a.csv": b"row\n" * generation}
            publish(datastores, tmp_path, content, generation=generation, into_existing=into_existing)
    finally:
        stop.set()
        reader.join()
    assert seen <= {None, *range(1, 30)}
    assert whole_generation(folder, into_existing=into_existing) == 29


def publish_shards(datastores: LocalDatastores, tmp_path: Path, shards: int, *, generation: int, into: bool) -> None:
    publication = datastores.publication(target_of(into_existing=into), job="job", generation=generation)
    piece = tmp_path / "shard"
    piece.write_bytes(b"%d" % generation)
    try:
        written = [
            publication.write_rows([Piece(piece, 0, 1)], shard=(number, shards)) for number in range(1, shards + 1)
        ]
        written.append(publication.write_failed_items([]))
        publication.publish(manifest_of("job", generation, written))
    finally:
        publication.discard()


@BOTH
@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 3), (2, 2)])
def test_files_of_rows_of_a_later_generation_replace_all_of_the_one_before(
    datastores: LocalDatastores, folder: Path, tmp_path: Path, into_existing: bool, before: int, after: int
) -> None:
    publish_shards(datastores, tmp_path, before, generation=1, into=into_existing)
    if into_existing:
        (folder / "a-00001-of-00009.csv").write_text("of somebody else")
    for _ in range(2):
        publish_shards(datastores, tmp_path, after, generation=2, into=into_existing)
    assert whole_generation(folder, into_existing=into_existing) == 2
    others = {"a-00001-of-00009.csv"} if into_existing else set()
    rows = {name for name in everything(folder) if name.endswith(".csv")}
    assert rows - others == {f"a-{number:05}-of-{after:05}.csv" for number in range(1, after + 1)}
    assert rows >= others


def test_files_of_rows_that_somebody_changed_are_not_taken_away(
    datastores: LocalDatastores, folder: Path, tmp_path: Path
) -> None:
    publish_shards(datastores, tmp_path, 3, generation=1, into=True)
    (folder / "a-00003-of-00003.csv").write_text("changed")
    with pytest.raises(Conflict, match="a-00003-of-00003"):
        publish_shards(datastores, tmp_path, 2, generation=2, into=True)
    assert whole_generation(folder, into_existing=True) is None
    assert (folder / "a-00001-of-00003.csv").read_bytes() == b"1"
    assert not (folder / "a-00001-of-00002.csv").exists(), "nothing was replaced"
