"""Invoking, and what is shown of jobs."""

from __future__ import annotations

import pytest

from .bench import BASE, INPUT, WS, Bench


def test_an_invocation_is_answered_with_the_job_at_once(bench: Bench) -> None:
    bench.ready()

    answer = bench.invoke()

    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert job["id"] == f"{WS}/jobs/{job['name']}"
    shown = bench.client.get(job["id"]).json()["properties"]
    assert (shown["jobType"], shown["status"]) == ("Pipeline", "Queued")
    assert shown["batchyard"]["deployment"] == "blue"


def test_the_same_request_id_gives_the_same_job(bench: Bench) -> None:
    bench.ready()

    first, second = (bench.invoke(headers={"repeatability_request-id": "r1"}).json() for _ in range(2))

    assert first["name"] == second["name"]


def test_a_header_names_the_deployment(bench: Bench) -> None:
    bench.ready()
    bench.deployment("green")
    bench.provision()

    job = bench.invoke(headers={"azureml-model-deployment": "green"}).json()
    missing = bench.invoke(headers={"azureml-model-deployment": "gren"})

    assert bench.client.get(job["id"]).json()["properties"]["batchyard"]["deployment"] == "green"
    assert missing.status_code == 404
    assert "'green'" in missing.json()["error"]["message"]


def test_a_name_that_the_sdk_still_sends_from_an_earlier_call_leads_to_the_default(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ready()
    stale = {"azureml-model-deployment": "elsewhere"}
    sdk = {"user-agent": "azure-ai-ml/1.35.2 azsdk-python-core/1.41.0"}

    job = bench.invoke(headers={**stale, **sdk})
    shown = bench.client.get(f"{WS}/jobs/{job.json()['name']}").json()["properties"]["batchyard"]

    assert (job.status_code, shown["deployment"], shown["routedBy"]) == (201, "blue", "default_for_stale_name")
    assert "stale header" in caplog.text
    assert bench.invoke(headers=stale).status_code == 404
    named = bench.invoke(headers={"azureml-model-deployment": "blue", **sdk}).json()["name"]
    assert bench.client.get(f"{WS}/jobs/{named}").json()["properties"]["batchyard"]["routedBy"] == "named"


def test_an_empty_input_is_refused_and_makes_no_job(bench: Bench) -> None:
    bench.ready()

    answer = bench.invoke("azureml://datastores/workspaceblobstore/paths/nothing")

    assert answer.status_code == 400
    assert bench.client.get(f"{WS}/jobs").json()["value"] == []


def test_a_deployment_that_is_not_provisioned_takes_no_job(bench: Bench) -> None:
    bench.prerequisites()
    bench.deployment()
    bench.upload("in/a.txt", "a")

    answer = bench.invoke(headers={"azureml-model-deployment": "blue"})

    assert answer.status_code == 409


def test_jobs_are_listed_by_status_endpoint_and_deployment(bench: Bench) -> None:
    bench.ready()
    first, second = bench.invoke().json()["name"], bench.invoke().json()["name"]
    bench.client.post(f"{WS}/jobs/{first}/cancel")

    def listed(query: str) -> list[str]:
        return [job["name"] for job in bench.client.get(f"{WS}/jobs?{query}").json()["value"]]

    assert listed("listViewType=ActiveOnly") == [second, first]
    assert listed("status=queued") == [second]
    assert listed("status=Queued,Canceled&endpoint=digits&deployment=blue") == [second, first]
    assert listed("status=Queued&status=Canceled&deployment=green") == []


def test_an_unknown_status_is_told_with_the_known_ones(bench: Bench) -> None:
    answer = bench.client.get(f"{WS}/jobs?status=Done")

    assert answer.status_code == 400
    assert "CancelRequested" in answer.json()["error"]["message"]


def test_a_queued_job_is_cancelled_at_once_and_again_without_effect(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()["id"]

    answers = [bench.client.post(f"{job}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert bench.client.get(job).json()["properties"]["status"] == "Canceled"


def test_the_child_of_a_job_is_shown_with_null_properties(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()

    child = bench.client.get(f"{job['id']}-batchscoring")

    assert child.status_code == 200
    assert child.json()["properties"] is None
    assert bench.client.get(f"{WS}/jobs/none-batchscoring").status_code == 404


@pytest.mark.parametrize("deployment", ["", "/deployments/blue"])
def test_the_sdk_lists_the_jobs_of_an_endpoint_at_the_management_front_end(bench: Bench, deployment: str) -> None:
    bench.ready()
    job = bench.invoke().json()

    listed = bench.client.get(f"/mferp/managementfrontend{WS}/batchEndpoints/digits{deployment}/jobs").json()

    assert [one["name"] for one in listed["value"]] == [job["name"]]
    assert listed["nextLink"] is None


def test_logs_of_a_run_have_urls_that_work_without_a_token(bench: Bench) -> None:
    bench.ready()
    name = bench.invoke().json()["name"]
    folder = bench.home / "datastores/workspaceartifactstore/ExperimentRun" / f"dcid.{name}"
    (folder / "logs/user").mkdir(parents=True)
    (folder / "logs/user/a b#.txt").write_text("hello")

    details = bench.client.get(f"/history/v1.0{WS}/runs/{name}/details").json()

    assert set(details["logFiles"]) == {"logs/user/a b#.txt", "user_logs/std_log.txt"}
    assert details["status"] == "Queued"
    for url in details["logFiles"].values():
        assert url.startswith(BASE)
        assert bench.stranger.get(url).text == "hello"


@pytest.mark.parametrize("uri", ["azureml:numbers:1", "azureml:numbers@latest", f"{WS}/data/numbers/versions/1"])
def test_a_data_asset_is_scored_where_its_data_lies_and_the_job_says_which(bench: Bench, uri: str) -> None:
    bench.ready()
    bench.data("numbers", "in/")

    job = bench.client.get(f"{WS}/jobs/{bench.invoke(uri).json()['name']}").json()["properties"]

    lies = "azureml://datastores/workspaceblobstore/paths/in/"
    assert job["batchyard"]["input"] == {"type": "uri_folder", "uri": lies, "dataAsset": "azureml:numbers:1"}
    assert job["inputs"]["data"]["uri"] == lies


def test_an_unknown_data_asset_is_refused_with_near_names(bench: Bench) -> None:
    bench.ready()
    bench.data("numbers", "in/")

    answer = bench.invoke("azureml:number:1")

    assert answer.status_code == 400
    assert "numbers" in answer.text
    assert "azureml:NAME@latest" in bench.invoke("azureml:numbers").text


def test_a_batch_job_has_one_child_without_children_and_without_the_batchrun_tag(bench: Bench) -> None:
    bench.ready()
    name = bench.invoke().json()["name"]
    history = f"/history/v1.0{WS}/runs"

    run = bench.client.get(f"{history}/{name}").json()
    (child,) = bench.client.get(f"{history}/{name}/children").json()["value"]
    grandchildren = bench.client.get(f"{history}/{child['runId']}/children").json()["value"]

    assert (child["parentRunId"], child["displayName"], grandchildren) == (name, "batchscoring", [])
    assert run["tags"]["azureml.batchrun"] == "true"
    assert "azureml.batchrun" not in child["tags"]
    assert bench.client.get(f"{history}/unknown/children").status_code == 404


def test_the_output_of_a_completed_run_is_found_through_its_id(bench: Bench) -> None:
    bench.ready()
    name = bench.invoke().json()["name"]
    before = bench.client.post(f"/history/v1.0{WS}/rundata", json={"runId": name, "selectRunMetadata": True}).json()
    bench.complete(name)

    after = bench.client.post(f"/history/v1.0{WS}/rundata", json={"runId": f"{name}-batchscoring"}).json()
    score, logs = (after["runMetadata"]["outputs"][kind] for kind in ("score", "default"))
    resolve = f"/data/v1.0{WS}/dataversion/batchGetResolvedUris"
    found = bench.client.post(resolve, json={"values": [score["assetId"], logs["assetId"]]}).json()["values"]

    assert list(before["runMetadata"]["outputs"]) == ["default"]
    assert found[logs["assetId"]]["uri"].endswith(f"/workspaceartifactstore/paths/ExperimentRun/dcid.{name}/")
    assert score["type"] == "uri_folder"
    uri = found[score["assetId"]]["uri"]
    assert uri.startswith("azureml://subscriptions/")
    assert uri.endswith(f"/datastores/workspaceblobstore/paths/azureml/{name}/score/")
    assert bench.client.post(resolve, json={"values": ["azureml://jobs/unknown/outputs/score"]}).status_code == 404
    assert bench.client.post(resolve, json={"values": ["../../etc"]}).status_code == 400


def test_a_run_is_shown_for_a_job_and_for_its_child(bench: Bench) -> None:
    bench.ready()
    name = bench.invoke().json()["name"]

    run = bench.client.get(f"/history/v1.0{WS}/runs/{name}").json()
    child = bench.client.get(f"/history/v1.0{WS}/runs/{name}-batchscoring").json()

    assert (run["runId"], run["parentRunId"]) == (name, None)
    assert (child["runId"], child["parentRunId"]) == (f"{name}-batchscoring", name)
    assert run["createdUtc"] and run["lastModifiedUtc"]


def test_a_cancelled_job_is_resumed_with_other_settings_and_the_change_is_audited(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()["id"]
    bench.client.post(f"{job}/cancel")

    answer = bench.client.post(
        f"{job}/resume", json={"properties": {"errorThreshold": 7}}, headers={"x-batchyard-ticket": "T-1"}
    )

    assert answer.status_code == 200, answer.text
    ours = answer.json()["properties"]["batchyard"]
    assert (answer.json()["properties"]["status"], ours["run"]) == ("Queued", 2)
    assert ours["settings"]["errorThreshold"] == 7
    assert [(r["kind"], r["overrides"], r["before"]["status"]) for r in ours["reruns"]] == [
        ("resume", {"error_threshold": 7}, "Canceled")
    ]
    with bench.records.reading() as tx:
        entry = tx.audit.list(action="jobs/resume")[0]
    assert (entry.ticket, entry.details["error_threshold"], entry.details["run"]) == ("T-1", "7", "2")


def test_a_resume_that_is_refused_says_every_mistake(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()["id"]
    bench.client.post(f"{job}/cancel")

    wrong = {"properties": {"miniBatchSize": 5, "outputFileName": "b.csv", "compute": {"instanceCount": 99}}}
    answer = bench.client.post(f"{job}/resume", json=wrong)

    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert all(name in message for name in ("mini_batch_size", "output_file_name", "instance_count")), message
    assert bench.client.get(job).json()["properties"]["status"] == "Canceled"


def test_there_is_no_part_of_a_job_that_was_not_begun_and_no_unknown_snapshot_of_it(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()["name"]
    run = f"/history/v1.0{WS}/runs/{job}/partial"

    assert bench.client.get(run).status_code == 409
    (bench.home / "jobs" / job / "ledger").mkdir(parents=True)
    assert bench.client.get(run).status_code == 409
    for snapshot in ("x", "1-99", "1-19.", "9" * 30):
        for what in ("rows", "failedItems"):
            assert bench.client.get(f"{run}/{snapshot}/{what}").status_code == 404, snapshot


def test_a_queued_job_is_paused_at_once_continued_and_both_are_audited(bench: Bench) -> None:
    bench.ready()
    job = bench.invoke().json()["id"]
    why = {"x-batchyard-reason": "urgent job"}

    paused = [bench.client.post(f"{job}/pause", headers=why) for _ in range(2)]
    assert [answer.json()["properties"]["status"] for answer in paused] == ["Paused", "Paused"]
    assert bench.client.post(f"{job}/resume").status_code == 409
    assert bench.client.post(f"{job}/continue").json()["properties"]["status"] == "Queued"
    assert bench.client.post(f"{job}/continue").status_code == 409

    with bench.records.reading() as tx:
        pauses, goes_on = tx.audit.list(action="jobs/pause"), tx.audit.list(action="jobs/continue")
    assert [(entry.reason, entry.details["status_after"]) for entry in pauses] == [("urgent job", "Paused")]
    assert len(goes_on) == 1


def test_a_job_is_polled_below_the_scoring_uri_of_its_own_endpoint_alone(bench: Bench) -> None:
    bench.ready()
    bench.endpoint("other")
    scoring = bench.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["scoringUri"].removeprefix(BASE)
    job = bench.client.post(scoring, json={"properties": {"dataset": {"dataInputType": "DataUrl", "Path": INPUT}}})

    polled = bench.client.get(f"{scoring}/{job.json()['name']}")
    elsewhere = bench.client.get(f"{scoring.replace('digits', 'other')}/{job.json()['name']}")

    assert (polled.status_code, polled.json()["properties"]["status"]) == (200, "Queued")
    assert elsewhere.status_code == 404
    assert "'other' has no job" in elsewhere.json()["error"]["message"]


def test_a_comma_behind_the_last_entry_is_taken_and_one_in_a_text_is_kept(bench: Bench) -> None:
    body = b'{"tags": {"a": "x,}", "b": "\\",]",}, "properties": {"authMode": "aadToken",\n },\t}'

    made = bench.client.put(f"{WS}/batchEndpoints/trailing", content=body)

    assert made.status_code == 201, made.text
    assert made.json()["tags"] == {"a": "x,}", "b": '",]'}
    for broken in (b'{"a": 1,,}', b'{"a": "x,}', b'{"' + b'\\"' * 200_000, b"{" + b"," * 200_000 + b"}"):
        assert bench.client.put(f"{WS}/batchEndpoints/broken", content=broken).status_code == 400


def test_a_put_says_where_to_poll_and_does_not_keep_it(bench: Bench) -> None:
    bench.prerequisites()
    endpoint = bench.client.put(f"{WS}/batchEndpoints/digits", json={"properties": {"properties": {"a": "b"}}}).json()
    told = endpoint["properties"]["properties"]
    again = bench.client.put(f"{WS}/batchEndpoints/digits", json=endpoint)
    made = bench.deployment()
    running = bench.client.get(made.json()["properties"]["properties"]["AzureAsyncOperationUri"]).json()["status"]
    waiting = bench.client.get(made.headers["location"])
    bench.provision()

    assert bench.client.get(told["AzureAsyncOperationUri"]).json()["status"] == "Succeeded"
    assert again.status_code == 200
    assert bench.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["properties"] == {"a": "b"}
    assert made.headers["azure-asyncoperation"] == made.json()["properties"]["properties"]["AzureAsyncOperationUri"]
    assert (running, waiting.status_code, waiting.headers["location"]) == ("InProgress", 202, made.headers["location"])
    done = bench.client.get(made.headers["location"], follow_redirects=True)
    assert (done.json()["name"], done.json()["properties"]["provisioningState"]) == ("blue", "Succeeded")


RUNS = f"/history/v1.0{WS}"


@pytest.mark.parametrize("place", ["runs", "experiments/digits/runs", "experimentids/any/runs"])
def test_a_job_is_edited_and_archived_through_its_run(bench: Bench, place: str) -> None:
    bench.ready()
    job = bench.invoke().json()["name"]

    body = {"displayName": "Two", "tags": {"team": "x"}, "hidden": True}
    answer = bench.client.patch(f"{RUNS}/{place}/{job}", json=body)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["displayName"], answer.json()["hidden"]) == ("Two", True)
    shown = bench.client.get(f"{WS}/jobs/{job}").json()["properties"]
    assert (shown["displayName"], shown["tags"]["team"], shown["isArchived"]) == ("Two", "x", True)
    with bench.records.reading() as tx:
        row = tx.audit.list(target=f"jobs/{job}", action="jobs/write")[0]
    assert row.details == {"changed": "display_name, tags, is_archived", "is_archived": "true"}


def test_a_job_that_was_fetched_and_changed_may_be_put_back(bench: Bench) -> None:
    bench.ready()
    job = bench.client.get(bench.invoke().json()["id"]).json()
    job["properties"]["description"] = "why"

    first, again = (bench.client.put(job["id"], json=job) for _ in range(2))

    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.json()["properties"]["description"] == "why"
    with bench.records.reading() as tx:
        assert len(tx.audit.list(target=f"jobs/{job['name']}", action="jobs/write")) == 1


def test_a_put_of_a_job_of_no_kind_says_how_jobs_are_made(bench: Bench) -> None:
    answer = bench.client.put(f"{WS}/jobs/new", json={"properties": {}})

    assert answer.status_code == 400
    assert "by invoking a batch endpoint" in answer.json()["error"]["details"][0]["message"]


@pytest.mark.parametrize(("method", "place"), [("PUT", f"{WS}/jobs"), ("PATCH", f"{RUNS}/runs")])
def test_the_step_of_a_job_cannot_be_changed(bench: Bench, method: str, place: str) -> None:
    bench.ready()
    job = bench.invoke().json()["name"]

    answer = bench.client.request(method, f"{place}/{job}-batchscoring", json={"description": "x"})

    assert answer.status_code == 409
    assert repr(job) in answer.json()["error"]["message"]


def test_archived_jobs_are_listed_where_they_are_asked_for(bench: Bench) -> None:
    bench.ready()
    first, second = bench.invoke().json()["name"], bench.invoke().json()["name"]
    bench.client.patch(f"{RUNS}/runs/{first}", json={"hidden": True})

    def listed(place: str) -> list[str]:
        return [job["name"] for job in bench.client.get(place).json()["value"]]

    assert listed(f"{WS}/jobs") == listed(f"{WS}/jobs?listViewType=ActiveOnly") == [second]
    assert listed(f"{WS}/jobs?listViewType=ArchivedOnly") == [first]
    assert listed(f"{WS}/jobs?listViewType=all") == [second, first]
    assert listed(f"/mferp/managementfrontend{WS}/batchEndpoints/digits/jobs") == [second]


def test_jobs_are_listed_by_tag_compute_and_time_over_pages(bench: Bench) -> None:
    bench.ready()
    jobs = [bench.invoke().json()["name"] for _ in range(4)]
    for name in jobs[:3]:
        bench.client.patch(f"{RUNS}/runs/{name}", json={"tags": {"team": "a&b"}})
    last = bench.client.get(f"{WS}/jobs/{jobs[2]}").json()["systemData"]["createdAt"].replace("+", "%2B")

    query = f"tag=team=a%26b&tag=team&compute=cpu&createdFrom=2026-01-01&createdBefore={last}&$top=1"
    first = bench.client.get(f"{WS}/jobs?{query}").json()
    second = bench.client.get(first["nextLink"]).json()

    assert [job["name"] for job in first["value"] + second["value"]] == [jobs[1], jobs[0]]
    assert second["nextLink"] is None


def test_a_filter_that_cannot_be_read_is_told_with_all_others(bench: Bench) -> None:
    answer = bench.client.get(f"{WS}/jobs?status=Done&createdFrom=yesterday&tag==x&listViewType=Some&compute=%00")

    assert answer.status_code == 400
    fields = {detail["target"] for detail in answer.json()["error"]["details"]}
    assert fields == {"status", "createdFrom", "tag", "listViewType", "compute"}


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00%2B23:59", "9999-12-31T23:59-23:59", "2026-11-23T08:00Z", "20261123"]
)
def test_any_time_that_can_be_written_is_compared_or_told(bench: Bench, time: str) -> None:
    for name in ("createdFrom", "createdBefore"):
        assert bench.client.get(f"{WS}/jobs?{name}={time}").status_code in (200, 400)
