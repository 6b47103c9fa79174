"""ARM resources: made, changed, shown, listed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.api.arm_paths import canonical_path
from batchyard.control import provisioning
from batchyard.domain.jobs import Owner
from batchyard.domain.resource_ids import DEFAULT_SCOPE

from .bench import BASE, WS, Bench


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [value["name"] for value in answer.json()["value"]]


def test_the_workspace_says_where_discovery_is(bench: Bench) -> None:
    shown = bench.client.get(WS).json()

    assert shown["location"] == "local"
    assert shown["properties"]["discoveryUrl"] == f"{BASE}/discovery"


def test_paths_are_compared_without_case_and_names_with(bench: Bench) -> None:
    bench.compute("Cpu")
    path = f"{WS}/computes/Cpu"

    assert bench.client.get(path.replace("resourceGroups", "resourcegroups").replace("computes", "COMPUTES")).is_success
    assert bench.client.get(path.replace("workspaces/default", "Workspaces/DEFAULT")).is_success
    assert bench.client.get(f"{WS}/computes/CPU").status_code == 404


@pytest.mark.parametrize("prefix", ["", "/invoke", "/history/v1.0", "/mferp/managementfrontend"])
def test_the_known_words_of_a_path_get_one_spelling(prefix: str) -> None:
    given = prefix + WS.lower() + "/batchendpoints/JOBS/Jobs"

    assert canonical_path(given, DEFAULT_SCOPE) == prefix + WS + "/batchEndpoints/JOBS/jobs"


@pytest.mark.parametrize("path", ["/blob/x.blob.core.windows.net/c/subscriptions/a", "/health", "", "/", WS[:-9]])
def test_other_paths_keep_their_spelling(path: str) -> None:
    assert canonical_path(path, DEFAULT_SCOPE) == path


def test_datastores_lead_to_the_blob_gateway_of_the_host_that_was_asked(bench: Bench) -> None:
    listed = bench.client.get(f"{WS}/datastores")
    default = bench.client.get(f"{WS}/datastores?isDefault=true&count=30&orderByAsc=false")
    one = bench.client.get(f"{WS}/datastores/workspaceblobstore").json()

    assert names(listed) == ["workspaceblobstore", "workspaceartifactstore"]
    assert names(default) == ["workspaceblobstore"]
    assert one["properties"]["accountName"] == "localhost:8443/blob/workspaceblobstore"
    assert bench.client.post(f"{WS}/datastores/workspaceblobstore/listSecrets").json() == {"secretsType": "None"}
    assert bench.client.get(f"{WS}/datastores/other").status_code == 404


def test_a_put_makes_with_201_and_changes_with_200(bench: Bench) -> None:
    first, second = bench.compute(), bench.compute(most=3)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == f"{WS}/computes/cpu"
    assert first.headers["etag"] != second.headers["etag"]
    assert second.json()["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 3


def test_what_is_made_anew_after_a_delete_is_201_again(bench: Bench) -> None:
    bench.compute()
    bench.client.delete(f"{WS}/computes/cpu")

    assert bench.compute().status_code == 201


def test_a_delete_answers_200_and_then_204(bench: Bench) -> None:
    bench.compute()

    answers = [bench.client.delete(f"{WS}/computes/cpu?underlyingResourceAction=Delete") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 204]


@pytest.mark.parametrize("form", ['"{etag}"', "{etag}", 'W/"{etag}"'])
def test_a_change_with_the_current_etag_passes(bench: Bench, form: str) -> None:
    etag = bench.endpoint().json()["etag"]

    answer = bench.endpoint(headers={"If-Match": form.format(etag=etag)})

    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{answer.json()["etag"]}"'


def test_a_change_or_delete_with_an_old_etag_is_412_and_changes_nothing(bench: Bench) -> None:
    old = bench.endpoint().headers["etag"]
    new = bench.endpoint().headers["etag"]
    path, body = f"{WS}/batchEndpoints/digits", {"properties": {"authMode": "aadToken", "description": "x"}}

    put = bench.client.put(path, json=body, headers={"If-Match": old})
    deleted = bench.client.delete(path, headers={"If-Match": old})

    assert (put.status_code, deleted.status_code) == (412, 412)
    assert put.json()["error"]["code"] == "PreconditionFailed"
    assert bench.client.get(path).headers["etag"] == new


def test_if_match_star_refuses_what_does_not_exist(bench: Bench) -> None:
    body = {"properties": {"authMode": "aadToken"}}

    assert bench.client.put(f"{WS}/batchEndpoints/digits", json=body, headers={"If-Match": "*"}).status_code == 412


def test_lists_come_in_pages_with_absolute_links_that_keep_the_query(bench: Bench) -> None:
    for name in ("aaa", "bbb", "ccc"):
        bench.compute(name)

    first = bench.client.get(f"{WS}/computes?api-version=2023-08-01&$top=2&x=%C3%BC").json()
    second = bench.client.get(first["nextLink"]).json()

    assert first["nextLink"].startswith(f"{BASE}{WS}/computes?$top=2&x=%C3%BC&$skipToken=")
    assert [value["name"] for value in first["value"] + second["value"]] == ["aaa", "bbb", "ccc"]
    assert second["nextLink"] is None


@pytest.mark.parametrize("query", ["$top=0", "$top=-1", "$top=many", "$skipToken=forged", "$top=²"])
def test_a_page_that_cannot_be_is_refused(bench: Bench, query: str) -> None:
    assert bench.client.get(f"{WS}/computes?{query}").status_code == 400


def test_models_are_registered_and_found_by_version_and_label(bench: Bench) -> None:
    assert bench.model().status_code == 201
    bench.model(version="2", text="better")

    container = bench.client.get(f"{WS}/models/net").json()["properties"]
    newest = bench.client.get(f"{WS}/models/net/versions?$orderBy=createdtime desc&$top=1")

    assert (container["latestVersion"], container["nextVersion"]) == ("2", "3")
    assert names(newest) == ["2"]
    assert bench.client.get(f"{WS}/models/net/versions/latest").json()["name"] == "2"
    assert bench.client.get(f"{WS}/models/net/versions/1").json()["id"] == f"{WS}/models/net/versions/1"
    assert bench.client.get(f"{WS}/models/net/versions/9").status_code == 404
    assert names(bench.client.get(f"{WS}/models")) == ["net"]


def test_a_model_can_take_the_next_number_in_one_request(bench: Bench) -> None:
    bench.model()
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/models/net/1/net.bin"}}

    made = bench.client.post(f"{WS}/models/net/versions", json=body)

    assert made.status_code == 201, made.text
    assert made.json()["name"] == "2"


def test_another_path_for_a_version_is_refused_in_azures_words(bench: Bench) -> None:
    bench.model()
    bench.upload("other/net.bin", "other")
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/other/net.bin"}}

    answer = bench.client.put(f"{WS}/models/net/versions/1", json=body)

    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == "(UserError) Asset paths cannot be updated."


def test_a_model_keeps_its_seal_when_it_is_archived_after_its_upload_is_gone(bench: Bench) -> None:
    made = bench.model().json()
    (bench.home / "datastores/workspaceblobstore/models/net/1/net.bin").unlink()

    archived = bench.put("/models/net/versions/1", {**made["properties"], "isArchived": True})

    assert archived.status_code == 200
    assert archived.json()["properties"]["sha256"] == made["properties"]["sha256"]
    assert names(bench.client.get(f"{WS}/models/net/versions")) == []
    assert names(bench.client.get(f"{WS}/models/net/versions?listViewType=All")) == ["1"]


def test_all_versions_of_a_model_are_archived_and_brought_back_by_its_container(bench: Bench) -> None:
    bench.model()
    bench.model(version="2", text="better")

    bench.put("/models/net", {"isArchived": True})
    archived = [names(bench.client.get(f"{WS}/models?listViewType={view}")) for view in ("ActiveOnly", "ArchivedOnly")]
    versions = names(bench.client.get(f"{WS}/models/net/versions?listViewType=ArchivedOnly"))
    bench.put("/models/net", {"isArchived": False})

    assert archived == [[], ["net"]]
    assert versions == ["2", "1"]
    assert names(bench.client.get(f"{WS}/models/net/versions")) == ["2", "1"]
    assert bench.client.put(f"{WS}/models/none", json={"properties": {"isArchived": True}}).status_code == 404
    assert bench.client.put(f"{WS}/models/net", json={"properties": {}}).status_code == 400
    assert names(bench.client.get(f"{WS}/models?listViewType=ArchivedOnly")) == []


def test_a_model_of_nothing_is_refused_naming_the_place(bench: Bench) -> None:
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/missing"}}

    answer = bench.client.put(f"{WS}/models/net/versions/1", json=body)

    assert answer.status_code == 400
    assert "missing" in answer.json()["error"]["details"][0]["message"]


def test_environments_that_cannot_be_built_are_refused(bench: Bench) -> None:
    assert bench.environment().status_code == 201
    answer = bench.client.put(f"{WS}/environments/env/versions/2", json={"properties": {"image": "impossible"}})

    assert answer.status_code == 400
    assert (
        bench.client.post(f"{WS}/environments/env/versions", json={"properties": {"condaFile": "name: x\n"}}).json()[
            "name"
        ]
        == "2"
    )


def test_code_is_uploaded_by_a_signed_url_and_sealed(bench: Bench) -> None:
    made = bench.code()

    assert made.status_code == 201
    assert made.json()["properties"]["sha256"]
    assert (bench.home / "sealed" / made.json()["properties"]["sha256"] / "score.py").is_file()
    assert bench.client.get(f"{WS}/codes/src/versions/1").status_code == 200
    assert names(bench.client.get(f"{WS}/codes/src/versions")) == ["1"]


def test_code_is_found_by_hash_below_any_name(bench: Bench) -> None:
    sha256 = bench.code().json()["properties"]["sha256"]

    assert names(bench.client.get(f"{WS}/codes/made-up/versions?hash={sha256}&hashVersion=202208")) == ["1"]
    assert names(bench.client.get(f"{WS}/codes/made-up/versions?hash=00&hashVersion=202208")) == []


def test_the_reason_and_ticket_of_a_new_default_stand_in_its_history(bench: Bench) -> None:
    bench.ready()
    bench.deployment("green")
    bench.provision()
    why = {b"x-batchyard-reason": "größer".encode(), b"x-batchyard-ticket": b"OPS-1"}

    shown = bench.endpoint(default="green", headers=why).json()["properties"]

    assert shown["defaults"] == {"deploymentName": "green"}
    newest = shown["defaultHistory"][0]
    assert (newest["before"], newest["after"]) == ("blue", "green")
    assert (newest["reason"], newest["ticket"]) == ("größer", "OPS-1")


def test_a_reason_longer_than_a_person_writes_is_refused(bench: Bench) -> None:
    body = {"properties": {"authMode": "aadToken"}}

    answer = bench.client.put(f"{WS}/batchEndpoints/d1", json=body, headers={"x-batchyard-reason": "x" * 3000})

    assert answer.status_code == 400


def test_an_endpoint_has_a_scoring_uri_and_always_an_object_of_defaults(bench: Bench) -> None:
    shown = bench.endpoint().json()["properties"]

    assert shown["scoringUri"] == f"{BASE}/invoke{WS}/batchEndpoints/digits/jobs"
    assert shown["defaults"] == {"deploymentName": None}
    assert names(bench.client.get(f"{WS}/batchEndpoints")) == ["digits"]


def test_a_deployment_that_must_be_built_names_an_operation_to_poll(bench: Bench) -> None:
    bench.prerequisites()

    made = bench.deployment()
    url = made.headers["azure-asyncoperation"]
    running = bench.client.get(url)
    bench.provision()
    ended = bench.client.get(url)

    assert (made.status_code, made.headers["retry-after"]) == (201, "1")
    assert made.json()["properties"]["provisioningState"] == "Creating"
    assert (running.json()["status"], running.headers["retry-after"]) == ("InProgress", "1")
    assert ended.json()["status"] == "Succeeded"
    assert "retry-after" not in ended.headers
    assert bench.client.get(f"{WS}/batchDeploymentOperations/none").status_code == 404


def test_a_deployment_with_nothing_new_to_build_is_done_at_once(bench: Bench) -> None:
    bench.ready()

    changed = bench.deployment(miniBatchSize=20)

    assert changed.status_code == 200
    assert "azure-asyncoperation" not in changed.headers
    assert changed.json()["properties"]["provisioningState"] == "Succeeded"
    assert changed.json()["properties"]["isDefault"] is True


def test_a_deployment_shows_which_revision_serves(bench: Bench) -> None:
    bench.ready()
    path = f"{WS}/batchEndpoints/digits/deployments"

    shown = bench.client.get(f"{path}/blue").json()["properties"]
    listed = bench.client.get(path)

    assert shown["servingRevision"] == shown["revision"]
    assert names(listed) == ["blue"]
    assert bench.client.get(f"{path}/bleu").status_code == 404


def test_an_old_revision_is_shown_by_its_number(bench: Bench) -> None:
    bench.ready()
    bench.deployment(miniBatchSize=20)
    path = f"{WS}/batchEndpoints/digits/deployments/blue"

    first, newest = (bench.client.get(f"{path}?revision={number}").json()["properties"] for number in (2, 3))

    assert (first["revision"], first["miniBatchSize"]) == (2, 10)
    assert newest == bench.client.get(path).json()["properties"]
    assert bench.client.get(f"{path}?revision=9").status_code == 404
    for wrong in ("x", "", "-1", "1.0", "9" * 30, "٣"):
        assert bench.client.get(path, params={"revision": wrong}).status_code == 400


def test_a_failed_deployment_and_its_operation_name_the_log(bench: Bench) -> None:
    bench.prerequisites()
    made = bench.deployment()
    with bench.records.writing() as tx:
        operation = tx.operations.claim_next(Owner("boot", 1, 1), lease_s=60)
        assert operation is not None
        provisioning.fail(tx, operation, code="ScriptError", message="No.", now=bench.clock())

    shown = bench.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").json()["properties"]
    ended = bench.client.get(made.headers["azure-asyncoperation"]).json()

    assert shown["provisioningState"] == ended["status"] == "Failed"
    assert shown["provisioningLog"] == ended["properties"]["log"]
    assert f"operation-{operation.id}/build.txt" in shown["provisioningLog"]


def test_all_mistakes_of_a_deployment_are_told_at_once(bench: Bench) -> None:
    bench.prerequisites()
    body = bench.deployment_body(
        compute=f"{WS}/computes/none", environmentId=f"{WS}/environments/none/versions/1", miniBatchSize=0
    )

    answer = bench.client.put(f"{WS}/batchEndpoints/digits/deployments/blue", json={"properties": body})

    assert answer.status_code == 400
    assert len(answer.json()["error"]["details"]) >= 1
    assert bench.client.get(f"{WS}/batchEndpoints/digits/deployments").json()["value"] == []


def test_the_default_deployment_is_deleted_only_by_force(bench: Bench) -> None:
    bench.ready()
    path = f"{WS}/batchEndpoints/digits/deployments/blue"

    assert bench.client.delete(path).status_code == 409
    assert bench.client.delete(f"{path}?force=true").status_code == 200
    assert bench.client.delete(path).status_code == 204
    shown = bench.client.get(f"{WS}/batchEndpoints/digits").json()
    assert shown["properties"]["defaults"] == {"deploymentName": None}


def test_an_endpoint_goes_with_its_deployments(bench: Bench) -> None:
    bench.ready()

    assert bench.client.delete(f"{WS}/batchEndpoints/digits").status_code == 200
    assert bench.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").status_code == 404


def test_a_compute_in_use_is_not_deleted(bench: Bench) -> None:
    bench.ready()

    answer = bench.client.delete(f"{WS}/computes/cpu")

    assert answer.status_code == 409
    assert "digits/blue" in answer.json()["error"]["message"]


def test_a_patch_changes_what_it_names_and_leaves_the_rest(bench: Bench) -> None:
    bench.ready()
    before = bench.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").json()

    patch = {"Tags": {"team": "x"}, "properties": {"MiniBatchSize": 3, "retrySettings": {"maxRetries": 0}}}
    changed = bench.client.patch(f"{WS}/batchEndpoints/digits/deployments/blue", json=patch)
    bench.provision()
    after = bench.client.get(f"{WS}/batchEndpoints/digits/deployments/blue").json()

    assert changed.status_code == 200, changed.text
    assert after["tags"] == {"team": "x"}
    assert (after["properties"]["miniBatchSize"], after["properties"]["retrySettings"]["maxRetries"]) == (3, 0)
    for kept in ("model", "codeConfiguration", "environmentId", "compute", "outputFileName", "errorThreshold"):
        assert after["properties"][kept] == before["properties"][kept]
    assert after["properties"]["retrySettings"]["timeout"] == before["properties"]["retrySettings"]["timeout"]


def test_a_patch_of_an_endpoint_switches_or_removes_its_default_alone(bench: Bench) -> None:
    bench.ready()
    bench.deployment("green")
    bench.provision()
    place = f"{WS}/batchEndpoints/digits"
    described = bench.client.patch(place, json={"properties": {"description": "kept"}})

    switched = bench.client.patch(place, json={"properties": {"defaults": {"deploymentName": "green"}}}).json()
    cleared = bench.client.patch(place, json={"properties": {"defaults": None}}).json()

    assert described.status_code == 200
    assert switched["properties"]["defaults"] == {"deploymentName": "green"}
    assert cleared["properties"]["defaults"] == {"deploymentName": None}
    assert cleared["properties"]["description"] == "kept"
    assert [row["after"] for row in cleared["properties"]["defaultHistory"]][:2] == [None, "green"]
    assert bench.client.patch(f"{WS}/batchEndpoints/nobody", json={}).status_code == 404
    assert bench.client.patch(place, json={}, headers={"If-Match": "other"}).status_code == 412


def test_latest_is_the_same_version_wherever_it_is_written_and_what_it_stood_for_is_recorded(bench: Bench) -> None:
    """The newest by creation that is not archived, whatever its number is."""
    bench.ready()
    bench.upload("in-7/a.txt", "1")
    for version in ("10", "7", "8"):
        bench.model("many", version)
        bench.data("many", "in-7/", version)
        bench.environment("many", version, f"name: v{version}\ndependencies: []\n")
        kinds = ("models", "data", "environments")
    for kind in kinds:
        newest = bench.client.get(f"{WS}/{kind}/many/versions/8").json()["properties"]
        bench.put(f"/{kind}/many/versions/8", {**newest, "isArchived": True})

        shown = bench.client.get(f"{WS}/{kind}/many/versions/latest").json()["id"]
        container = bench.client.get(f"{WS}/{kind}/many").json()["properties"]["latestVersion"]
        query = "$orderBy=createdtime desc&$top=1&listViewType=ActiveOnly"
        listed = bench.client.get(f"{WS}/{kind}/many/versions?{query}").json()["value"][0]["id"]
        assert (shown, container, listed) == (f"{WS}/{kind}/many/versions/7", "7", f"{WS}/{kind}/many/versions/7")

    by_label = {
        "environmentId": "azureml:many@latest",
        "model": {"referenceType": "Id", "assetId": f"{WS}/models/many/labels/latest"},
    }
    bench.deployment("labelled", **by_label)
    made = bench.client.get(f"{WS}/batchEndpoints/digits/deployments/labelled").json()["properties"]
    assert made["environmentId"] == f"{WS}/environments/many/versions/7"
    assert made["model"]["assetId"] == f"{WS}/models/many/versions/7"
    for uri in ("azureml:many@latest", "azureml://locations/x/workspaces/default/data/many/versions/labels/latest"):
        job = bench.invoke(uri=uri).json()
        found = bench.client.get(f"{WS}/jobs/{job['name']}").json()["properties"]["batchyard"]["input"]
        assert found["dataAsset"] == "azureml:many:7"
