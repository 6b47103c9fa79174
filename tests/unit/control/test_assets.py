"""Versions of models, environments and code: sealed once, never changed, found by near names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import assets
from batchyard.domain.assets import AssetKind, CodeDraft, Environment, ModelDraft, ModelType
from batchyard.domain.errors import Conflict, InvalidInput, Mistake, NotFound

from .bench import BUILD, NOW, OWNER, Bench
from .fakes import refused


def register(bench: Bench, draft: ModelDraft) -> str:
    return assets.register_model(bench.tx, OWNER, draft, sealed=bench.sealed, now=NOW).key.version


def test_a_model_is_sealed_with_its_own_name_on_top(bench: Bench) -> None:
    stored = bench.model("other", body="w")
    assert bench.sealed.names(stored.document.sealed) == ["w/net.bin"]


def test_code_is_sealed_without_the_folder_name(bench: Bench) -> None:
    stored = bench.code("other", files={"score.py": "x", "lib/a.py": "y"})
    assert bench.sealed.names(stored.document.sealed) == ["lib/a.py", "score.py"]


def test_a_model_without_version_takes_the_next_number(bench: Bench) -> None:
    assert bench.model("net", None, body="two").key.version == "2"
    bench.model("net", "10", body="ten")
    assert bench.model("net", None, body="eleven").key.version == "11"
    assert bench.model("new", None).key.version == "1"


def test_registering_the_same_content_again_changes_nothing(bench: Bench) -> None:
    first = bench.model("net", "1")
    before = bench.tx.snapshot()
    uri = bench.sealed.upload("elsewhere/weights", {"net.bin": "weights"})
    again = assets.register_model(
        bench.tx, OWNER, ModelDraft("net", "1", ModelType.CUSTOM, uri), sealed=bench.sealed, now=NOW + 9
    )
    assert again == first
    assert bench.tx.snapshot() == before


def test_another_content_for_a_version_is_refused_in_azures_words(bench: Bench) -> None:
    uri = bench.sealed.upload("up/net/other", {"net.bin": "other"})
    with refused(bench.tx, Conflict) as refusal:
        register(bench, ModelDraft("net", "1", ModelType.CUSTOM, uri))
    assert refusal.text == "(UserError) Asset paths cannot be updated."


@pytest.mark.parametrize("change", [{"type": ModelType.TRITON}, {"flavors": {"python_function": {}}}])
def test_another_type_or_flavors_for_a_version_are_refused(bench: Bench, change: dict[str, object]) -> None:
    uri = bench.model("net", "1").document.uri
    with refused(bench.tx, Conflict):
        register(bench, replace(ModelDraft("net", "1", ModelType.CUSTOM, uri), **change))


def test_description_tags_properties_and_archiving_of_a_version_change(bench: Bench) -> None:
    old = bench.model("net", "1")
    draft = ModelDraft(
        "net", "1", ModelType.CUSTOM, old.document.uri, {}, "new", {"a": "1"}, {"b": "2"}, is_archived=True
    )
    new = assets.register_model(bench.tx, OWNER, draft, sealed=bench.sealed, now=NOW)
    wanted = replace(old.document, description="new", tags={"a": "1"}, properties={"b": "2"}, is_archived=True)
    assert new.document == wanted


def test_a_version_keeps_its_seal_when_the_bytes_it_came_from_are_gone(bench: Bench) -> None:
    old = bench.model("net", "1").document
    bench.sealed.uploads.clear()
    draft = ModelDraft("net", "1", ModelType.CUSTOM, old.uri, tags={"a": "1"})
    assert register(bench, draft) == "1"
    assert assets.get_version(bench.tx, OWNER, AssetKind.MODEL, "net", "1").document.sealed == old.sealed


def test_long_and_short_uri_of_one_place_are_the_same(bench: Bench) -> None:
    old = bench.model("net", "1").document
    path = old.uri.removeprefix("azureml://")
    long = f"azureml://subscriptions/s/resourcegroups/g/workspaces/w/{path}"
    seals = bench.sealed.seals
    assert register(bench, ModelDraft("net", "1", ModelType.CUSTOM, long)) == "1"
    assert bench.sealed.seals == seals


def test_all_mistakes_of_a_model_are_told_at_once(bench: Bench) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/nothing"
    with refused(bench.tx, InvalidInput) as refusal:
        register(bench, ModelDraft("-net", "v 1", ModelType.CUSTOM, uri))
    assert refusal.fields == ["name", "path", "version"]
    assert "a file or folder that exists" in refusal.text


def test_a_path_that_is_not_in_a_datastore_is_refused(bench: Bench) -> None:
    with refused(bench.tx, InvalidInput) as refusal:
        register(bench, ModelDraft("net", "2", ModelType.CUSTOM, "file:///etc/passwd"))
    assert refusal.fields == ["path"]
    assert "azureml://datastores/" in refusal.text


def test_code_of_the_same_content_is_fine_and_other_content_is_not(bench: Bench) -> None:
    first = bench.code("src", "1")
    same = bench.sealed.upload("code/copy", {"score.py": "def run(mini_batch):\n    return mini_batch\n"})
    again = assets.register_code(bench.tx, OWNER, CodeDraft("src", "1", same), sealed=bench.sealed, now=NOW)
    assert again == first
    other = bench.sealed.upload("code/other", {"score.py": "x = 1"})
    with refused(bench.tx, Conflict) as refusal:
        assets.register_code(bench.tx, OWNER, CodeDraft("src", "1", other), sealed=bench.sealed, now=NOW)
    assert refusal.text == assets.PATHS_ARE_FIXED


def test_all_mistakes_of_code_are_told_at_once(bench: Bench) -> None:
    with refused(bench.tx, InvalidInput) as refusal:
        assets.register_code(bench.tx, OWNER, CodeDraft("", "", "there"), sealed=bench.sealed, now=NOW)
    assert refusal.fields == ["name", "path", "version"]


def test_code_is_found_by_our_hash_and_by_the_clients(bench: Bench) -> None:
    first = bench.code("one", properties={"hash_sha256": "abc"})
    second = bench.code("two", files={"score.py": "x = 2"}, properties={"hash_sha256": "def"})
    assert assets.code_by_hash(bench.tx, OWNER, "def") == [second]
    assert assets.code_by_hash(bench.tx, OWNER, second.document.sealed.sha256) == [second]
    assert first in assets.code_by_hash(bench.tx, OWNER, first.document.sealed.sha256)
    assert assets.code_by_hash(bench.tx, OWNER, "none") == []


def test_an_environment_that_can_never_be_built_is_not_registered(bench: Bench) -> None:
    told = [
        Mistake("conda_file.dependencies", "'opencv'", "a reviewed name"),
        Mistake("conda_file", "'-e .'", "a name"),
    ]
    wanted = Environment("-bad", "v 1", conda_file="…", os_type="windows")
    with refused(bench.tx, InvalidInput) as refusal:
        assets.register_environment(bench.tx, OWNER, wanted, mistakes=lambda _: told, now=NOW)
    assert refusal.fields == ["conda_file", "conda_file.dependencies", "name", "os_type", "version"]


def test_an_environment_without_version_takes_the_next_number(bench: Bench) -> None:
    assert bench.environment("env", "", conda_file="a").key.version == "2"
    assert bench.environment("env", "", conda_file="a").key.version == "3"


def test_an_anonymous_environment_of_known_content_is_the_known_version(bench: Bench) -> None:
    first = bench.environment("inline", "", conda_file="a", is_anonymous=True)
    bench.environment("inline", "", conda_file="b", is_anonymous=True)
    before = bench.tx.snapshot()
    assert bench.environment("inline", "", conda_file="a", is_anonymous=True) == first
    assert bench.tx.snapshot() == before


@pytest.mark.parametrize("change", [{"image": "other"}, {"conda_file": "other"}])
def test_a_registered_environment_never_changes(bench: Bench, change: dict[str, str]) -> None:
    with refused(bench.tx, Conflict) as refusal:
        bench.environment("env", "1", **change)
    assert "Version '1' of environment 'env'" in refusal.text


def test_an_environment_keeps_its_build_when_its_tags_change(bench: Bench) -> None:
    bench.deploy()
    stored = bench.environment("env", "1", tags={"team": "a"})
    assert (stored.document.tags, stored.document.build) == ({"team": "a"}, BUILD)


def test_nobody_can_claim_a_build_by_registering(bench: Bench) -> None:
    assert bench.environment("new", "1", build=BUILD).document.build is None


def test_latest_is_the_newest_that_is_not_archived(bench: Bench) -> None:
    bench.model("net", "9", body="nine")
    bench.model("net", "3", body="three")
    assert _latest(bench) == "3"
    bench.model("net", "3", body="three", is_archived=True)
    assert _latest(bench) == "9"
    assert assets.get_version(bench.tx, OWNER, AssetKind.MODEL, "net").key.version == "9"
    assert assets.get_version(bench.tx, OWNER, AssetKind.MODEL, "net", "3").document.is_archived


def _latest(bench: Bench) -> str:
    return assets.get_version(bench.tx, OWNER, AssetKind.MODEL, "net", label="latest").key.version


def test_latest_of_a_name_that_is_archived_whole_is_not_found(bench: Bench) -> None:
    bench.model("net", "1", is_archived=True)
    with refused(bench.tx, NotFound) as refusal:
        _latest(bench)
    assert "archived" in refusal.text


@pytest.mark.parametrize(
    ("name", "version", "label", "told"),
    [
        ("nat", "1", None, "The model 'nat' does not exist. Known: 'net'."),
        ("net", "7", None, "The version of model 'net' '7' does not exist. Known: '1'."),
        ("net", None, "stable", "Known: 'latest'."),
    ],
)
def test_what_is_not_registered_is_told_with_near_names(
    bench: Bench, name: str, version: str | None, label: str | None, told: str
) -> None:
    with refused(bench.tx, NotFound) as refusal:
        assets.get_version(bench.tx, OWNER, AssetKind.MODEL, name, version, label)
    assert told in refusal.text


def test_versions_are_listed_newest_first_without_the_archived() -> None:
    bench = Bench(largest_page=2)
    for version in ("2", "3"):
        bench.model("net", version, body=version, is_archived=version == "2")
    listed = assets.list_versions(bench.tx, OWNER, AssetKind.MODEL, "net", include_archived=True)
    assert [s.key.version for s in listed.items] == ["3", "2"]
    rest = assets.list_versions(bench.tx, OWNER, AssetKind.MODEL, "net", token=listed.next_token)
    assert [s.key.version for s in rest.items] == ["1"]
    first = assets.list_versions(bench.tx, OWNER, AssetKind.MODEL, "net")
    assert [s.key.version for s in first.items] == ["3"]


def test_an_unknown_name_has_no_versions(bench: Bench) -> None:
    assert assets.list_versions(bench.tx, OWNER, AssetKind.MODEL, "none").items == ()


def test_containers_tell_the_latest_and_the_next_version() -> None:
    bench = Bench(largest_page=2)
    bench.model("net", "2", body="two")
    bench.model("net", "3", body="three", is_archived=True)
    bench.model("gone", "1", is_archived=True)
    net = assets.AssetContainer("net", latest_version="2", next_version="4")
    assert assets.container(bench.tx, OWNER, AssetKind.MODEL, "net") == net
    assert assets.list_containers(bench.tx, OWNER, AssetKind.MODEL) == [net]
    both = assets.list_containers(bench.tx, OWNER, AssetKind.MODEL, include_archived=True)
    assert both == [assets.AssetContainer("gone", "1", "2"), net]


def test_a_missing_container_is_not_found_with_near_names(bench: Bench) -> None:
    with refused(bench.tx, NotFound) as refusal:
        assets.container(bench.tx, OWNER, AssetKind.ENVIRONMENT, "enf")
    assert "'env'" in refusal.text
