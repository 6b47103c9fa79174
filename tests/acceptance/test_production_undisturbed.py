"""R57: production runs while candidates try to reach its files; the kernel sees no event that is not production's."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any  # what JSON holds

import httpx2
import pytest

from tests.support.file_events import Watched
from tests.support.server_home import WS, ServerHome, copy_deployment, ended

PRODUCTION = "import os\ndef run(mini_batch): return ['good ' + os.path.basename(path) for path in mini_batch]\n"
# An item is named after what is tried with it. What came of it is told in rows, and in a file for where there are none.
CANDIDATE = """
import os, subprocess, sys, time

place = os.environ["TARGET_PLACE"]
target = place + "/first/score"
victim = target + "/predictions.csv"

def out(name):
    return os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name)

def append(path):
    with open(path, "a") as file:
        file.write("evil")

def absolute(item): append(victim)
def truncated(item): os.truncate(victim, 0)
def dotdot(item): append(out("../" * 30 + victim[1:]))
def up_from_the_input(item): append(os.path.dirname(item) + "/../../input/item-0000.txt")
def input_itself(item): append(item)
def removed(item): os.unlink(victim)
def renamed(item): os.rename(target, target + "-away")
def times(item): os.utime(victim, (1, 1))
def modes(item): os.chmod(victim, 0o777)
def new_file(item): append(target + "/new.csv")
def new_folder(item): os.makedirs(place + "/second/score")
def hard_link(item): os.link(victim, out("hard"))
def hard_link_into(item): os.link(__file__, target + "/code.py")
def child(item): subprocess.run([sys.executable, "-c", "open(%r, 'a').write('evil')" % victim], check=True, stderr=-3)
def shell(item): subprocess.run(["sh", "-c", 'echo evil >> "%s"' % victim], check=True, stderr=-3)

def symbolic_link(item):
    os.symlink(target, out("link"))
    try: append(out("link") + "/predictions.csv")
    finally: os.unlink(out("link"))

def moved_in(item):
    append(out("mine"))
    try: os.replace(out("mine"), victim)
    except OSError:
        os.unlink(out("mine"))
        raise

def tried(path):
    try: globals()[os.path.basename(path)](path)
    except (OSError, subprocess.CalledProcessError): return " refused"
    return " REACHED"

def run(mini_batch):
    told, deadline = {}, time.monotonic() + 120
    while True:
        stop = os.path.exists(os.path.dirname(mini_batch[0]) + "/stop") or time.monotonic() > deadline
        for item in mini_batch:
            told[os.path.basename(item) + tried(item)] = True
        if stop:
            break
        time.sleep(0.02)
    with open(out("told.txt"), "w") as file:
        file.write("\\n".join(told))
    return list(told)
"""
TRIES = [line.split("(")[0].removeprefix("def ") for line in CANDIDATE.splitlines() if "(item):" in line]
STORE = "azureml://datastores/workspaceblobstore/paths"
ENDPOINT = f"{WS}/batchEndpoints/guarded"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    """Production is the default and pinned to its path, as are two candidates: of rows, and of `summary_only`."""
    home = ServerHome(tmp_path_factory.mktemp("guarded"), variables={"BATCHYARD_SANDBOX": "on"})
    try:
        variables = {"TARGET_PLACE": str(home.home / "datastores/workspaceblobstore/production")}
        settings = {
            "mini_batch_size": len(TRIES),
            "environment_variables": variables,
            "retry_settings": {"max_retries": 0, "timeout": 200},
        }
        home.deploy("guarded", "candidate", CANDIDATE, output_path=f"{STORE}/candidates/rows", **settings)
        home.deploy("guarded", "production", PRODUCTION, output_path=f"{STORE}/production")
        home.files("input", 4)
        with home.rest() as client:
            of_files = {"outputAction": "SummaryOnly", "outputPath": f"{STORE}/candidates/files"}
            copy_deployment(client, "guarded/candidate", "guarded/summary", **of_files)
        yield home
    finally:
        home.end()


def invoke(client: httpx2.Client, data: Path, deployment: str | None = None, **more: Any) -> str:
    url = client.get(ENDPOINT).json()["properties"]["scoringUri"]
    source = {"jobInputType": "UriFolder", "uri": data.as_uri()}
    headers = {} if deployment is None else {"azureml-model-deployment": deployment}
    answer = client.post(url, json={"properties": {"inputData": {"data": source}, **more}}, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


def running(client: httpx2.Client, job: str) -> None:
    """Wait until a job runs."""
    deadline = time.monotonic() + 120
    while client.get(f"{WS}/jobs/{job}").json()["properties"]["status"] != "Running":
        assert time.monotonic() < deadline, "it does not run"
        time.sleep(0.02)


def files_of(folder: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Give bytes, times of change and links of every file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        told = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (content, told.st_mtime_ns, told.st_ctime_ns, told.st_nlink)
    return found


def refusals(home: ServerHome) -> list[str]:
    """Give what the audit log says of invocations that were refused."""
    with closing(sqlite3.connect(home.home / "batchyard.db")) as database:
        rows = database.execute("select details from audit where action = 'batchEndpoints/jobs/write'").fetchall()
    return [details["refused"] for details in map(json.loads, (row[0] for row in rows)) if "refused" in details]


def told_by(home: ServerHome, deployment: str, job: str) -> list[str]:
    """Give what came of the tries of a candidate's job."""
    folder = {"candidate": "rows", "summary": "files"}[deployment]
    output = home.home / "datastores/workspaceblobstore/candidates" / folder / job / "score"
    found = sorted((output / "told.txt").read_text().splitlines())
    if deployment == "candidate":
        assert sorted((output / "predictions.csv").read_text().splitlines()) == found
    return found


def test_without_a_sandbox_each_try_reaches_production_and_the_kernel_tells_of_it(tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text(CANDIDATE)
    for name in TRIES:
        folder = tmp_path / name
        for file in ("production/first/score/predictions.csv", f"tries/0/{name}", "input/item-0000.txt", "own/x"):
            (folder / file).parent.mkdir(parents=True)
            (folder / file).write_text("as it was")
        variables = {"TARGET_PLACE": str(folder / "production"), "AZUREML_BI_OUTPUT_PATH": str(folder / "own")}
        command = f"import score; print(score.tried({str(folder / 'tries' / '0' / name)!r}))"
        with Watched() as watched:
            for part in ("production", "tries", "input"):
                watched.add_all(folder / part)
            done = subprocess.run(
                [sys.executable, "-c", command], env=variables, cwd=tmp_path, text=True, capture_output=True, check=True
            )
            assert (name, done.stdout) == (name, " REACHED\n")
            assert watched.events(), name


@pytest.mark.parametrize("runs", [4, pytest.param(20, marks=pytest.mark.long)])
def test_nothing_but_production_changes_a_file_of_production_while_candidates_try(home: ServerHome, runs: int) -> None:
    place, inputs = home.home / "datastores/workspaceblobstore/production", home.folder / "input"
    with home.rest() as client, Watched() as watched, Watched() as top:
        if not (place / "first").exists():
            assert ended(client, invoke(client, inputs, name="first"))["status"] == "Completed"
        top.add(place)
        before = {folder: files_of(folder) for folder in (place / "first", inputs)}
        for folder in before:
            watched.add_all(folder)
        published, refused = {"first"}, len(refusals(home))
        for k in range(runs):
            deployment = ("candidate", "summary")[k % 2]
            tries = [home.file(f"tries/{runs}-{k}/{name}", "an item") for name in TRIES]
            for item in tries:
                watched.add(item)
            candidate = invoke(client, tries[0].parent, deployment)
            running(client, candidate)
            production = invoke(client, inputs)
            assert ended(client, production)["status"] == "Completed"
            published.add(production)
            before[place / production] = files_of(place / production)
            watched.add_all(place / production)
            (tries[0].parent / "stop").touch()
            done = ended(client, candidate)
            assert done["status"] == "Completed", done
            assert told_by(home, deployment, candidate) == sorted(f"{name} refused" for name in TRIES)

        for path in ("production", "production/first/score", "production/new"):
            command = ("batch-endpoint", "invoke", "--name", "guarded", "-d", "candidate", "--input", str(inputs))
            answer = home.run(*command, "--output-path", f"{STORE}/{path}", exit_code=1)
            assert "only deployment 'production' of endpoint 'guarded' publishes to" in answer.stderr
        assert len(refusals(home)) == refused + 3

        assert watched.events() == []
        assert {event.path.name for event in top.events()} <= published
        assert {folder: files_of(folder) for folder in before} == before
