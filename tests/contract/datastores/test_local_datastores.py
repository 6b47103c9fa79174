"""The promises of ports.datastore, kept by local folders."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from batchyard.datastores.local import LocalDatastore, LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.domain.errors import CallerError, Conflict, InvalidInput, NotFound, PlatformError, PreconditionFailed
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget
from batchyard.domain.resource_ids import DatastorePath
from batchyard.ports.datastore import Entry, Piece

ODD_NAMES = ["with space.txt", "#hash?.txt", "new\nline.txt", "ümlaut.txt", os.fsdecode(b"\xff\xfe.txt"), "%41.txt"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def datastores(home: Path) -> LocalDatastores:
    return LocalDatastores(home)


@pytest.fixture
def store(datastores: LocalDatastores) -> LocalDatastore:
    return datastores.get("workspaceblobstore")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_put_listed_and_read(store: LocalDatastore, name: str) -> None:
    store.put(f"folder/{name}", [b"ab", b"c"], create_only=True)
    assert [entry.path for entry in store.list("folder/")] == [f"folder/{name}"]
    with store.open(f"folder/{name}") as stream:
        assert stream.read() == b"abc"
    assert store.delete(f"folder/{name}")
    assert store.stat(f"folder/{name}") is None


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/\0b"])
def test_a_path_that_leaves_the_datastore_is_refused(store: LocalDatastore, path: str) -> None:
    with pytest.raises(CallerError):
        store.put(path, [b"x"], create_only=False)
    with pytest.raises(CallerError):
        store.stat(path)


def test_a_symbolic_link_out_of_the_datastore_is_refused(store: LocalDatastore, home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    store.put("a", [b"x"], create_only=False)
    os.symlink(tmp_path, home / "datastores" / "workspaceblobstore" / "out")
    with pytest.raises(CallerError):
        store.open("out/secret")


def test_create_only_refuses_what_is_there_and_leaves_nothing_behind(store: LocalDatastore) -> None:
    store.put("a", [b"first"], create_only=True)
    with pytest.raises(Conflict):
        store.put("a", [b"second"], create_only=True)
    with store.open("a") as stream:
        assert stream.read() == b"first"
    assert [entry.path for entry in store.list("")] == ["a"]


def test_a_put_that_breaks_off_leaves_nothing(store: LocalDatastore) -> None:
    def chunks() -> object:
        yield b"half"
        raise ValueError("gone")

    with pytest.raises(ValueError):
        store.put("a", chunks(), create_only=False)
    assert list(store.list("")) == []


def test_a_check_sees_what_is_there_and_can_end_the_put(store: LocalDatastore) -> None:
    first = store.put("a", [b"first"], create_only=False)
    seen: list[Entry | None] = []
    store.put("b", [b"x"], create_only=False, check=seen.append)

    def refuse(there: Entry | None) -> None:
        seen.append(there)
        raise PreconditionFailed("no")

    with pytest.raises(PreconditionFailed):
        store.put("a", [b"second"], create_only=False, check=refuse)
    assert seen == [None, first]
    assert [entry.path for entry in store.list("")] == ["a", "b"]
    with store.open("a") as stream:
        assert stream.read() == b"first"


def test_writers_that_check_what_they_replace_never_lose_a_write(store: LocalDatastore) -> None:
    store.put("count", [b"0"], create_only=True)

    def add_one() -> None:
        while True:
            entry, stream = store.open_entry("count")
            with stream:
                number = int(stream.read())

            def same(there: Entry | None, entry: Entry = entry) -> None:
                if there != entry:
                    raise PreconditionFailed("changed")

            with suppress(PreconditionFailed):
                store.put("count", [b"%d" % (number + 1)], create_only=False, check=same)
                return

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(add_one) for _ in range(24)]:
            done.result()
    with store.open("count") as stream:
        assert stream.read() == b"24"


def test_what_is_told_of_an_opened_file_is_of_its_bytes(store: LocalDatastore) -> None:
    store.put("a", [b"first"], create_only=False)
    entry, stream = store.open_entry("a")
    with stream:
        assert entry == store.stat("a")
        store.put("a", [b"second one"], create_only=False)
        assert (entry.size_bytes, stream.read()) == (5, b"first")
    with pytest.raises(NotFound):
        store.open_entry("nothing")


def test_an_unknown_datastore_names_the_known_ones(datastores: LocalDatastores) -> None:
    with pytest.raises(NotFound, match="workspaceblobstore"):
        datastores.get("workspaceblobstor")


def source_of(path: Path, kind: InputKind = InputKind.FOLDER) -> InputSource:
    return InputSource(kind, "file://" + quote(os.fsencode(path)))


@pytest.mark.parametrize("name", ["plain", "with space", "#hash", "ü", "100%"])
def test_a_local_input_of_any_name_is_found(datastores: LocalDatastores, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    datastores.check_input(source_of(folder))
    assert datastores.input_path(source_of(folder)) == folder


def test_a_missing_empty_or_mistaken_input_is_refused(datastores: LocalDatastores, tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty" / "nested").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    for bad in (
        source_of(tmp_path / "nothing"),
        source_of(tmp_path / "empty"),
        source_of(tmp_path / "file"),
        source_of(tmp_path / "empty", InputKind.FILE),
        source_of(home),
        source_of(tmp_path),
        InputSource(InputKind.FOLDER, "https://elsewhere/x"),
        InputSource(InputKind.FOLDER, "azureml://datastores/workspaceblobstore/paths/nothing/"),
    ):
        with pytest.raises(InvalidInput):
            datastores.check_input(bad)


def target_of(path: str, *, into_existing: bool = False) -> OutputTarget:
    return OutputTarget(DatastorePath("workspaceblobstore", path), "predictions.csv", into_existing)


def publish(datastores: LocalDatastores, target: OutputTarget, source: Path, manifest: bytes = b"{}") -> None:
    publication = datastores.publication(target, job="job1")
    publication.write_rows([Piece(source, 6, 5), Piece(source, 0, 6)])
    publication.write_failed_items([b'{"item": "x"}\n'])
    publication.write_file("own/file.txt", [Piece(source, 0, 5)])
    publication.publish(manifest)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "part"
    path.write_bytes(b"hello world")
    return path


def test_a_folder_is_published_whole(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    publish(datastores, target_of("out/score"), rows)
    folder = home / "datastores/workspaceblobstore/out/score"
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert found == ["_failed_items.jsonl", "_manifest.json", "own/file.txt", "predictions.csv"]
    assert (folder / "predictions.csv").read_bytes() == b"worldhello "
    assert sorted(p.name for p in folder.parent.iterdir()) == ["score"]


def test_publishing_the_same_again_is_already_done(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    publish(datastores, target_of("out"), rows)
    publish(datastores, target_of("out"), rows)
    assert sorted(p.name for p in (home / "datastores/workspaceblobstore").iterdir()) == ["out"]


def test_what_somebody_else_published_is_never_replaced(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    publish(datastores, target_of("out"), rows)
    with pytest.raises(Conflict):
        publish(datastores, target_of("out"), rows, manifest=b'{"other": 1}')
    assert (home / "datastores/workspaceblobstore/out/_manifest.json").read_bytes() == b"{}"


def test_an_empty_folder_is_free_and_a_full_one_is_not(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    folder = home / "datastores/workspaceblobstore/out"
    folder.mkdir(parents=True)
    datastores.check_output(target_of("out"))
    publish(datastores, target_of("out"), rows)
    assert (folder / "_manifest.json").exists()
    with pytest.raises(Conflict):
        datastores.check_output(target_of("out"))


def test_into_an_existing_folder_only_the_three_names_must_be_free(
    datastores: LocalDatastores, home: Path, rows: Path
) -> None:
    folder = home / "datastores/workspaceblobstore/out"
    folder.mkdir(parents=True)
    (folder / "other.csv").write_text("stays")
    target = target_of("out", into_existing=True)
    datastores.check_output(target)
    publish(datastores, target, rows)
    publish(datastores, target, rows)
    found = sorted(p.name for p in folder.iterdir())
    assert found == [
        "other.csv",
        "predictions.csv",
        "predictions.csv.failed.jsonl",
        "predictions.csv.files",
        "predictions.csv.manifest.json",
    ]
    with pytest.raises(Conflict):
        datastores.check_output(target)


def test_what_an_earlier_try_left_is_cleared(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    datastores.publication(target_of("out"), job="job1").write_rows([Piece(rows, 0, 5)])
    publish(datastores, target_of("out"), rows)
    assert sorted(p.name for p in (home / "datastores/workspaceblobstore").iterdir()) == ["out"]


def test_a_file_that_could_not_be_written_can_be_written_again(
    datastores: LocalDatastores, home: Path, rows: Path
) -> None:
    publication = datastores.publication(target_of("out"), job="job1")
    with pytest.raises(PlatformError):
        publication.write_rows([Piece(rows, 0, 5), Piece(rows.with_name("nothing"), 0, 5)])
    publication.write_rows([Piece(rows, 0, 5)])
    publication.write_failed_items([])
    publication.publish(b"{}")
    assert (home / "datastores/workspaceblobstore/out/predictions.csv").read_bytes() == b"hello"


@pytest.mark.parametrize("into_existing", [False, True])
def test_one_publication_may_be_told_again_to_publish(
    datastores: LocalDatastores, home: Path, rows: Path, *, into_existing: bool
) -> None:
    publication = datastores.publication(target_of("out", into_existing=into_existing), job="job1")
    publication.write_rows([Piece(rows, 0, 5)])
    publication.write_failed_items([])
    publication.write_file("own/file.txt", [Piece(rows, 0, 5)])
    for _ in range(2):
        publication.publish(b"{}")
    publication.discard()
    folder = home / "datastores/workspaceblobstore/out"
    assert (folder / "predictions.csv").read_bytes() == b"hello"
    assert [p.name for p in home.rglob(".*")] == []


def test_what_a_job_left_unfinished_is_discarded_and_nothing_else(
    datastores: LocalDatastores, home: Path, rows: Path
) -> None:
    for job in ("job1", "job2"):
        datastores.publication(target_of("out/a"), job=job).write_rows([Piece(rows, 0, 5)])
    for _ in range(2):
        datastores.discard_unfinished(target_of("out/a"), job="job1")
        datastores.discard_unfinished(target_of("nowhere/at/all"), job="job1")
    left = [p.name for p in (home / "datastores/workspaceblobstore/out").iterdir()]
    assert [name.startswith(".batchyard-job2-") for name in left] == [True]


def test_another_job_whose_name_begins_alike_keeps_what_it_is_publishing(
    datastores: LocalDatastores, home: Path, rows: Path
) -> None:
    longer = datastores.publication(target_of("out/b"), job="job1-2")
    longer.write_rows([Piece(rows, 0, 5)])
    publish(datastores, target_of("out/a"), rows)
    longer.write_failed_items([])
    longer.publish(b"{}")
    folder = home / "datastores/workspaceblobstore/out"
    assert sorted(p.name for p in (folder / "b").iterdir()) == [
        "_failed_items.jsonl",
        "_manifest.json",
        "predictions.csv",
    ]


@pytest.mark.parametrize("into_existing", [False, True])
def test_a_publisher_that_slept_while_another_began_publishes_nothing(
    datastores: LocalDatastores, home: Path, rows: Path, into_existing: bool
) -> None:
    (home / "datastores/workspaceblobstore").mkdir(parents=True)
    target = target_of("out", into_existing=into_existing)
    sleeper = datastores.publication(target, job="job1")
    sleeper.write_rows([Piece(rows, 0, 5)])
    sleeper.write_failed_items([])
    datastores.publication(target, job="job1")
    with pytest.raises(PlatformError):
        sleeper.write_file("own/file.txt", [Piece(rows, 0, 5)])
    with pytest.raises(PlatformError):
        sleeper.publish(b"{}")
    root = home / "datastores/workspaceblobstore"
    seen = [p for p in root.rglob("*") if p.is_file() and ".batchyard-" not in str(p)]
    assert seen == []


def test_into_an_existing_folder_own_files_of_somebody_else_are_never_taken_for_ours(
    datastores: LocalDatastores, home: Path, rows: Path
) -> None:
    others = home / "datastores/workspaceblobstore/out/predictions.csv.files"
    others.mkdir(parents=True)
    (others / "old").write_text("of another job")
    with pytest.raises(Conflict):
        publish(datastores, target_of("out", into_existing=True), rows)
    assert sorted(p.name for p in others.parent.iterdir() if not p.name.startswith(".")) == [others.name]


def test_a_place_taken_later_leaves_nothing_half_published(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    folder = home / "datastores/workspaceblobstore/out"
    folder.mkdir(parents=True)
    (folder / "predictions.csv.failed.jsonl").write_text("of another job")
    with pytest.raises(Conflict):
        publish(datastores, target_of("out", into_existing=True), rows)
    assert [p.name for p in folder.iterdir() if not p.name.startswith(".")] == ["predictions.csv.failed.jsonl"]


@pytest.mark.parametrize("name", ["predictions.csv", "_failed_items.jsonl", "_manifest.json", "predictions.csv/x"])
def test_a_file_of_the_script_named_as_one_of_ours_is_a_conflict_and_not_a_broken_disk(
    datastores: LocalDatastores, rows: Path, name: str
) -> None:
    publication = datastores.publication(target_of("out"), job="job1")
    publication.write_rows([Piece(rows, 0, 5)])
    publication.write_failed_items([])
    with pytest.raises(Conflict):
        publication.write_file(name, [Piece(rows, 0, 5)])


def test_what_was_refused_leaves_nothing_beside_the_target(datastores: LocalDatastores, home: Path, rows: Path) -> None:
    publication = datastores.publication(target_of("out"), job="job1")
    publication.write_rows([Piece(rows, 0, 5)])
    publication.discard()
    publication.discard()
    assert list((home / "datastores/workspaceblobstore").iterdir()) == []


def test_sealing_keeps_the_name_of_a_model_and_not_of_code(
    datastores: LocalDatastores, store: LocalDatastore, home: Path
) -> None:
    sealed_store = LocalSealedStore(home / "sealed", datastores)
    store.put("up/model/weights.bin", [b"w"], create_only=True)
    place = DatastorePath("workspaceblobstore", "up/model/")
    model, code = sealed_store.seal(place, keep_name=True), sealed_store.seal(place, keep_name=False)
    assert sealed_store.names(model) == ["model/weights.bin"]
    assert sealed_store.names(code) == ["weights.bin"]
    assert sealed_store.seal(place, keep_name=True) == model
    assert (model.files, model.size_bytes) == (1, 1)


def test_added_texts_are_a_tree_like_an_uploaded_one(
    datastores: LocalDatastores, store: LocalDatastore, home: Path
) -> None:
    sealed_store = LocalSealedStore(home / "sealed", datastores)
    store.put("code/score.py", [b"pass"], create_only=True)
    added = sealed_store.add({"score.py": "pass"})
    assert added == sealed_store.add({"score.py": "pass"})
    assert added == sealed_store.seal(DatastorePath("workspaceblobstore", "code"), keep_name=False)
    assert sealed_store.read_text(added, "score.py", limit_bytes=9) == "pass"


def test_sealed_bytes_do_not_change_when_the_upload_is_replaced(
    datastores: LocalDatastores, store: LocalDatastore, home: Path
) -> None:
    sealed_store = LocalSealedStore(home / "sealed", datastores)
    store.put("m.pkl", [b"one"], create_only=True)
    sealed = sealed_store.seal(DatastorePath("workspaceblobstore", "m.pkl"), keep_name=True)
    store.put("m.pkl", [b"two"], create_only=False)
    assert (sealed_store.path(sealed) / "m.pkl").read_bytes() == b"one"
    assert sealed_store.seal(DatastorePath("workspaceblobstore", "m.pkl"), keep_name=True) != sealed


def test_sealing_refuses_what_is_missing_and_links_that_lead_out(
    datastores: LocalDatastores, store: LocalDatastore, home: Path, tmp_path: Path
) -> None:
    sealed_store = LocalSealedStore(home / "sealed", datastores)
    with pytest.raises(InvalidInput):
        sealed_store.seal(DatastorePath("workspaceblobstore", "nothing"), keep_name=True)
    store.put("m/a", [b"x"], create_only=True)
    os.symlink("/etc/hostname", home / "datastores/workspaceblobstore/m/out")
    with pytest.raises(InvalidInput, match="link out"):
        sealed_store.seal(DatastorePath("workspaceblobstore", "m"), keep_name=True)


def test_an_input_that_the_server_may_not_read_is_the_invocations_mistake(tmp_path: Path) -> None:
    datastores = LocalDatastores(tmp_path / "home")
    folder = tmp_path / "closed" / "input"
    folder.mkdir(parents=True)
    folder.parent.chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # Root may read everything.
    try:
        with pytest.raises(InvalidInput, match="cannot be read"):
            datastores.check_input(InputSource(InputKind.FOLDER, f"file://{folder}"))
    finally:
        os.seteuid(was)
        folder.parent.chmod(0o700)
