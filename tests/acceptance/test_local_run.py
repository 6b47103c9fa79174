"""`batchyard run`: the same engine over the same files, without a server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.support.processes import wait_for_none
from tests.support.server_home import BATCHYARD, ServerHome

ECHO = "import os\ndef run(b):\n    return [os.path.basename(p) for p in b]\n"
FAILS = """
def run(mini_batch):
    if any(path.endswith("item-0003.txt") for path in mini_batch):
        raise ValueError("bad one")
    return list(mini_batch)
"""


def write(home: ServerHome, script: str, **settings: object) -> Path:
    home.file("code/score.py", script)
    home.file("model/weights.txt", "w")
    return home.file(
        "deployment.yml",
        {
            "name": "one",
            "endpoint_name": "nowhere",
            "type": "model",
            "model": {"path": "model"},
            "code_configuration": {"code": "code", "scoring_script": "score.py"},
            "environment": {"conda_file": {"dependencies": []}},
            "compute": "azureml:no-such-compute",
            "settings": {"mini_batch_size": 2, **settings},
        },
    )


def test_a_run_needs_no_server_compute_or_endpoint_and_starts_none(own_home: ServerHome) -> None:
    write(own_home, ECHO)
    source = own_home.files("input", 7)
    own_home.run("run", "deployment.yml", "--input", str(source), "--output", "out")
    rows = (own_home.folder / "out" / "predictions.csv").read_text().splitlines()
    assert rows == [f"item-{k:04d}.txt" for k in range(7)]
    manifest = json.loads((own_home.folder / "out" / "_manifest.json").read_text())
    assert manifest["counts"]["mini_batches"] == 4
    assert own_home.processes() == {}
    assert not (own_home.home / "batchyard.db").exists()
    assert list((own_home.home / "runs").iterdir()) == []


def test_names_that_deploying_takes_from_flags_need_not_be_in_the_file(own_home: ServerHome) -> None:
    path = write(own_home, ECHO)
    document = yaml.safe_load(path.read_text())
    flags = ("name", "endpoint_name", "compute")
    own_home.file("deployment.yml", {key: value for key, value in document.items() if key not in flags})
    source = own_home.files("input", 1)
    own_home.run("run", "deployment.yml", "--input", str(source), "--output", "out")
    assert (own_home.folder / "out" / "predictions.csv").read_text() == "item-0000.txt\n"
    own_home.file("deployment.yml", {**document, "endpoint_name": "-"})
    refused = own_home.run("run", "deployment.yml", "--input", str(source), "--output", "out2", exit_code=1)
    assert "endpoint_name: found '-'" in refused.stderr


def test_settings_are_obeyed_and_can_be_set(own_home: ServerHome) -> None:
    write(own_home, FAILS, error_threshold=0, retry_settings={"max_retries": 0})
    source = own_home.files("input", 6)
    arguments = ("run", "deployment.yml", "--input", str(source), "--output", "out")
    failed = own_home.run(*arguments, exit_code=1)
    assert "bad one" in failed.stderr
    assert not (own_home.folder / "out").exists()
    own_home.run(*arguments, "--set", "settings.error_threshold=2")
    lines = (own_home.folder / "out" / "_failed_items.jsonl").read_text().splitlines()
    assert [json.loads(line)["item"] for line in lines] == ["item-0003.txt"]


def test_rows_have_columns_where_the_settings_ask_for_them(own_home: ServerHome) -> None:
    write(own_home, "def run(b): return [{'k': k, 't': 'a,b'} for k in range(len(b))]\n")
    source = own_home.files("input", 3)
    arguments = ("run", "deployment.yml", "--input", str(source), "--set", "settings.output_format=csv")
    own_home.run(*arguments, "settings.output_columns=item,position", "--output", "out")
    assert (own_home.folder / "out" / "predictions.csv").read_text().splitlines() == [
        "item,position,k,t",
        *(f'item-{k:04d}.txt,{k},{k % 2},"a,b"' for k in range(3)),
    ]
    printed = own_home.run(*arguments, "--inline").stdout.splitlines()
    assert [json.loads(line) for line in printed] == [{"k": k % 2, "t": "a,b"} for k in range(3)]


def test_strict_has_an_exit_code_of_its_own_for_failed_items(own_home: ServerHome) -> None:
    write(own_home, FAILS, retry_settings={"max_retries": 0})
    source = own_home.files("input", 6)
    own_home.run("run", "deployment.yml", "--input", str(source), "--output", "out", "--strict", exit_code=4)
    assert (own_home.folder / "out" / "_manifest.json").exists()


def test_every_mistake_is_told_at_once_and_an_output_that_exists_is_kept(own_home: ServerHome) -> None:
    write(own_home, "def score(b):\n    return b\n", mini_batch_size=0)
    source = own_home.files("input", 1)
    arguments = ("run", "deployment.yml", "--input", str(source), "--output", "out")
    refused = own_home.run(*arguments, "--set", "model=nothing-here", exit_code=1)
    for field in ("settings.mini_batch_size", "code_configuration.scoring_script", "model.path"):
        assert field in refused.stderr
    assert "Traceback" not in refused.stderr
    write(own_home, ECHO)
    own_home.file("out/mine.txt", "stays")
    assert "exists" in own_home.run(*arguments, exit_code=1).stderr
    assert [p.name for p in (own_home.folder / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_output_and_no_process(own_home: ServerHome, number: signal.Signals) -> None:
    write(own_home, "import time\ndef run(b):\n    time.sleep(600)\n    return list(b)\n")
    source = own_home.files("input", 2)
    command = [BATCHYARD, "run", "deployment.yml", "--input", str(source), "--output", "out"]
    # A shell that runs the tests in its background has SIGINT ignored, which children inherit.
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = subprocess.Popen(
        command,
        cwd=own_home.folder,
        env=own_home.environment(),
        stderr=subprocess.DEVNULL,
        preexec_fn=heed,  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while not list((own_home.home / "runs").glob("*/logs/user/stdout/*/*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    process.wait(timeout=60)
    assert wait_for_none(own_home.home, within_s=60.0) == {}
    assert not (own_home.folder / "out").exists()


def test_inline_scores_on_the_terminal_and_publishes_nothing(own_home: ServerHome) -> None:
    write(own_home, ECHO)
    source = own_home.files("input", 3)
    done = own_home.run("run", "deployment.yml", "--input", str(source), "--inline")
    assert done.stdout.splitlines() == [f"item-{k:04d}.txt" for k in range(3)]
    write(own_home, FAILS)
    more = own_home.files("more", 4)
    failed = own_home.run("run", "deployment.yml", "--input", str(more), "--inline", exit_code=1)
    assert "ValueError: bad one" in failed.stderr
    assert f'File "{own_home.folder}/code/score.py"' in failed.stderr, "the file that the user edits"


def test_pdb_opens_where_the_script_failed(own_home: ServerHome) -> None:
    write(own_home, "def run(b):\n    answer = 6 * 7\n    raise ValueError(answer)\n")
    source = own_home.files("input", 1)
    command = [BATCHYARD, "run", "deployment.yml", "--input", str(source), "--pdb"]
    done = subprocess.run(
        command,
        cwd=own_home.folder,
        env=own_home.environment(),
        input="p answer\nq\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert "(Pdb) 42" in done.stdout


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        # Beside the child that reads the YAML: what the engine needs, and nothing of the other half.
        (
            "local_run",
            (
                "pydantic",
                "batchyard.wire",
                "batchyard.domain.forecast.calibration",
                "batchyard.domain.pipelines.graphs",
                "ssl",
            ),
        ),
        ("deployment_reading", ("batchyard.engine", "batchyard.ports", "batchyard.control.registry")),
        ("run", ("pydantic", "yaml", "batchyard.wire", "batchyard.engine", "batchyard.ports")),
    ],
)
def test_a_run_imports_the_engine_and_the_reader_of_yaml_apart(module: str, heavy: tuple[str, ...]) -> None:
    never = (*heavy, "sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn", "knack", "httpx2")
    code = f"import batchyard.bootstrap.{module}, sys; print([m for m in sys.modules if m in {never}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("spelling", ["error_threshold=0", "settings.error_threshold=0"])
def test_a_setting_is_set_by_either_of_its_names(own_home: ServerHome, spelling: str) -> None:
    write(own_home, FAILS, retry_settings={"max_retries": 0})
    source = own_home.files("input", 6)
    arguments = ("run", "deployment.yml", "--input", str(source), "--output", "out", "--set", spelling)
    assert "error_threshold 0" in own_home.run(*arguments, exit_code=1).stderr


def test_a_usage_mistake_of_a_run_is_one_line(own_home: ServerHome) -> None:
    (line,) = own_home.run("run", "deployment.yml", exit_code=2).stderr.splitlines()
    assert line.startswith("ERROR: batchyard run: the following arguments are required: --input")
