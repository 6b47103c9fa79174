from __future__ import annotations

import hashlib
import json

import httpx2
import pytest

BLOBS = "/blob/workspaceblobstore.blob.core.windows.net/azureml-blobstore"
LOGS = "/blob/workspaceartifactstore.blob.core.windows.net/azureml/ExperimentRun/dcid.job-1"
FOLDER = "azureml/job-1/score"
ROWS = b"1.png 7\n2.png 3\n"


def job(status="Completed", **ours):
    output = {"datastore": "workspaceblobstore", "path": FOLDER, "fileName": "predictions.csv"}
    return {"status": status, "jobType": "Pipeline", "batchyard": {"output": output, **ours}}


def publish(azure, rows=ROWS, folder=FOLDER, prefix="", name="job-1"):
    entry = {"name": "predictions.csv", "size_bytes": len(ROWS), "sha256": hashlib.sha256(ROWS).hexdigest()}
    azure.blobs[f"{BLOBS}/{folder}/predictions.csv"] = rows
    manifest = f"{prefix}manifest.json"
    azure.blobs[f"{BLOBS}/{folder}/{manifest}"] = json.dumps({"job": name, "outputs": [entry]}).encode()


def details(azure, names):
    urls = {name: f"https://localhost:8443{LOGS}/{name}?sig=s" for name in names}
    azure.rules.append(lambda _, path: httpx2.Response(200, json={"logFiles": urls}) if "/details" in path else None)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def download(terminal, folder, *args):
    return terminal.run("job", "download", "-n", "job-1", "-p", str(folder), *args)


def test_download_gives_the_output_whole_and_checked(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, prefix="_")

    assert download(terminal, folder) == 0, terminal.err

    score = folder / "named-outputs" / "score"
    assert (score / "predictions.csv").read_bytes() == ROWS
    assert sorted(p.name for p in score.iterdir()) == ["_manifest.json", "predictions.csv"]
    assert json.loads(terminal.out)["path"] == str(score)


def test_a_download_replaces_an_earlier_one_and_nothing_that_somebody_changed(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, prefix="_")
    assert download(terminal, folder) == 0, terminal.err
    rows = folder / "named-outputs" / "score" / "predictions.csv"
    first = rows.stat().st_ino

    assert download(terminal, folder) == 0, terminal.err
    assert (rows.read_bytes(), rows.stat().st_ino == first) == (ROWS, False)
    assert [path.name for path in (folder / "named-outputs").iterdir()] == ["score"]

    rows.write_bytes(ROWS.replace(b"7", b"8"))
    assert download(terminal, folder) == 1
    rows.write_bytes(ROWS)
    (rows.parent / "mine.txt").touch()
    assert download(terminal, folder) == 1
    assert "is not empty" in terminal.err
    assert (rows.parent / "mine.txt").exists()


def test_web_prints_the_link_of_a_job_beside_its_record(terminal):
    terminal.azure.put("jobs/job-1", {**job(), "services": {"Studio": {"endpoint": "https://here/jobs/job-1"}}})

    assert terminal.json("job", "show", "-n", "job-1", "--web")["status"] == "Completed"
    assert "https://here/jobs/job-1" in terminal.err


def test_an_output_beside_other_files_takes_only_its_own(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, prefix="predictions.csv.")
    terminal.azure.blobs[f"{BLOBS}/{FOLDER}/somebody-elses.txt"] = b"no"

    download(terminal, folder)

    names = sorted(p.name for p in (folder / "named-outputs" / "score").iterdir())
    assert names == ["predictions.csv", "predictions.csv.manifest.json"]


def test_an_output_without_its_manifest_is_refused(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    terminal.azure.blobs[f"{BLOBS}/{FOLDER}/predictions.csv"] = ROWS

    assert download(terminal, folder) == 1
    assert "manifest" in terminal.err
    assert not folder.exists()


@pytest.mark.parametrize("rows", [b"1.png 7\n2.png 4\n", ROWS[:-1]])
def test_an_output_that_differs_from_its_manifest_leaves_nothing(terminal, folder, rows):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, rows=rows, prefix="_")

    assert download(terminal, folder) == 1
    assert list((folder / "named-outputs").iterdir()) == []


def test_another_jobs_manifest_is_refused(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, prefix="_", name="job-2")

    assert download(terminal, folder) == 1
    assert "job-2" in terminal.err


def test_a_folder_with_files_is_not_touched(terminal, folder):
    terminal.azure.put("jobs/job-1", job())
    publish(terminal.azure, prefix="_")
    (folder / "named-outputs" / "score").mkdir(parents=True)
    (folder / "named-outputs" / "score" / "mine").touch()

    assert download(terminal, folder) == 1
    assert [p.name for p in (folder / "named-outputs" / "score").iterdir()] == ["mine"]


def test_a_failed_job_has_no_output_but_its_logs(terminal, folder):
    terminal.azure.put("jobs/job-1", job("Failed"))
    terminal.azure.blobs[f"{LOGS}/logs/user/stdout/n0/w0.txt"] = b"hello\n"
    details(terminal.azure, ["logs/user/stdout/n0/w0.txt"])

    assert download(terminal, folder) == 1
    assert "--all" in terminal.err
    assert download(terminal, folder, "--all") == 0, terminal.err
    assert (folder / "artifacts/logs/user/stdout/n0/w0.txt").read_bytes() == b"hello\n"


def test_a_log_named_outside_the_folder_is_refused(terminal, folder):
    terminal.azure.put("jobs/job-1", job("Failed"))
    details(terminal.azure, ["../../evil"])

    assert download(terminal, folder, "--all") == 1
    assert "outside" in terminal.err


def test_another_output_name_is_a_usage_mistake(terminal, folder):
    terminal.azure.put("jobs/job-1", job("Completed"))

    assert download(terminal, folder, "--output-name", "model") == 2


def test_stream_prints_progress_and_each_line_of_the_workers_logs_once(terminal):
    azure, log = terminal.azure, "logs/user/stdout/n0/n0-s0-1.txt"
    details(azure, [log, "logs/sys/job.txt"])

    def running(_):
        azure.blobs[f"{LOGS}/{log}"] = b"first\nsec"
        counts = {"items": 10, "succeeded": 5, "failed": 0, "skipped": 0, "incomplete": 5}
        return httpx2.Response(200, json={"properties": job("Running", counts=counts)})

    def done(_):
        azure.blobs[f"{LOGS}/{log}"] = b"first\nsecond\nlast"
        return httpx2.Response(200, json={"properties": job()})

    azure.answer_with("GET", "jobs/job-1", running, done)

    assert terminal.run("job", "stream", "-n", "job-1") == 0, terminal.err

    assert terminal.out.splitlines() == [
        "[n0-s0-1] first",
        "Running  5/10 items (50 %)",
        "[n0-s0-1] second",
        "[n0-s0-1] last",
        "Completed",
    ]


def test_only_show_errors_leaves_a_streams_logs_alone(terminal):
    log = "logs/user/stdout/n0/n0-s0-1.txt"
    details(terminal.azure, [log])
    terminal.azure.blobs[f"{LOGS}/{log}"] = b"first\nlast"
    done = httpx2.Response(200, json={"properties": job()})
    terminal.azure.answer_with("GET", "jobs/job-1", lambda _: done)

    assert terminal.run("job", "stream", "-n", "job-1", "--only-show-errors") == 0, terminal.err
    assert terminal.out.splitlines() == ["[n0-s0-1] first", "[n0-s0-1] last"]


def test_logs_are_read_on_without_a_token_from_the_byte_they_were_left(terminal):
    azure, log = terminal.azure, "logs/user/stdout/n0/w.txt"
    details(azure, [log])
    azure.blobs[f"{LOGS}/{log}"] = b"one\n"
    running = httpx2.Response(200, json={"properties": job("Running")})
    azure.answer_with("GET", "jobs/job-1", lambda _: running)
    azure.put("jobs/job-1", job())

    terminal.run("job", "stream", "-n", "job-1")

    reads = [r.headers for r in azure.requests if r.url.path.endswith("/w.txt")]
    assert [r.get("range") for r in reads] == [None, "bytes=4-"]
    assert all("authorization" not in r for r in reads)


def test_stream_of_a_failed_job_ends_with_1_and_show_with_0(terminal):
    terminal.azure.put("jobs/job-1", job("Failed", error={"code": "ScriptError", "message": "boom"}))

    assert terminal.run("job", "stream", "-n", "job-1") == 1
    assert "boom" in terminal.err
    assert terminal.json("job", "show", "-n", "job-1", "--query", "status") == "Failed"


PARTLY = {"completedWithErrors": True, "outcome": "3 of 100 items failed"}
PARTLY_COUNTS = {"items": 100, "succeeded": 97, "failed": 3, "skipped": 0, "incomplete": 0}


def test_a_stream_ends_with_how_many_items_failed_of_a_job_that_completed(terminal):
    terminal.azure.put("jobs/job-1", job(counts=PARTLY_COUNTS, **PARTLY))

    assert terminal.run("job", "stream", "-n", "job-1") == 0

    assert terminal.out.splitlines()[-1] == "Completed  100/100 items (100 %)  3 of 100 items failed"


def test_tables_show_beside_the_status_how_many_items_failed(terminal):
    terminal.azure.put("jobs/job-1", job(counts=PARTLY_COUNTS, **PARTLY))

    assert terminal.run("job", "show", "-n", "job-1", "-o", "table") == 0

    assert "Completed, 3 of 100 items failed" in terminal.out


def test_interrupting_a_stream_leaves_the_job_alone(terminal):
    def interrupted(_):
        raise KeyboardInterrupt

    terminal.azure.answer_with("GET", "jobs/job-1", interrupted)

    assert terminal.run("job", "stream", "-n", "job-1") == 1
    assert "goes on" in terminal.err
    assert terminal.azure.sent("POST") == []


def test_list_asks_for_what_is_wanted_and_follows_pages(terminal):
    first = {"value": [{"name": f"job-{i}", "properties": job()} for i in range(3)]}
    second = {"value": [{"name": "job-9", "properties": job()}], "nextLink": None}
    azure = terminal.azure
    azure.answer_with(
        "GET",
        "jobs",
        lambda _: httpx2.Response(200, json={**first, "nextLink": "https://localhost:8443/next?page=2"}),
    )
    azure.answer_with("GET", "/next", lambda _: httpx2.Response(200, json=second))

    args = ["job", "list", "--status", "Completed", "--endpoint", "digits", "--deployment", "stable", "-r", "4"]
    names = terminal.json(*args, "--query", "[].name")

    query = azure.requests[0].url.params
    assert names == ["job-0", "job-1", "job-2", "job-9"]
    assert (query["status"], query["endpoint"], query["deployment"]) == ("Completed", "digits", "stable")


def test_cancel_is_a_post(terminal):
    answer = httpx2.Response(200, json={"name": "job-1", "properties": job("CancelRequested")})
    terminal.azure.answer_with("POST", "jobs/job-1/cancel", lambda _: answer)

    assert terminal.json("job", "cancel", "-n", "job-1")["status"] == "CancelRequested"


def test_jobs_of_an_endpoint_that_is_not_there_end_with_3(terminal):
    assert terminal.run("batch-endpoint", "list-jobs", "-n", "nowhere") == 3


def test_resume_sends_its_overrides_and_why(terminal):
    answer = httpx2.Response(200, json={"name": "job-1", "properties": job("Queued", run=2)})
    terminal.azure.answer_with("POST", "jobs/job-1/resume", lambda _: answer)
    changed = ["--set", "error_threshold=5", "retry_settings.timeout=60", "--reason", "disk mounted"]

    assert terminal.json("job", "resume", "-n", "job-1", *changed)["run"] == 2

    body = terminal.azure.body("POST", "jobs/job-1/resume")
    assert body == {"properties": {"errorThreshold": 5, "retrySettings": {"timeout": "PT1M"}}}
    assert terminal.azure.requests[-1].headers["x-batchyard-reason"] == "disk mounted"


def test_resume_refuses_what_only_an_invocation_takes_before_anything_is_sent(terminal):
    assert terminal.run("job", "resume", "-n", "job-1", "--set", "job_name=other") == 1
    assert "keeps its name" in terminal.err
    assert terminal.azure.requests == []


@pytest.mark.parametrize("verb", ["download", "pause", "continue", "resume", "retry-failed"])
def test_the_help_of_a_verb_has_an_example(terminal, verb):
    assert terminal.run("job", verb, "--help") == 0
    assert f"batchyard job {verb} -n" in terminal.out


def following(terminal, *steps):
    """Have a job that goes through these steps: its status, and what its two workers have written by then."""
    names = ["logs/user/stdout/n0/n0-s0-1.stdout.txt", "logs/user/stdout/n0/n0-s1-2.stdout.txt"]
    details(terminal.azure, names)

    def step(status, *texts):
        def answer(_):
            for name, text in zip(names, texts, strict=True):
                terminal.azure.blobs[f"{LOGS}/{name}"] = text
            return httpx2.Response(200, json={"properties": job(status)})

        return answer

    terminal.azure.answer_with("GET", "jobs/job-1", *(step(*one) for one in steps))


def test_logs_are_followed_until_the_job_ends_whatever_it_ends_in(terminal):
    following(terminal, ("Running", b"a\nb", b""), ("Failed", b"a\nbc\n", b"last"))

    assert terminal.run("job", "logs", "-n", "job-1", "--follow") == 0, terminal.err

    assert terminal.out.splitlines() == ["[n0-s0-1.stdout] a", "[n0-s0-1.stdout] bc", "[n0-s1-2.stdout] last"]
    assert terminal.err.splitlines() == ["Job 'job-1' is Failed."]


def test_the_logs_of_one_worker_are_followed_and_an_unknown_one_is_told(terminal):
    following(terminal, ("Running", b"a\n", b"x\n"), ("Completed", b"a\n", b"x\ny\n"))
    assert terminal.run("job", "logs", "-n", "job-1", "-f", "--worker", "n0-s1-2") == 0, terminal.err
    assert terminal.out.splitlines() == ["[n0-s1-2.stdout] x", "[n0-s1-2.stdout] y"]

    following(terminal, ("Completed", b"a\n", b"x\n"))
    assert terminal.run("job", "logs", "-n", "job-1", "-f", "--worker", "n9") == 1
    assert "n0-s0-1, n0-s1-2" in terminal.err


def test_errors_and_items_are_not_followed(terminal):
    assert terminal.run("job", "logs", "-n", "job-1", "--follow", "--errors") == 2
    assert terminal.run("job", "logs", "-n", "job-1", "--follow", "--item", "a.png") == 2
