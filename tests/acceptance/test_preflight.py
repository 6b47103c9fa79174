"""`batch-deployment validate`, `batch-endpoint invoke --dry-run`, `run --dry-run`: all told, nothing changed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import wait_for_none
from tests.support.server_home import BATCHYARD, ServerHome

ECHO = "def run(mini_batch): return list(mini_batch)\n"
CSV = {"format": "csv", "columns": {"a": "int64", "b": "float64"}}


@pytest.fixture(scope="module")
def ready(served: ServerHome) -> ServerHome:
    served.deploy("looked-at", "blue", ECHO, mini_batch_size=4)
    return served


def tables(home: ServerHome, name: str, *, bad: int | None = None) -> Path:
    for k in range(12):
        home.file(f"{name}/{k:02}.csv", "a,b\n1,nonsense\n" if k == bad else f"a,b\n{k},0.5\n")
    return home.folder / name


def findings(home: ServerHome, *arguments: str, exit_code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Give what a command found, by check; each that is not well must have a remedy."""
    done = home.run(*arguments, "-o", "json", exit_code=exit_code)
    told = json.loads(done.stdout)
    assert told["passed"] is (exit_code == 0)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in told["findings"]:
        assert one["result"] == "ok" or one["remedy"], one
        found.setdefault(one["check"], []).append(one)
    return found


def state(home: ServerHome) -> tuple[Any, ...]:
    """Everything a look must leave as it is: jobs, documents, audit, and the files of datastores and homes."""
    with contextlib.closing(sqlite3.connect(home.home / "batchyard.db")) as database:
        rows = [database.execute(f"select * from {table}").fetchall() for table in ("jobs", "documents", "audit")]
    places = ("datastores", "jobs", "uploads", "sealed", "operations")
    files = sorted(os.fspath(path) for place in places for path in (home.home / place).rglob("*"))
    return rows, [path for path in files if "ExperimentRun" not in path]


def test_a_dry_run_looks_at_everything_scores_a_sample_and_changes_nothing(ready: ServerHome) -> None:
    source = ready.files("looked-at-input", 9)
    before = state(ready)
    found = findings(ready, "batch-endpoint", "invoke", "-n", "looked-at", "--input", str(source), "--dry-run")
    checks = ("deployment", "model", "code", "script", "environment", "compute", "input", "output")
    for check in (*checks, "items", "start", "sample"):
        assert [one["result"] for one in found[check]] == ["ok"], found[check]
    assert "9 items" in found["items"][0]["found"]
    assert "9 items in 3 run() succeeded" in found["sample"][0]["found"]
    assert state(ready) == before


def test_findings_are_read_as_text_too_and_as_a_table(ready: ServerHome) -> None:
    source = ready.files("looked-at-text", 3)
    asked = ("batch-endpoint", "invoke", "-n", "looked-at", "--input", str(source), "--dry-run")
    text = ready.run(*asked).stdout
    assert text.splitlines()[-1] == "Passed, 0 warnings."
    assert "3 items in 1 run() succeeded" in text
    assert "Remedy" in ready.run(*asked, "-o", "table").stdout.splitlines()[0]


def test_a_bad_column_is_refused_by_file_row_and_column_before_any_worker_starts(served: ServerHome) -> None:
    mark = served.folder / "a-worker-started"
    script = f"import os\nif 'operations' in os.getcwd(): open({str(mark)!r}, 'a').close()\n{ECHO}"
    served.deploy("columns", "blue", script, input_contract=CSV)
    mark.unlink(missing_ok=True)
    source = tables(served, "columns-input", bad=7)
    asked = ("batch-endpoint", "invoke", "-n", "columns", "--input", str(source), "--dry-run")
    found = findings(served, *asked, exit_code=1)
    told = found["input contract"][0]["found"]
    assert "'07.csv'" in told and "row 2" in told and "'b'" in told and "'nonsense'" in told
    assert "start" not in found and "sample" not in found
    assert not mark.exists()
    (source / "07.csv").write_text("a,b\n7,0.5\n")
    assert findings(served, *asked)["input contract"][0]["result"] == "ok"
    assert mark.exists()


def test_a_script_that_fails_on_the_sample_is_told_with_its_line_and_exit_code_1(served: ServerHome) -> None:
    served.deploy("fails", "blue", "def run(mini_batch):\n    return 1 / 0\n")
    source = served.files("fails-input", 3)
    found = findings(
        served, "batch-endpoint", "invoke", "-n", "fails", "--input", str(source), "--dry-run", exit_code=1
    )
    told = found["sample"][0]["found"]
    assert "ZeroDivisionError" in told and '"score.py", line 2' in told and "item-0000.txt" in told


def test_a_compute_that_is_taken_means_later_and_one_too_small_never(served: ServerHome) -> None:
    served.run("compute", "create", "--name", "few", "--max-instances", "2")
    script = (
        "import time\ndef run(mini_batch):\n    time.sleep(0 if 'operations' in __file__ else 30)\n    return [1]\n"
    )
    served.deploy("waits", "blue", script, compute="few", mini_batch_size=1)
    source = served.files("waits-input", 1)
    asked = ("batch-endpoint", "invoke", "-n", "waits", "--input", str(source))
    job = served.invoke("waits", source, "--instance-count", "2")
    try:
        found = findings(served, *asked, "--dry-run")
        assert found["compute"][0]["result"] == "warning"
        assert ": later" in found["compute"][0]["found"] and job in found["compute"][0]["found"]
        never = findings(served, *asked, "--dry-run", "--instance-count", "9", exit_code=1)
        assert "instance_count" in never["compute"][0]["found"]
    finally:
        served.run("job", "cancel", "--name", job)


def test_everything_wrong_with_an_invocation_is_told_at_once(ready: ServerHome) -> None:
    asked = ("batch-endpoint", "invoke", "-n", "looked-at", "--input", "azureml://datastores/nowhere/paths/x")
    output = "azureml://datastores/none/paths/y"
    found = findings(ready, *asked, "--output-path", output, "--dry-run", "--instance-count", "99", exit_code=1)
    assert {check for check, some in found.items() if some[0]["result"] == "error"} == {"input", "output", "compute"}


def test_an_output_that_exists_is_an_error_with_its_remedy(ready: ServerHome) -> None:
    source = ready.files("taken-input", 2)
    place = "azureml://datastores/workspaceblobstore/paths/taken/place"
    asked = ("--output-path", place)
    job = ready.invoke("looked-at", source, *asked)
    ready.finish(job)
    dry = ("batch-endpoint", "invoke", "-n", "looked-at", "--input", str(source), *asked, "--dry-run")
    found = findings(ready, *dry, exit_code=1)
    assert "exists already" in found["output"][0]["found"]
    assert "sample" not in found


def test_an_output_that_cannot_be_written_is_found_by_a_probe_that_leaves_nothing(ready: ServerHome) -> None:
    source = ready.files("probe-input", 2)
    folder = ready.home / "datastores" / "workspaceblobstore" / "probed"
    folder.mkdir()
    asked = ("--output-path", "azureml://datastores/workspaceblobstore/paths/probed/out")
    dry = ("batch-endpoint", "invoke", "-n", "looked-at", "--input", str(source), *asked, "--dry-run")
    assert findings(ready, *dry)["output"][0]["result"] == "ok"
    assert list(folder.iterdir()) == []


def test_a_deployment_that_exists_is_validated_without_an_input_and_with_one(ready: ServerHome) -> None:
    source = ready.files("validated-input", 2)
    asked = ("batch-deployment", "validate", "--name", "blue", "--endpoint-name", "looked-at")
    before = state(ready)
    found = findings(ready, *asked)
    assert found["environment"][0]["result"] == "ok"
    assert found["input, output, sample"][0]["result"] == "not checked"
    assert findings(ready, *asked, "--input", str(source))["sample"][0]["result"] == "ok"
    assert state(ready) == before


def test_a_file_is_validated_before_anything_of_it_is_registered(ready: ServerHome) -> None:
    ready.file("new/code/score.py", ECHO)
    ready.file("new/model.txt", "m")
    document: dict[str, Any] = {
        "name": "new",
        "endpoint_name": "looked-at",
        "type": "model",
        "model": {"path": "model.txt"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:cpu",
    }
    path = ready.file("new/deployment.yml", document)
    before = state(ready)
    found = findings(ready, "batch-deployment", "validate", "--file", str(path))
    assert found["compute"][0]["result"] == "ok"
    assert found["import, sample"][0]["result"] == "not checked"
    ready.file("new/code/score.py", "def run(:\n")
    (ready.folder / "new" / "model.txt").unlink()
    ready.file("new/deployment.yml", {**document, "compute": "azureml:none", "settings": {"mini_batch_size": 0}})
    wrong = findings(ready, "batch-deployment", "validate", "--file", str(path), exit_code=1)
    assert {check for check, some in wrong.items() if some[0]["result"] == "error"} == {
        "model",
        "script",
        "compute",
        "settings",
    }
    assert state(ready) == before


def test_an_environment_that_can_never_be_built_is_told_before_it_is_registered(ready: ServerHome) -> None:
    ready.file("odd/code/score.py", ECHO)
    ready.file("odd/model.txt", "m")
    document = {
        "name": "odd",
        "endpoint_name": "looked-at",
        "type": "model",
        "model": {"path": "model.txt"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": ["no-such-conda-name=1"]}},
        "compute": "azureml:cpu",
    }
    path = ready.file("odd/deployment.yml", document)
    found = findings(ready, "batch-deployment", "validate", "--file", str(path), exit_code=1)
    assert "no-such-conda-name" in found["environment"][0]["found"]


def local(home: ServerHome, script: str) -> Path:
    home.file("local/code/score.py", script)
    home.file("local/model.txt", "m")
    document = {
        "model": {"path": "model.txt"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "settings": {"mini_batch_size": 2, "input_contract": CSV},
    }
    return home.file("local/deployment.yml", document)


def test_a_local_run_is_looked_at_without_a_server(own_home: ServerHome) -> None:
    path, source = local(own_home, ECHO), tables(own_home, "in")
    asked = ("run", str(path), "--input", str(source), "--output", "out", "--dry-run")
    found = findings(own_home, *asked)
    assert [found[check][0]["result"] for check in ("output", "items", "start", "sample")] == ["ok"] * 4
    tables(own_home, "in", bad=3)
    assert "'03.csv'" in findings(own_home, *asked, exit_code=1)["input contract"][0]["found"]
    assert own_home.run(*asked, exit_code=1).stdout.splitlines()[-1] == "Failed: 1 error, 0 warnings."
    assert not (own_home.folder / "out").exists()
    assert not (own_home.home / "batchyard.db").exists()
    assert list((own_home.home / "runs").iterdir()) == []
    assert own_home.processes() == {}


def test_what_a_local_look_leaves_when_it_is_killed_goes_with_the_next(own_home: ServerHome) -> None:
    path = local(own_home, "import time\ndef run(mini_batch):\n    time.sleep(60)\n")
    asked = ["run", str(path), "--input", str(tables(own_home, "in")), "--dry-run"]
    runs = own_home.home / "runs"
    process = subprocess.Popen([BATCHYARD, *asked], env=own_home.environment(), cwd=own_home.folder)
    deadline = time.monotonic() + 120
    while not list(runs.glob("dry-run-*/sample/parts/*.part")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_none(own_home.home, within_s=60.0)
    local(own_home, ECHO)
    own_home.run(*asked)
    assert list(runs.iterdir()) == []
