"""R57: whatever a candidate's code tries, production and the server are as they were; and work goes on as without."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

PRODUCTION = "import os\ndef run(mini_batch): return ['good ' + os.path.basename(path) for path in mini_batch]\n"
# Each item is named after what is tried with it; the row tells what came of it.
CANDIDATE = """
import os, socket, subprocess, sys, time

home, production = os.environ["TARGET_HOME"], os.environ["TARGET_OUTPUT"]
victim = production + "/predictions.csv"

def out(name):
    return os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name)

def append(path):
    with open(path, "a") as file:
        file.write("evil")

def absolute(item): append(victim)
def dotdot(item): append(out("../" * 30 + victim[1:]))
def removal(item): os.unlink(victim)
def new_file(item): append(production + "/new.csv")
def hard_link(item): os.link(victim, out("hard"))
def hard_link_of_input(item): os.link(item, out("hard-input"))
def input_itself(item): append(item)
def model(item): append(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.txt"))
def code(item): append(__file__)
def database(item): open(home + "/batchyard.db", "rb").read()
def database_write(item): append(home + "/batchyard.db")
def token(item): open(home + "/token").read()
def url_key(item): open(home + "/url.key", "rb").read()
def tls_key(item): open(home + "/tls/server.key", "rb").read()
def sealed(item): open(os.environ["TARGET_SEAL"]).read()
def user_home(item): open(os.environ["TARGET_SECRET"]).read()
def shadow(item): open("/etc/shadow").read()
def killing(item): os.kill(int(os.environ["TARGET_PID"]), 9)
def environment(item): open("/proc/%s/environ" % os.environ["TARGET_PID"], "rb").read()
def connection(item): socket.create_connection(("127.0.0.1", int(os.environ["TARGET_PORT"])), 5).close()
def kernel(item): os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
def child(item): subprocess.run(["sh", "-c", 'echo evil >> "%s"' % victim], check=True, stderr=subprocess.DEVNULL)

def symbolic_link(item):
    os.symlink(production, out("link"))
    try: append(out("link") + "/predictions.csv")
    finally: os.unlink(out("link"))

def other_jobs(item):
    others = set(os.listdir(home + "/jobs")) - {os.environ["AZUREML_RUN_ID"]}
    if not others: raise PermissionError("no other job is seen")

def daemon(item):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.2)
            append(victim)
        os._exit(0)
    os.wait()
    time.sleep(0.5)
    raise PermissionError("it is looked at afterwards")

def run(mini_batch):
    rows = []
    for item in mini_batch:
        name = os.path.basename(item)
        try:
            globals()[name](item)
            rows.append(name + " REACHED")
        except (OSError, subprocess.CalledProcessError):
            rows.append(name + " refused")
    return rows
"""
ATTEMPTS = [
    line.split("(")[0].removeprefix("def ")
    for line in CANDIDATE.splitlines()
    if line.startswith("def ") and "(item)" in line
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path_factory.mktemp("confined"), variables={"BATCHYARD_SANDBOX": "on"})
    try:
        yield home
    finally:
        home.end()


def everything_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Give bytes, time of change and links of every file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_nlink)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_candidate_in_a_sandbox_reaches_nothing_of_production_and_of_the_server(home: ServerHome) -> None:
    assert len(ATTEMPTS) == 25
    home.deploy("scoring", "production", PRODUCTION, mini_batch_size=2)
    inputs = home.files("input", 6)
    first = home.finish(home.invoke("scoring", inputs))
    production = home.output(first["name"])
    secret = home.file(".ssh/id_rsa", "the owner's key")
    seal = next(path for path in (home.home / "sealed").rglob("*") if path.is_file())
    server = json.loads((home.home / "server.json").read_text())
    for name in ATTEMPTS:
        home.file(f"attempts/{name}", "an item")
    before = {part: everything_of(part) for part in (production, inputs, home.folder / "attempts")}
    keys = {name: (home.home / name).read_bytes() for name in ("token", "url.key", "tls/server.key")}

    variables = {
        "TARGET_HOME": str(home.home),
        "TARGET_OUTPUT": str(production),
        "TARGET_SECRET": str(secret),
        "TARGET_SEAL": str(seal),
        "TARGET_PID": str(next(iter(home.processes()))),
        "TARGET_PORT": server["url"].rsplit(":", 1)[1],
    }
    home.deploy("scoring", "candidate", CANDIDATE, mini_batch_size=3, environment_variables=variables)
    tried = home.finish(home.invoke("scoring", home.folder / "attempts"))

    assert tried["status"] == "Completed", tried
    rows = (home.output(tried["name"]) / "predictions.csv").read_text().splitlines()
    assert sorted(rows) == sorted(f"{name} refused" for name in ATTEMPTS)
    assert {part: everything_of(part) for part in before} == before
    assert {name: (home.home / name).read_bytes() for name in keys} == keys
    again = home.finish(home.invoke("scoring", inputs, "--deployment-name", "production"))
    assert everything_of(home.output(again["name"]))["predictions.csv"][0] == before[production]["predictions.csv"][0]


def test_a_link_left_among_the_outputs_publishes_nothing_that_the_script_could_not_read(home: ServerHome) -> None:
    secret = home.file("secret.txt", "the owner's secret")
    script = f"""
        import os
        def run(mini_batch):
            os.symlink({str(secret)!r}, os.environ["AZUREML_BI_OUTPUT_PATH"] + "/stolen.txt")
            return [1] * len(mini_batch)
        """
    home.deploy("links", "one", script, output_action="summary_only", mini_batch_size=4)
    job = home.finish(home.invoke("links", home.files("some", 2)))
    assert job["status"] == "Failed"
    assert "a link that leads out of it" in json.dumps(job["error"])
    assert not home.output(job["name"]).exists()


def test_files_of_scripts_and_failed_items_are_as_without_a_sandbox(home: ServerHome) -> None:
    script = """
        import os
        def init():
            with open(os.environ["AZUREML_BI_OUTPUT_PATH"] + "/of-init.txt", "w") as file:
                file.write("made in init")
        def run(mini_batch):
            for path in mini_batch:
                name = os.path.basename(path)
                if name == "item-0003.txt":
                    raise ValueError("this one is bad")
                with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name + ".out"), "w") as file:
                    file.write(open(path).read())
            return mini_batch
        """
    retries = {"max_retries": 0, "timeout": 30}
    home.deploy("files", "one", script, mini_batch_size=1, error_threshold=-1, retry_settings=retries)
    job = home.finish(home.invoke("files", home.files("eight", 8)))
    assert job["status"] == "Completed", job
    assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (7, 1)
    published = home.output(job["name"])
    assert sorted(path.name for path in published.glob("*.out")) == [
        f"item-{k:04d}.txt.out" for k in range(8) if k != 3
    ]
    assert len((published / "predictions.csv").read_text().splitlines()) == 7
    assert [path.read_text() for path in published.glob("_workers/*/of-init.txt")]


def test_a_sandbox_that_is_not_there_runs_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env", "tar"):
        found = next((Path(folder, name) for folder in ("/usr/bin", "/bin") if Path(folder, name).exists()), None)
        if found is not None:
            (programs / name).symlink_to(found)
    home = ServerHome(tmp_path, variables={"BATCHYARD_SANDBOX": "off"})
    try:
        home.deploy("closed", "one", PRODUCTION)
        home.run("server", "stop")
        home.variables = {"BATCHYARD_SANDBOX": "on", "PATH": str(programs)}
        job = home.finish(home.invoke("closed", home.files("input", 2)))
        assert job["status"] == "Failed"
        assert job["error"]["code"] == "SandboxUnavailable"
        assert "apt-get install bubblewrap" in job["error"]["message"]
        told = home.run("doctor", exit_code=None).stdout
        assert "bubblewrap is not installed: no code is run" in told
        home.run("server", "stop")
        home.variables = {"BATCHYARD_SANDBOX": "on", "PATH": os.environ["PATH"]}
        home.run("job", "resume", "--name", job["name"])
        assert home.finish(job["name"])["status"] == "Completed"
    finally:
        home.end()


def test_a_local_run_is_confined_too_and_refuses_to_run_on_the_terminal(home: ServerHome) -> None:
    script = f"""
        import os
        def run(mini_batch): return [str(os.path.exists({str(home.home / "token")!r}))] * len(mini_batch)
        """
    home.deploy("local", "one", script)
    source = home.files("few", 2)
    home.run("run", "one/deployment.yml", "--input", str(source), "--output", str(home.folder / "local-out"))
    assert set((home.folder / "local-out" / "predictions.csv").read_text().split()) == {"False"}
    refused = home.run("run", "one/deployment.yml", "--input", str(source), "--inline", exit_code=1)
    assert "know no sandbox" in refused.stderr
