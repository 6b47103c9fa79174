"""A pipeline with a parallel step, by the command line with a real engine: also when all of its server is killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any  # what YAML and JSON hold

from tests.support.server_home import ServerHome

PYTHON = {"conda_file": {"dependencies": ["python"]}}
ITEMS = 40
SCRIPT = """
import os, sys, time
def run(paths):
    tally, folder = sys.argv[1:]
    time.sleep(0.1)
    for path in paths:
        with open(tally, "a") as told:
            told.write(os.path.basename(path) + "\\n")
        with open(os.path.join(folder, os.path.basename(path) + ".done"), "w") as done:
            done.write("x")
    return [os.path.basename(path) + " " + open(path).read() for path in paths]
"""


def deploy(served: ServerHome, tmp_path: Path) -> None:
    """Deploy a pipeline: files are made, scored in parallel, and counted as a later step finds them."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "score.py").write_text(SCRIPT)
    make = f"for k in $(seq 1 {ITEMS}); do printf $k > ${{{{outputs.items}}}}/item-$k; done"
    jobs: dict[str, Any] = {
        "make": {
            "type": "command",
            "command": make,
            "environment": PYTHON,
            "outputs": {"items": {"type": "uri_folder"}},
        },
        "score": {
            "type": "parallel",
            "inputs": {"data": "${{parent.jobs.make.outputs.items}}", "tally": "${{parent.inputs.tally}}"},
            "outputs": {"rows": {"type": "uri_file"}, "marks": {"type": "uri_folder"}},
            "input_data": "${{inputs.data}}",
            "mini_batch_size": "2",
            "max_concurrency_per_instance": 2,
            "resources": {"instance_count": 1},
            "task": {
                "type": "run_function",
                "code": str(code),
                "entry_script": "score.py",
                "environment": PYTHON,
                "program_arguments": "${{inputs.tally}} ${{outputs.marks}}",
                "append_row_to": "${{outputs.rows}}",
            },
        },
        "count": {
            "type": "command",
            "command": "ls ${{inputs.marks}} | wc -l > ${{outputs.out}}; cat ${{inputs.rows}} >> ${{outputs.out}}",
            "environment": PYTHON,
            "inputs": {"marks": "${{parent.jobs.score.outputs.marks}}", "rows": "${{parent.jobs.score.outputs.rows}}"},
            "outputs": {"out": "${{parent.outputs.result}}"},
        },
    }
    pipeline = {
        "type": "pipeline",
        "inputs": {"tally": {"type": "string"}},
        "outputs": {"result": {"type": "uri_file"}},
        "jobs": jobs,
    }
    deployment = {
        "name": "steps",
        "endpoint_name": "parallel",
        "type": "pipeline",
        "component": pipeline,
        "settings": {"default_compute": "steps-cpu"},
    }
    served.run("compute", "create", "--name", "steps-cpu", "--type", "amlcompute", "--max-instances", "2")
    served.run("batch-endpoint", "create", "--name", "parallel")
    file = str(served.file("parallel.yml", deployment))
    served.run("batch-deployment", "create", "--file", file, "--set-default")


def test_a_parallel_step_goes_on_from_its_ledger_when_all_of_its_server_is_killed(
    own_home: ServerHome, tmp_path: Path
) -> None:
    deploy(own_home, tmp_path)
    tally = tmp_path / "tally"
    invoked = own_home.json("batch-endpoint", "invoke", "--name", "parallel", "--inputs", f"tally={tally}")
    deadline = time.monotonic() + 120
    while not tally.exists() or len(tally.read_text().split()) < ITEMS // 2:
        assert time.monotonic() < deadline, "the parallel step did not begin"
        time.sleep(0.05)
    for pid in own_home.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    job = own_home.finish(str(invoked["name"]))

    assert job["status"] == "Completed", job["error"]
    place = job["outputs"]["result"]["uri"].partition("/paths/")[2]
    count, *rows = (own_home.home / "datastores" / "workspaceblobstore" / place).read_text().split("\n")[:-1]
    assert int(count) == ITEMS
    assert sorted(rows) == sorted(f"item-{k} {k}" for k in range(1, ITEMS + 1))
    # What was committed before was not scored again: at most what the two workers had in hand.
    assert len(tally.read_text().split()) < ITEMS + ITEMS // 2
