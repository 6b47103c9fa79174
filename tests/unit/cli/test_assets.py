from __future__ import annotations

import hashlib

import httpx2
import pytest

from batchyard.cli.local_files import tree_of
from batchyard.cli.upload import content_hash

STORE = "/blob/workspaceblobstore.blob.core.windows.net/azureml-blobstore"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "my model"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "ä#.bin").write_bytes(b"weights")
    (folder / "MLmodel").write_bytes(b"")
    return folder


def create(terminal, model, *args):
    return terminal.run("model", "create", "-n", "digits", "-p", str(model), *args)


def test_the_hash_is_that_of_azures_sdk(model):
    tree, _ = tree_of(model, field="path")

    expected = hashlib.sha256(b"2" + "#deep/ä#.bin#7#MLmodel#0".encode() + b"weights").hexdigest()

    assert content_hash(tree) == expected


def test_a_model_is_uploaded_under_its_hash_and_registered_as_version_1(terminal, model):
    assert create(terminal, model) == 0, terminal.err

    uri = terminal.azure.body("PUT", "models/digits/versions/1")["properties"]["modelUri"]
    root = f"{STORE}/{uri.partition('/paths/')[2]}"
    assert terminal.azure.blobs == {f"{root}/MLmodel": b"", f"{root}/deep/ä#.bin": b"weights"}
    assert uri.endswith("/my model")


def test_what_is_there_is_not_sent_again(terminal, model):
    create(terminal, model)
    before = len([r for r in terminal.azure.requests if r.method == "PUT"])
    terminal.azure.put("models/digits", {"nextVersion": "2", "latestVersion": "1"})

    create(terminal, model)

    puts = terminal.azure.sent("PUT")[before:]
    assert puts == ["models/digits/versions/2"]


def test_an_upload_that_stopped_half_way_goes_on(terminal, model):
    lost = httpx2.Response(507, json={"error": {"code": "Full", "message": "No space."}})
    rule = lambda request, path: lost if request.method == "PUT" and "deep" in path else None  # noqa: E731
    terminal.azure.rules.append(rule)
    assert create(terminal, model) == 1
    terminal.azure.rules.remove(rule)

    assert create(terminal, model) == 0, terminal.err
    assert len(terminal.azure.blobs) == 2
    assert list(terminal.azure.marks.values()) == ["completed"]


def test_a_single_file_is_uploaded_as_itself(terminal, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"pickle")

    assert create(terminal, tmp_path / "model.pkl") == 0, terminal.err

    uri = terminal.azure.body("PUT", "models/digits/versions/1")["properties"]["modelUri"]
    assert list(terminal.azure.blobs) == [f"{STORE}/{uri.partition('/paths/')[2]}"]


def test_a_path_in_a_file_is_relative_to_that_file(terminal, model, tmp_path):
    file = tmp_path / "model.yml"
    file.write_text("name: digits\nversion: 7\npath: ./my model\n")

    assert terminal.run("model", "create", "-f", str(file)) == 0, terminal.err
    assert "models/digits/versions/7" in terminal.azure.sent("PUT")


def test_a_datastore_uri_is_registered_as_it_is(terminal):
    uri = "azureml://datastores/workspaceblobstore/paths/models/x"

    assert terminal.run("model", "create", "-n", "digits", "-p", uri) == 0, terminal.err
    assert terminal.azure.body("PUT", "models/digits/versions/1")["properties"]["modelUri"] == uri


def test_a_missing_path_is_told_and_nothing_is_sent(terminal, tmp_path):
    assert create(terminal, tmp_path / "gone") == 1
    assert "does not exist" in terminal.err
    assert terminal.azure.sent("PUT") == []


def test_show_without_version_gives_the_newest(terminal, model):
    create(terminal, model, "-v", "3")

    assert terminal.json("model", "show", "-n", "digits")["version"] == "3"
    assert terminal.run("model", "show", "-n", "digits", "-v", "1", "-l", "latest") == 2
    assert terminal.run("model", "show", "-n", "digits", "-v", "1") == 3


def test_archive_flips_only_the_flag(terminal, model):
    create(terminal, model)
    before = terminal.azure.documents["models/digits/versions/1"]["properties"]

    assert terminal.run("model", "archive", "-n", "digits", "-v", "1") == 0

    after = terminal.azure.documents["models/digits/versions/1"]["properties"]
    assert after == {**before, "isArchived": True}


def test_update_of_a_model_leaves_its_path_alone(terminal, model):
    create(terminal, model)
    before = terminal.azure.documents["models/digits/versions/1"]["properties"]["modelUri"]

    done = terminal.json("model", "update", "-n", "digits", "-v", "1", "--set", "tags.stage=live")

    assert done["tags"] == {"stage": "live"}
    assert terminal.azure.documents["models/digits/versions/1"]["properties"]["modelUri"] == before


def test_download_brings_back_what_was_registered(terminal, model, tmp_path):
    create(terminal, model)

    args = ["model", "download", "-n", "digits", "-v", "1", "--download-path", str(tmp_path / "got")]
    assert terminal.run(*args) == 0, terminal.err

    assert (tmp_path / "got/digits/my model/deep/ä#.bin").read_bytes() == b"weights"


def test_an_environment_takes_the_text_of_its_conda_file(terminal, tmp_path):
    (tmp_path / "conda.yml").write_text("# why\ndependencies:\n  - pip\n")
    (tmp_path / "environment.yml").write_text("name: sklearn\nconda_file: conda.yml\n")

    assert terminal.run("environment", "create", "-f", str(tmp_path / "environment.yml")) == 0, terminal.err

    sent = terminal.azure.body("PUT", "environments/sklearn/versions/1")["properties"]
    assert sent["condaFile"].startswith("# why\n")


def test_a_broken_conda_file_is_told_and_nothing_is_sent(terminal, tmp_path):
    (tmp_path / "conda.yml").write_text("dependencies: [\n")

    args = ["environment", "create", "-n", "sklearn", "--conda-file", str(tmp_path / "conda.yml")]
    assert terminal.run(*args) == 1
    assert "conda.yml" in terminal.err
    assert terminal.azure.requests == []
