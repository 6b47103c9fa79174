"""R31: what is registered has a version, never changes, and shows the hash of its content."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .bench import WS, Bench

STORE = "azureml://datastores/workspaceblobstore/paths"
# collection, what a version says, the same with another content
ASSETS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "models",
        {"modelType": "custom_model", "modelUri": f"{STORE}/one/net.bin"},
        {"modelType": "custom_model", "modelUri": f"{STORE}/two/net.bin"},
    ),
    ("environments", {"condaFile": "dependencies: []\n"}, {"condaFile": "dependencies: [pip]\n"}),
    (
        "data",
        {"dataType": "uri_folder", "dataUri": f"{STORE}/one/"},
        {"dataType": "uri_folder", "dataUri": f"{STORE}/two/"},
    ),
    (
        "components",
        {"componentSpec": {"type": "command", "command": "a", "environment": "azureml:env:1"}},
        {"componentSpec": {"type": "command", "command": "b", "environment": "azureml:env:1"}},
    ),
]


@pytest.fixture
def stocked(bench: Bench) -> Bench:
    """A workspace with two uploads of unlike content, and an environment for components."""
    bench.environment()
    bench.upload("one/net.bin", "weights")
    bench.upload("two/net.bin", "other weights")
    return bench


@pytest.mark.parametrize(("kind", "one", "other"), ASSETS, ids=[kind for kind, _, _ in ASSETS])
def test_a_version_shows_the_hash_of_its_content_and_never_gets_another(
    stocked: Bench, kind: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    path = f"{WS}/{kind}/thing/versions"
    first = stocked.put(f"/{kind}/thing/versions/1", one).json()["properties"]

    refused = stocked.client.put(f"{path}/1", json={"properties": other})
    again = stocked.put(f"/{kind}/thing/versions/1", {**one, "tags": {"a": "b"}}).json()["properties"]
    second = stocked.put(f"/{kind}/thing/versions/2", other).json()["properties"]

    assert re.fullmatch("[0-9a-f]{64}", first["sha256"])
    assert refused.status_code == 409
    assert (again["sha256"], again["tags"]) == (first["sha256"], {"a": "b"})
    assert stocked.client.get(f"{path}/1").json()["properties"]["sha256"] == first["sha256"]
    assert second["sha256"] != first["sha256"]


@pytest.mark.parametrize(("kind", "one", "other"), ASSETS, ids=[kind for kind, _, _ in ASSETS])
def test_the_same_content_has_the_same_hash_under_any_name(
    stocked: Bench, kind: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    hashes = [stocked.put(f"/{kind}/{name}/versions/1", one).json()["properties"]["sha256"] for name in ("a", "b")]

    assert len(set(hashes)) == 1


@pytest.mark.parametrize(("kind", "one", "other"), ASSETS, ids=[kind for kind, _, _ in ASSETS])
def test_an_archived_version_leaves_the_lists_stays_in_use_and_comes_back(
    stocked: Bench, kind: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    path = f"{WS}/{kind}/thing/versions"

    def listed(view: str = "ActiveOnly") -> list[str]:
        found = stocked.client.get(f"{path}?listViewType={view}").json()["value"]
        return sorted(version["id"].rsplit("/", 1)[-1] for version in found)

    for version, content in (("1", one), ("2", other)):
        stocked.put(f"/{kind}/thing/versions/{version}", content)
    assert listed() == ["1", "2"]
    assert [
        found["name"] for found in stocked.client.get(f"{WS}/{kind}").json()["value"] if found["name"] != "env"
    ] == ["thing"]
    # The SDK sends a version back as it got it, with the mark turned.
    got = stocked.client.get(f"{path}/1").json()["properties"]
    stocked.put(f"/{kind}/thing/versions/1", {**got, "isArchived": True})
    assert (listed(), listed("ArchivedOnly"), listed("All")) == (["2"], ["1"], ["1", "2"])
    assert stocked.client.get(f"{path}/1").status_code == 200
    stocked.put(f"/{kind}/thing/versions/1", {**got, "isArchived": False})
    assert listed() == ["1", "2"]


def test_a_version_that_a_deployment_uses_stays_what_it_was(bench: Bench) -> None:
    bench.ready()
    before = bench.client.get(f"{WS}/models/net/versions/1").json()["properties"]["sha256"]

    bench.model(version="2", text="better weights")

    assert bench.client.get(f"{WS}/models/net/versions/1").json()["properties"]["sha256"] == before
    deployed = bench.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").json()["properties"]
    assert deployed["model"]["assetId"].endswith("/models/net/versions/1")
