from __future__ import annotations

import json

import httpx2
import pytest

from .bench import WS, failure

SCORING = "/invoke/batchEndpoints/digits/jobs"


@pytest.fixture
def data(azure, tmp_path):
    """An endpoint that takes invocations, and a folder to score."""
    azure.put("batchEndpoints/digits", {"scoringUri": f"https://localhost:8443{SCORING}"})
    azure.rules.append(lambda request, path: accepted() if path == SCORING else None)
    folder = tmp_path / "data with space"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"png")
    return folder


def accepted() -> httpx2.Response:
    answer = {"id": f"{WS}/jobs/job-1", "name": "job-1", "type": "t", "properties": {"status": "Queued"}}
    return httpx2.Response(201, json=answer)


def job(status, **ours):
    return httpx2.Response(200, json={"name": "job-1", "properties": {"status": status, "batchyard": ours}})


def counts(done, failed=0):
    return {"items": 100, "succeeded": done - failed, "failed": failed, "skipped": 0, "incomplete": 100 - done}


def invoke(terminal, *args):
    return terminal.run("batch-endpoint", "invoke", "-n", "digits", *args)


def sent(terminal):
    return terminal.azure.body("POST", SCORING)["properties"]


def test_invoke_prints_id_name_type_and_status(terminal, data):
    assert invoke(terminal, "--input", str(data)) == 0, terminal.err

    assert json.loads(terminal.out) == {"id": f"{WS}/jobs/job-1", "name": "job-1", "status": "Queued", "type": "t"}


def test_a_local_folder_is_read_in_place_by_the_users_own_server(terminal, data):
    invoke(terminal, "--input", str(data))

    (given,) = sent(terminal)["inputData"].values()
    assert (given["jobInputType"], given["uri"]) == ("UriFolder", data.as_uri())
    assert terminal.azure.blobs == {}


def test_a_local_file_is_a_uri_file(terminal, data):
    invoke(terminal, "--input", str(data / "1.png"))

    (given,) = sent(terminal)["inputData"].values()
    assert (given["jobInputType"], given["uri"]) == ("UriFile", (data / "1.png").as_uri())


@pytest.mark.parametrize("is_remote", [True, False])
def test_a_local_folder_is_uploaded_when_asked_or_when_the_server_is_elsewhere(terminal, data, is_remote):
    terminal.reads_in_place = not is_remote

    invoke(terminal, "--input", str(data), *([] if is_remote else ["--upload"]))

    (given,) = sent(terminal)["inputData"].values()
    (path,) = terminal.azure.blobs
    assert path.startswith("/blob/workspaceblobstore.blob.core.windows.net/azureml-blobstore/LocalUpload/")
    assert given["uri"].startswith("azureml://datastores/workspaceblobstore/paths/LocalUpload/")
    assert path.endswith(given["uri"].partition("/paths/")[2] + "/1.png")


@pytest.mark.parametrize("uri", ["azureml://datastores/workspaceblobstore/paths/x", "https://example.org/data"])
def test_remote_inputs_pass_through(terminal, data, uri):
    invoke(terminal, "--input", uri)

    (given,) = sent(terminal)["inputData"].values()
    assert given["uri"] == uri


@pytest.mark.parametrize(
    "uri",
    [
        f"{WS}/data/numbers/versions/1",
        f"{WS}/datastores/workspaceblobstore/paths/x",
        f"azureml:{WS}/data/numbers/versions/1",
        "azureml://locations/local/workspaces/default/data/numbers/versions/1",
    ],
)
def test_an_id_of_data_is_no_local_path(terminal, data, uri):
    assert invoke(terminal, "--input", uri) == 0, terminal.err

    (given,) = sent(terminal)["inputData"].values()
    assert given["uri"] == uri


def test_set_names_input_and_output_as_azures_guides_do(terminal, data):
    store = f"{WS}/datastores/workspaceblobstore/paths"
    sets = ["--set", "inputs.n.type=uri_file", f"inputs.n.path={store}/a.csv", "mini_batch_size=3"]

    code = invoke(terminal, *sets, "--set", "outputs.score.type=uri_file", f"outputs.score.path={store}/o.csv")

    assert code == 0, terminal.err
    body = sent(terminal)
    assert list(body["inputData"].values()) == [{"jobInputType": "UriFile", "uri": f"{store}/a.csv"}]
    output = {"jobOutputType": "UriFile", "uri": "azureml://datastores/workspaceblobstore/paths/o.csv"}
    assert (body["outputData"], body["miniBatchSize"]) == ({"score": output}, 3)


def test_a_literal_for_a_model_deployment_is_refused(terminal, data):
    assert invoke(terminal, "--input", str(data), "--set", "inputs.mode.default=append") == 2
    assert "--inputs takes NAME.path" in terminal.err


@pytest.mark.parametrize("flag", ["--input-path", "--input-local-path", "--input-data", "--input-dataset"])
def test_older_names_of_the_input_work_and_say_so(terminal, data, flag):
    assert invoke(terminal, flag, "azureml:numbers:1") == 0, terminal.err

    assert next(iter(sent(terminal)["inputData"].values()))["uri"] == "azureml:numbers:1"
    assert "`--input` now" in terminal.err


def test_an_input_of_the_invoke_file_may_be_its_path_alone(terminal, data):
    file = data.parent / "inputs.yml"
    file.write_text("inputs:\n  numbers: azureml:numbers@latest\n")

    assert invoke(terminal, "--file", str(file)) == 0, terminal.err
    assert next(iter(sent(terminal)["inputData"].values()))["uri"] == "azureml:numbers@latest"


def test_a_folder_whose_name_contains_http_is_local(terminal, data):
    folder = data.parent / "http-logs"
    folder.mkdir()
    (folder / "a").touch()

    invoke(terminal, "--input", str(folder))

    (given,) = sent(terminal)["inputData"].values()
    assert given["uri"] == folder.as_uri()


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_an_input_without_anything_to_score_is_refused_here(terminal, data, what):
    (data.parent / "empty").mkdir()

    assert invoke(terminal, "--input", str(data.parent / what)) == 1
    assert what in terminal.err or "does not exist" in terminal.err
    assert terminal.azure.sent("POST") == []


def test_overrides_come_from_flags_and_set_in_either_spelling(terminal, data):
    args = ["-m", "20", "-c", "2", "--set", "retry_settings.max_retries=0", "error_threshold=5"]

    assert invoke(terminal, "--input", str(data), *args) == 0, terminal.err

    body = sent(terminal)
    assert (body["miniBatchSize"], body["compute"]["instanceCount"]) == (20, 2)
    assert (body["retrySettings"]["maxRetries"], body["errorThreshold"]) == (0, 5)


def test_what_cannot_change_at_invoke_is_refused_with_every_mistake(terminal, data):
    args = ["--input", str(data), "--set", "output_action=summary_only", "mini_batch_size=many"]

    assert invoke(terminal, *args) == 1
    assert "output_action" in terminal.err
    assert "mini_batch_size" in terminal.err
    assert terminal.azure.sent("POST") == []


def test_mistakes_of_input_output_and_overrides_are_told_together(terminal, data):
    args = ["--input", str(data / "gone"), "--output-path", "out", "--set", "mini_batch_size=0x", "colour=red"]

    assert invoke(terminal, *args) == 1
    assert [w for w in ("gone", "--output-path", "mini_batch_size", "colour") if w not in terminal.err] == []
    assert terminal.azure.requests == []


def test_an_unknown_deployment_is_told_before_anything_is_uploaded(terminal, data):
    assert invoke(terminal, "--input", str(data), "-d", "nobody", "--upload") == 3
    assert terminal.azure.sent("PUT") == []


def test_the_deployment_and_a_made_request_id_travel_in_headers(terminal, data):
    terminal.azure.put("batchEndpoints/digits/deployments/candidate", {})

    invoke(terminal, "--input", str(data), "-d", "candidate")

    headers = terminal.azure.requests[-1].headers
    assert headers["azureml-model-deployment"] == "candidate"
    assert len(headers["repeatability_request-id"]) == 36


def test_a_lost_answer_is_asked_for_again_under_the_same_request_id(terminal, data):
    def lost(request):
        raise httpx2.ReadError("reset", request=request)

    terminal.azure.answer_with("POST", SCORING, lost)

    assert invoke(terminal, "--input", str(data), "--request-id", "night-7") == 0

    ids = [r.headers["repeatability_request-id"] for r in terminal.azure.requests if r.method == "POST"]
    assert ids == ["night-7", "night-7"]


def test_the_output_goes_to_a_datastore_only(terminal, data):
    assert invoke(terminal, "--input", str(data), "--output-path", "/tmp/out") == 1
    assert "azureml://datastores/" in terminal.err


def test_an_output_in_another_workspace_is_refused_and_not_written_to_ours(terminal, data):
    place = "datastores/workspaceblobstore/paths/out"
    ours = "subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/LOCAL/workspaces/default"

    assert invoke(terminal, "--input", str(data), "--output-path", f"azureml://{ours}2/{place}") == 1
    assert "a datastore of the workspace 'default' itself" in terminal.err
    assert invoke(terminal, "--input", str(data), "--output-path", f"azureml://{ours}/{place}") == 0
    assert f"azureml://{place}" in json.dumps(sent(terminal))


def test_an_output_path_is_sent(terminal, data):
    place = "azureml://datastores/workspaceblobstore/paths/out/today"

    invoke(terminal, "--input", str(data), "--output-path", place)

    assert place in json.dumps(sent(terminal))


def test_an_invoke_file_gives_input_and_output(terminal, data):
    file = data.parent / "invoke.yml"
    file.write_text(f"inputs:\n  data:\n    type: uri_folder\n    path: {data}\n")

    assert invoke(terminal, "-f", str(file)) == 0, terminal.err

    (given,) = sent(terminal)["inputData"].values()
    assert given["uri"] == data.as_uri()


def test_no_input_at_all_is_a_usage_mistake(terminal, data):
    assert invoke(terminal) == 2


def test_wait_follows_to_the_end_and_prints_the_final_status(terminal, data):
    running = [job("Running", counts=counts(n), rateItemsPerS=50.0, etaS=1.0) for n in (10, 50)]
    answers = [job("Queued", queueReason="Waits."), *running, job("Completed", counts=counts(100))]
    terminal.azure.answer_with("GET", "jobs/job-1", *[lambda _, a=a: a for a in answers])

    assert invoke(terminal, "--input", str(data), "--wait") == 0

    assert json.loads(terminal.out)["status"] == "Completed"
    assert "Running  50/100 items (50 %)  50.0 items/s  0:01 to go" in terminal.err


def test_only_show_errors_silences_the_progress(terminal, data):
    answers = [job("Running", counts=counts(50)), job("Completed", counts=counts(100))]
    terminal.azure.answer_with("GET", "jobs/job-1", *[lambda _, a=a: a for a in answers])

    assert invoke(terminal, "--input", str(data), "--wait", "--only-show-errors") == 0
    assert terminal.err == ""


def test_wait_ends_with_1_when_the_job_failed_and_still_names_it(terminal, data):
    error = {"code": "ThresholdExceeded", "message": "3 items failed.", "item": "7.png", "stack": "Traceback: boom"}
    terminal.azure.answer_with("GET", "jobs/job-1", lambda _: job("Failed", error=error))

    assert invoke(terminal, "--input", str(data), "--wait") == 1

    assert json.loads(terminal.out)["status"] == "Failed"
    assert all(word in terminal.err for word in ("ThresholdExceeded", "7.png", "boom"))


def test_polling_begins_at_a_fifth_of_a_second_and_grows_to_two(terminal, data):
    answers = [job("Running", counts=counts(1))] * 20 + [job("Completed", counts=counts(100))]
    terminal.azure.answer_with("GET", "jobs/job-1", *[lambda _, a=a: a for a in answers])

    invoke(terminal, "--input", str(data), "--wait")

    assert (terminal.waits[0], terminal.waits[-1]) == (0.2, 2.0)


def test_the_servers_refusal_is_told(terminal, data):
    refused = failure(409, "Conflict", "The output is reserved by job 'job-0'.")
    terminal.azure.answer_with("POST", SCORING, lambda _: refused)

    assert invoke(terminal, "--input", str(data)) == 1
    assert "job-0" in terminal.err


@pytest.mark.parametrize(
    ("places", "flags"),
    [
        (("properties.inputData.UriFolder.uri", "properties.outputData.score.uri"), ("--input", "--output-path")),
        (("input", "output_path"), ("--input", "--output-path")),
        (("properties.inputData.UriFile.jobInputType", "mini_batch_size"), ("--input-type", "mini_batch_size")),
    ],
)
def test_what_the_server_refuses_is_told_by_the_flag_that_gave_it(terminal, data, places, flags):
    lines = [f"{place}: found 'https://a.example/x', expected another." for place in places]
    message = "Invocation: 2 mistakes.\n  - " + "\n  - ".join(lines)
    wrong = failure(400, "ValidationError", message, *lines)
    terminal.azure.answer_with("POST", SCORING, lambda _: wrong)

    assert invoke(terminal, "--input", "https://a.example/x") == 1

    expected = [f"  - {flag}: found 'https://a.example/x', expected another." for flag in flags]
    assert terminal.err.splitlines()[1:] == expected


def test_the_one_thing_that_the_server_refuses_is_told_by_its_flag(terminal, data):
    line = "properties.inputData.UriFolder.uri: found 'https://a.example/input: found ', expected another."
    wrong = failure(400, "ValidationError", f"Invocation of 'digits': {line}", line)
    terminal.azure.answer_with("POST", SCORING, lambda _: wrong)

    assert invoke(terminal, "--input", "https://a.example/x") == 1

    told = "ERROR: (ValidationError) Invocation of 'digits': --input: found 'https://a.example/input: found ', expected"
    assert terminal.err == f"{told} another.\n"


def test_a_missing_local_input_is_told_by_its_flag(terminal, data):
    assert invoke(terminal, "--input", "no-such-folder") == 1
    assert "--input: found the local path" in terminal.err
