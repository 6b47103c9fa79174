"""Jobs, with the installed command and real processes only."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome, ended

pytestmark = pytest.mark.xdist_group("jobs")

ECHO = """
import os
def run(mini_batch):
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""
FAILS_WHERE_TOLD = """
import os
def run(mini_batch):
    for path in mini_batch:
        if int(open(path).read()) in {bad}:
            raise ValueError("cannot read " + os.path.basename(path))
    return list(mini_batch)
"""


@pytest.fixture(scope="module")
def ten(served: ServerHome) -> Path:
    return served.files("ten", 10)


def test_a_registered_model_and_a_script_score_a_folder_end_to_end(served: ServerHome, ten: Path) -> None:
    script = """
        import os
        def init():
            global weights
            weights = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.txt")).read()
        def run(mini_batch):
            return [f"{os.path.basename(p)} {weights}" for p in mini_batch]
        """
    served.deploy("whole", "one", script, mini_batch_size=3)
    job = served.finish(served.invoke("whole", ten))
    assert job["status"] == "Completed"
    rows = (served.output(job["name"]) / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:04d}.txt weights" for k in range(10)]
    manifest = json.loads((served.output(job["name"]) / "_manifest.json").read_text())
    assert manifest["counts"]["mini_batches"] == 4
    assert {"model", "code", "environment", "input", "outputs", "ledger_sha256"} <= set(manifest)


@pytest.mark.parametrize(("bad", "status"), [(2, "Completed"), (3, "Failed")])
def test_threshold_k_completes_with_k_failed_items_and_fails_with_one_more(
    served: ServerHome, ten: Path, bad: int, status: str
) -> None:
    script = FAILS_WHERE_TOLD.format(bad=set(range(bad)))
    served.deploy("threshold", "one", script, mini_batch_size=1, error_threshold=2, retry_settings={"max_retries": 0})
    job = served.finish(served.invoke("threshold", ten))
    assert job["status"] == status
    assert job["counts"]["failed"] == bad
    if status == "Failed":
        assert not served.output(job["name"]).exists()
        assert job["error"]["item"] == "item-0000.txt"
        assert "cannot read" in job["error"]["exception"]
        assert (served.logs(job["name"]) / job["error"]["log"]).read_text()
    else:
        lines = (served.output(job["name"]) / "_failed_items.jsonl").read_text().splitlines()
        failed = [json.loads(line) for line in lines]
        assert [f["item"] for f in failed] == ["item-0000.txt", "item-0001.txt"]
        keys = {"item", "position", "mini_batch", "attempts", "error_class", "error", "message", "stack"}
        assert all(set(f) == keys | {"worker", "log", "attribution"} for f in failed)
        assert all("cannot read" in (served.logs(job["name"]) / f["log"]).read_text() for f in failed)


@pytest.mark.parametrize(("fails", "retries", "status"), [(2, 2, "Completed"), (3, 2, "Failed")])
def test_a_mini_batch_that_fails_n_times_then_succeeds_completes_iff_n_is_at_most_max_retries(
    served: ServerHome, tmp_path: Path, fails: int, retries: int, status: str
) -> None:
    script = f"""
        import os
        def run(mini_batch):
            with open({str(tmp_path / "tries")!r}, "a") as out:
                out.write("x")
            if os.path.getsize({str(tmp_path / "tries")!r}) <= {fails}:
                raise RuntimeError("not yet")
            return list(mini_batch)
        """
    source = served.files("single", 1)
    served.deploy("retries", "one", script, error_threshold=0, retry_settings={"max_retries": retries})
    job = served.finish(served.invoke("retries", source))
    assert job["status"] == status
    assert job["counts"]["attempts"] == min(fails, retries) + 1


def test_a_run_over_its_time_limit_is_killed_charged_and_tried_again(served: ServerHome, tmp_path: Path) -> None:
    script = f"""
        import os, time
        def run(mini_batch):
            marker = {str(tmp_path)!r} + "/slow-once"
            if mini_batch[0].endswith("item-0001.txt") and not os.path.exists(marker):
                open(marker, "w").close()
                time.sleep(60)
            return list(mini_batch)
        """
    source = served.files("three", 3)
    retry = {"max_retries": 1, "timeout": 1}
    served.deploy("slow", "one", script, mini_batch_size=1, retry_settings=retry, error_threshold=0)
    job = served.finish(served.invoke("slow", source))
    assert job["status"] == "Completed"
    assert job["counts"]["attempts"] == 4


def test_cancelling_stops_within_five_seconds_and_leaves_nothing_running(served: ServerHome) -> None:
    script = """
        import subprocess, time
        def run(mini_batch):
            subprocess.Popen(["sleep", "3600"])
            time.sleep(600)
            return list(mini_batch)
        """
    source = served.files("cancelled", 4)
    served.deploy("cancels", "one", script, max_concurrency_per_instance=2, retry_settings={"timeout": 900})
    name = served.invoke("cancels", source)
    with served.rest() as client:
        while not sleeping(served):
            time.sleep(0.1)
        began = time.monotonic()
        served.run("job", "cancel", "--name", name)
        job = ended(client, name)
        took_s = time.monotonic() - began
    assert job["status"] == "Canceled"
    # It takes a second; three times what is promised, for a machine on which others are busy.
    assert took_s < 3 * 5.0
    deadline = time.monotonic() + 120
    while left := sleeping(served) + [c for c in served.processes().values() if name in c]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert not served.output(name).exists()


def sleeping(served: ServerHome) -> list[str]:
    """What the script of a job has started, and nobody else has."""
    return [command for command in served.processes().values() if command.startswith("sleep")]


def held_until(gate: Path) -> str:
    """Give a script whose run() waits until the gate is there: a job that is busy for as long as a test needs it."""
    return f"""
        import os, time
        def run(b):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.02)
            return list(b)
        """


def test_two_jobs_run_at_once(served: ServerHome, ten: Path) -> None:
    gate = served.folder / "twice.gate"
    served.deploy("twice", "one", held_until(gate), mini_batch_size=1)
    first, second = served.invoke("twice", ten), served.invoke("twice", ten)
    for job in (first, second):
        while served.json("job", "show", "--name", job)["status"] != "Running":
            time.sleep(0.05)
    gate.touch()
    assert [served.finish(job)["status"] for job in (first, second)] == ["Completed", "Completed"]


def test_two_jobs_with_one_output_path_are_not_both_accepted(served: ServerHome, ten: Path) -> None:
    served.deploy("contested", "one", "import time\ndef run(b):\n    time.sleep(1)\n    return list(b)\n")
    target = ("--output-path", "azureml://datastores/workspaceblobstore/paths/contested/out/")

    def invoke(_: int) -> int:
        arguments = ("batch-endpoint", "invoke", "--name", "contested", "--input", str(ten), *target)
        return served.run(*arguments, exit_code=None).returncode

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(invoke, range(2))) == [0, 1]
    jobs = served.json("job", "list", "--endpoint", "contested")
    assert len(jobs) == 1
    assert served.finish(jobs[0]["name"])["status"] == "Completed"
    refused = served.run("batch-endpoint", "invoke", "--name", "contested", "--input", str(ten), *target, exit_code=1)
    assert "exists" in refused.stderr


def test_a_job_waits_queued_with_the_reason_until_its_instances_are_free(served: ServerHome, ten: Path) -> None:
    gate = served.folder / "waits.gate"
    served.file("small.yml", {"name": "small", "type": "amlcompute", "max_instances": 2})
    served.run("compute", "create", "--file", "small.yml")
    served.deploy("waits", "one", held_until(gate), compute="small", mini_batch_size=5, instance_count=2)
    first, second = served.invoke("waits", ten), served.invoke("waits", ten)
    while served.json("job", "show", "--name", first)["status"] == "Queued":
        time.sleep(0.05)
    waiting = served.json("job", "show", "--name", second)
    assert waiting["status"] == "Queued"
    assert "small" in waiting["queue_reason"]
    gate.touch()
    assert served.finish(second)["status"] == "Completed"
    more = ("batch-endpoint", "invoke", "--name", "waits", "--input", str(ten), "--instance-count", "3")
    assert "max_instances" in served.run(*more, exit_code=1).stderr


def test_a_script_sees_what_is_promised_and_nothing_else(served: ServerHome) -> None:
    script = """
        import json, os, sys
        def run(mini_batch):
            fds = {int(fd): os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{fd}")}
            return [json.dumps({"environment": dict(os.environ), "fds": fds, "cwd": os.getcwd(), "path": sys.path})]
        """
    source = served.files("one-item", 1)
    served.deploy("curious", "one", script, environment_variables={"MINE": "yes"})
    job = served.finish(served.invoke("curious", source))
    seen = json.loads((served.output(job["name"]) / "predictions.csv").read_text())
    token = (served.home / "token").read_text().strip()
    assert token not in json.dumps(seen)
    assert not [name for name in seen["environment"] if name.startswith("BATCHYARD")]
    assert seen["environment"]["MINE"] == "yes"
    assert {"AZUREML_MODEL_DIR", "AZUREML_BI_OUTPUT_PATH"} <= set(seen["environment"])
    assert "code-1" in seen["cwd"]
    assert seen["path"][0] == seen["cwd"]
    assert not [target for target in seen["fds"].values() if target.endswith((".db", ".db-wal", ".lock", "token"))]
    assert not [entry for entry in seen["path"] if entry.endswith("src")]


def test_summary_only_publishes_the_scripts_files_and_counts_but_no_rows(served: ServerHome, ten: Path) -> None:
    script = """
        import os
        def run(mini_batch):
            for path in mini_batch:
                target = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path) + ".out")
                with open(target, "w") as out:
                    out.write("done")
            return [1] * len(mini_batch)
        """
    served.deploy("summary", "one", script, output_action="summary_only", mini_batch_size=2)
    job = served.finish(served.invoke("summary", ten))
    assert job["status"] == "Completed"
    names = sorted(p.name for p in served.output(job["name"]).iterdir())
    assert names == ["_failed_items.jsonl", "_manifest.json", *(f"item-{k:04d}.txt.out" for k in range(10))]


def test_the_same_request_id_makes_one_job(served: ServerHome, ten: Path) -> None:
    served.deploy("again", "one", ECHO)
    names = {served.invoke("again", ten, "--request-id", "11111111-2222-3333-4444-555555555555") for _ in range(3)}
    assert len(names) == 1


def test_invoke_time_overrides_change_this_job_only(served: ServerHome, ten: Path) -> None:
    served.deploy("overrides", "one", ECHO, mini_batch_size=5)
    more = ("--mini-batch-size", "2", "--set", "output_file_name=other.csv", "retry_settings.max_retries=0")
    job = served.finish(served.invoke("overrides", ten, *more))
    assert job["counts"]["mini_batches"] == 5
    assert (served.output(job["name"]) / "other.csv").exists()
    assert job["settings"]["retry_settings"]["max_retries"] == 0
    again = served.finish(served.invoke("overrides", ten))
    assert again["counts"]["mini_batches"] == 2


def test_invoke_answers_with_a_job_before_anything_is_listed(served: ServerHome, ten: Path) -> None:
    gate = served.folder / "large.gate"
    served.file("narrow.yml", {"name": "narrow", "type": "amlcompute", "max_instances": 1})
    served.run("compute", "create", "--file", "narrow.yml")
    served.deploy("large", "one", held_until(gate), compute="narrow")
    many = served.files("many", 3000)
    busy = served.invoke("large", ten)
    job = served.invoke("large", many, "--mini-batch-size", "3000")
    assert served.json("job", "show", "--name", job)["counts"]["items"] == 0
    assert not (served.home / "jobs" / job / "listing").exists()
    gate.touch()
    assert served.finish(busy)["status"] == "Completed"
    assert served.finish(job)["counts"]["items"] == 3000


def test_an_input_that_is_gone_when_the_job_starts_fails_it_with_the_folders_name(served: ServerHome) -> None:
    gate = served.folder / "gone.gate"
    served.file("lane.yml", {"name": "lane", "type": "amlcompute", "max_instances": 1})
    served.run("compute", "create", "--file", "lane.yml")
    served.deploy("gone", "one", held_until(gate), compute="lane")
    kept, gone = served.files("kept", 1), served.files("vanishing", 3)
    busy, job = served.invoke("gone", kept), served.invoke("gone", gone)
    for path in gone.iterdir():
        path.unlink()
    gone.rmdir()
    gate.touch()
    served.finish(busy)
    record = served.finish(job)
    assert record["status"] == "Failed"
    assert record["error"]["code"] == "InputUnreadable"
    assert "vanishing" in record["error"]["message"]
