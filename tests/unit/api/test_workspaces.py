"""More than one workspace behind one door: made, found, and kept apart."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.workspaces import DEFAULT_WORKSPACE

from .bench import BASE, BLOBS, INPUT, SCRIPT, WS, Bench

TEAM = "/subscriptions/sub-1/resourceGroups/Group/providers/Microsoft.MachineLearningServices/workspaces/Team"
STORE = f"{TEAM}/datastores/workspaceblobstore"


@pytest.fixture
def team(bench: Bench) -> str:
    """Give the path of a second workspace."""
    body = {"location": "westeurope", "tags": {"a": "b"}, "properties": {"description": "ours"}}
    answer = bench.client.put(TEAM, json=body)
    assert answer.status_code == 201, answer.text
    return TEAM


def blobs_of(bench: Bench, store: str = STORE) -> str:
    """Give where the gateway has the container of a datastore."""
    properties = bench.client.get(store).json()["properties"]
    return f"https://{properties['accountName']}.blob.core.windows.net/{properties['containerName']}"


def compute(bench: Bench, workspace: str, most: int) -> Any:
    properties = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"maxNodeCount": most}}}
    return bench.client.put(f"{workspace}/computes/cpu", json={"properties": properties})


def test_a_workspace_is_made_shown_changed_and_deleted(bench: Bench, team: str) -> None:
    shown = bench.client.get(team.upper().replace("TEAM", "team")).json()
    assert (shown["id"], shown["name"], shown["location"], shown["tags"]) == (TEAM, "Team", "westeurope", {"a": "b"})
    assert shown["properties"]["discoveryUrl"] == f"{BASE}/discovery"
    assert bench.client.put(team, json={"properties": {"friendlyName": "The team"}}).status_code == 200
    assert bench.client.get(team).json()["properties"]["friendlyName"] == "The team"
    assert bench.client.delete(team).status_code == 200
    assert bench.client.delete(team).status_code == 204
    assert bench.client.get(team).status_code == 404


def test_workspaces_are_listed_by_subscription_and_by_group(bench: Bench, team: str) -> None:
    def names(path: str) -> list[str]:
        return [value["name"] for value in bench.client.get(path).json()["value"]]

    below = "/providers/Microsoft.MachineLearningServices/workspaces"
    assert names(f"/subscriptions/SUB-1{below.lower()}") == ["Team"]
    assert names(f"/subscriptions/sub-1/resourcegroups/group{below}") == ["Team"]
    assert names(f"/subscriptions/sub-1/resourceGroups/other{below}") == []
    assert names(WS.removesuffix("/default")) == ["default"]
    subscriptions = bench.client.get("/subscriptions").json()["value"]
    assert {one["subscriptionId"] for one in subscriptions} == {DEFAULT_WORKSPACE.scope.subscription, "sub-1"}
    assert bench.client.get("/subscriptions/sub-1/resourceGroups/GROUP").json()["name"] == "Group"
    assert bench.client.get("/subscriptions/sub-1/resourceGroups/other").status_code == 404


@pytest.mark.parametrize("path", ["", "/computes", "/batchEndpoints/digits"])
def test_a_workspace_that_does_not_exist_is_told_with_those_that_do_and_how_to_make_it(bench: Bench, path: str) -> None:
    answer = bench.client.get(TEAM + path)
    assert answer.status_code == 404
    message = answer.json()["error"]["message"]
    assert "'default' (resource group 'local'" in message
    assert "`batchyard workspace create -n Team -g Group --subscription sub-1`" in message


def test_names_no_workspace_can_have_are_told_at_once(bench: Bench) -> None:
    answer = bench.client.put(TEAM.replace("Team", "te%20am").replace("sub-1", "s_1"), json={})
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "name: " in message
    assert "subscription: " in message


def test_things_of_one_name_never_meet(bench: Bench, team: str) -> None:
    assert compute(bench, WS, 2).status_code == 201
    assert compute(bench, team, 5).status_code == 201
    for workspace, most in ((WS, 2), (team, 5)):
        shown = bench.client.get(f"{workspace}/computes/cpu").json()
        assert shown["id"] == f"{workspace}/computes/cpu"
        assert shown["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == most
    assert bench.client.delete(f"{team}/computes/cpu").status_code == 200
    assert bench.client.get(f"{WS}/computes/cpu").status_code == 200


def test_blobs_of_one_name_never_meet(bench: Bench, team: str) -> None:
    theirs = blobs_of(bench)
    assert theirs != f"{BASE}{BLOBS}"
    assert bench.client.put(f"{theirs}/in/a.txt", content=b"team").status_code == 201
    assert bench.client.get(f"{BLOBS}/in/a.txt").status_code == 404
    bench.upload("in/a.txt", "default")
    assert bench.client.get(f"{theirs}/in/a.txt").content == b"team"
    listed = bench.client.get(f"{BLOBS}?restype=container&comp=list").text
    assert "a.txt" in listed and theirs not in listed


def test_an_account_of_no_workspace_is_not_found(bench: Bench, team: str) -> None:
    theirs = blobs_of(bench)
    bench.client.delete(team)
    assert bench.client.get(f"{theirs}/in/a.txt").status_code == 404
    assert bench.client.put(f"{theirs}/in/a.txt", content=b"x").status_code == 404


def test_a_signed_url_opens_nothing_of_another_workspace(bench: Bench, team: str) -> None:
    answer = bench.client.post(f"{team}/codes/src/versions/1/startPendingUpload", json={})
    place, _, query = answer.json()["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")
    container = place.rpartition("/")[2]
    assert bench.stranger.put(f"{place}/code/score.py?{query}", content=SCRIPT.encode()).status_code == 201
    ours = f"{BASE}/blob/uploads.blob.core.windows.net/{container}/code/score.py"
    assert bench.stranger.put(f"{ours}?{query}", content=SCRIPT.encode()).status_code == 401
    assert bench.client.put(
        f"{team}/codes/src/versions/1", json={"properties": {"codeUri": f"{place}/code"}}
    ).is_success
    refused = bench.client.put(f"{WS}/codes/src/versions/1", json={"properties": {"codeUri": f"{place}/code"}})
    assert refused.status_code == 400
    assert "the workspace 'default' itself" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("compute", f"{TEAM}/computes/cpu"),
        ("environmentId", f"azureml:{TEAM}/environments/env/versions/1"),
        ("model", {"referenceType": "Id", "assetId": f"{TEAM.lower()}/models/net/versions/1"}),
    ],
)
def test_what_another_workspace_has_is_not_taken_for_ours(bench: Bench, team: str, field: str, value: object) -> None:
    bench.prerequisites()
    body = bench.deployment_body(**{field: value})
    answer = bench.client.put(f"{WS}/batchEndpoints/digits/deployments/blue", json={"properties": body})
    assert answer.status_code == 400
    assert f"properties.{field}" in answer.json()["error"]["message"]


def test_an_input_of_another_workspace_is_refused_and_words_of_users_are_left_alone(bench: Bench, team: str) -> None:
    bench.ready()
    path = "datastores/workspaceblobstore/paths/in"
    short = f"subscriptions/sub-1/resourcegroups/group/workspaces/team/{path}"
    for uri in (
        f"azureml://{short}",
        f"/{short}",
        f"azureml:/{short}",
        f"{TEAM}/{path}",
        f"{TEAM}/{path}/",
        f"{TEAM}/{path}/a",
    ):
        assert bench.invoke(uri).status_code == 400, uri
        named = {"dataType": "uri_folder", "dataUri": uri}
        assert bench.client.put(f"{WS}/data/y/versions/1", json={"properties": named}).status_code == 400, uri
    assert bench.invoke(f"{WS}/{path}").status_code == 201
    tagged = bench.client.put(
        f"{WS}/data/x/versions/1",
        json={
            "properties": {"dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/in"}
            | {"tags": {"from": f"{TEAM}/data/x/versions/1"}}
        },
    )
    assert tagged.is_success, tagged.text


def test_endpoints_of_one_name_have_scoring_uris_of_their_own(bench: Bench, team: str) -> None:
    bench.endpoint()
    body = {"properties": {"authMode": "aadToken"}}
    theirs = bench.client.put(f"{team}/batchEndpoints/digits", json=body).json()["properties"]["scoringUri"]
    ours = bench.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["scoringUri"]
    assert ours == f"{BASE}/invoke{WS}/batchEndpoints/digits/jobs"
    assert theirs == f"{BASE}/invoke{TEAM}/batchEndpoints/digits/jobs"
    refused = bench.client.delete(team)
    assert refused.status_code == 409
    assert "endpoint 'digits'" in refused.json()["error"]["message"]


def test_jobs_runs_and_next_links_are_of_their_workspace(bench: Bench, team: str) -> None:
    bench.ready()
    name = bench.invoke(INPUT).json()["name"]
    assert bench.client.get(f"{WS}/jobs/{name}").status_code == 200
    assert bench.client.get(f"{team}/jobs/{name}").status_code == 404
    assert bench.client.get(f"/history/v1.0{WS}/runs/{name}/details").status_code == 200
    assert bench.client.get(f"/history/v1.0{team}/runs/{name}/details").status_code == 404
    for other in ("aaa", "bbb", "digits"):
        assert bench.client.put(f"{team}/batchEndpoints/{other}", json={"properties": {}}).is_success
    assert bench.client.get(f"/mferp/managementfrontend{team}/batchEndpoints/digits/jobs").json()["value"] == []
    link = bench.client.get(f"{team.lower()}/batchEndpoints?$top=1").json()["nextLink"]
    assert link.startswith(f"{BASE}{TEAM}/batchEndpoints?")
    assert [value["name"] for value in bench.client.get(link).json()["value"]] == ["bbb"]
