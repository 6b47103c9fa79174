"""Data assets at the ARM door."""

from __future__ import annotations

from .bench import WS, Bench

URI = "azureml://datastores/workspaceblobstore/paths/LocalUpload/x/"


def test_a_data_asset_has_versions_a_container_and_labels(bench: Bench) -> None:
    bench.data("numbers", "a/")
    bench.client.post(f"{WS}/data/numbers/versions", json={"properties": {"dataUri": URI}}).raise_for_status()

    container = bench.client.get(f"{WS}/data/numbers").json()["properties"]
    latest = bench.client.get(f"{WS}/data/numbers/versions/latest").json()
    versions = bench.client.get(f"{WS}/data/numbers/versions").json()["value"]

    assert (container["latestVersion"], container["nextVersion"]) == ("2", "3")
    assert (latest["properties"]["dataUri"], latest["properties"]["dataType"]) == (URI, "uri_folder")
    assert [one["id"].rsplit("/", 1)[-1] for one in versions] == ["2", "1"]
    assert [one["name"] for one in bench.client.get(f"{WS}/data").json()["value"]] == ["numbers"]


def test_the_path_of_a_version_never_changes_and_its_tags_do(bench: Bench) -> None:
    first = bench.data("numbers", "a/").json()["properties"]
    path = f"{WS}/data/numbers/versions/1"

    moved = bench.client.put(path, json={"properties": {**first, "dataUri": URI}})
    tagged = bench.client.put(path, json={"properties": {**first, "tags": {"a": "b"}, "isArchived": True}})

    assert (moved.status_code, moved.json()["error"]["message"]) == (
        409,
        "(UserError) Asset paths cannot be updated.",
    )
    assert tagged.json()["properties"]["tags"] == {"a": "b"}
    assert bench.client.get(f"{WS}/data/numbers/versions?listViewType=ActiveOnly").json()["value"] == []


def test_what_no_job_could_read_is_refused_with_every_mistake(bench: Bench) -> None:
    body = {"properties": {"dataType": "mltable", "dataUri": "wasbs://c@a/x"}}

    answer = bench.client.put(f"{WS}/data/numbers/versions/1", json=body)

    assert answer.status_code == 400
    assert {one["target"] for one in answer.json()["error"]["details"]} == {
        "properties.dataType",
        "properties.dataUri",
    }
