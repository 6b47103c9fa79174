"""Pipelines with a real engine: steps side by side and one after the other, failing, cancelled, resumed, restarted."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any  # what YAML and JSON hold

from tests.support.server_home import ServerHome

PYTHON = {"conda_file": {"dependencies": ["python"]}}


def step(command: str, **more: Any) -> dict[str, Any]:
    """Give a step that tells its name in the tally when it runs, and what it takes and gives as text."""
    inputs = {"tally": "${{parent.inputs.tally}}", **more.pop("inputs", {})}
    return {"type": "command", "command": command, "environment": PYTHON, "inputs": inputs, **more}


def told(name: str, then: str) -> str:
    return f"echo {name} >> ${{{{inputs.tally}}}} && {then}"


def taken(step: str, output: str = "out") -> str:
    return f"${{{{parent.jobs.{step}.outputs.{output}}}}}"


def deploy(served: ServerHome, name: str, steps: dict[str, Any], **settings: Any) -> None:
    """Deploy a pipeline that gives `result` behind an endpoint of its own."""
    gives = any("result" in str(one.get("outputs")) for one in steps.values())
    pipeline = {
        "type": "pipeline",
        "inputs": {"tally": {"type": "string"}},
        "outputs": {"result": {"type": "uri_file"}} if gives else {},
        "jobs": steps,
    }
    deployment = {
        "name": "steps",
        "endpoint_name": name,
        "type": "pipeline",
        "component": pipeline,
        "settings": {"default_compute": "steps-cpu", **settings},
    }
    served.run("compute", "create", "--name", "steps-cpu", "--type", "amlcompute", "--max-instances", "2")
    served.run("batch-endpoint", "create", "--name", name)
    file = str(served.file(f"{name}.yml", deployment))
    served.run("batch-deployment", "create", "--file", file, "--set-default")


def begin(served: ServerHome, name: str, tally: Path) -> str:
    invoked = served.json("batch-endpoint", "invoke", "--name", name, "--inputs", f"tally={tally}")
    return str(invoked["name"])


def wait_for(what: Any, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def result(served: ServerHome, job: dict[str, Any]) -> str:
    place = job["outputs"]["result"]["uri"].partition("/paths/")[2]
    return (served.home / "datastores" / "workspaceblobstore" / place).read_text()


def test_steps_run_after_what_they_need_and_an_inner_pipeline_is_one_of_them(
    served: ServerHome, tmp_path: Path
) -> None:
    inner = {
        "type": "pipeline",
        "inputs": {"tally": {"type": "string"}, "text": {"type": "uri_file"}},
        "outputs": {"out": {"type": "uri_file"}},
        "jobs": {
            "twice": step(
                told("twice", "cat ${{inputs.text}} ${{inputs.text}} > ${{outputs.out}}"),
                inputs={"text": "${{parent.inputs.text}}"},
                outputs={"out": "${{parent.outputs.out}}"},
            )
        },
    }
    give = "printf %s > ${{outputs.out}}"
    deploy(
        served,
        "diamond",
        {
            "joined": step(
                told("joined", "cat ${{inputs.left}} ${{inputs.right}} > ${{outputs.out}}"),
                inputs={"left": taken("left"), "right": taken("right")},
                outputs={"out": "${{parent.outputs.result}}"},
            ),
            "first": step(told("first", give % "a"), outputs={"out": {"type": "uri_file"}}),
            "left": {
                "type": "pipeline",
                "component": inner,
                "inputs": {"tally": "${{parent.inputs.tally}}", "text": taken("first")},
            },
            "right": step(
                told("right", "cat ${{inputs.text}} > ${{outputs.out}}; printf b >> ${{outputs.out}}"),
                inputs={"text": taken("first")},
                outputs={"out": {"type": "uri_file"}},
            ),
        },
    )
    job = served.finish(begin(served, "diamond", tmp_path / "tally"))

    assert job["status"] == "Completed", job["error"]
    assert result(served, job) == "aaab"
    ran = lines(tmp_path / "tally")
    assert (ran[0], sorted(ran[1:3]), ran[3:]) == ("first", ["right", "twice"], ["joined"])


def test_a_failed_step_is_named_and_what_has_finished_is_not_run_again_when_the_job_is_resumed(
    served: ServerHome, tmp_path: Path
) -> None:
    gate = tmp_path / "tally.open"
    deploy(
        served,
        "gated",
        {
            "first": step(told("first", "true")),
            "slow": step(told("slow", "if test ! -e ${{inputs.tally}}.open; then sleep 600; fi")),
            "gate": step(
                told("gate", "echo no key >&2; test -e ${{inputs.tally}}.open && printf ok > ${{outputs.out}}"),
                outputs={"out": "${{parent.outputs.result}}"},
            ),
        },
    )
    name = begin(served, "gated", tmp_path / "tally")
    failed = served.finish(name)

    assert failed["status"] == "Failed"
    assert "Step 'gate'" in failed["error"]["message"]
    gate.touch()
    served.run("job", "resume", "--name", name)
    job = served.finish(name)

    assert job["status"] == "Completed", job["error"]
    assert result(served, job) == "ok"
    ran = lines(tmp_path / "tally")
    assert (ran.count("first"), ran.count("gate")) == (1, 2)


def test_what_does_not_need_a_failed_step_goes_on_where_that_is_set(served: ServerHome, tmp_path: Path) -> None:
    steps = {
        "bad": step(told("bad", "exit 3"), outputs={"out": {"type": "uri_file"}}),
        "after_bad": step(told("after_bad", "true"), inputs={"text": taken("bad")}),
        "good": step(told("good", "printf x > ${{outputs.out}}"), outputs={"out": {"type": "uri_file"}}),
        "after_good": step(told("after_good", "cat ${{inputs.text}}"), inputs={"text": taken("good")}),
    }
    deploy(served, "goes-on", steps, continue_on_step_failure=True)
    job = served.finish(begin(served, "goes-on", tmp_path / "tally"))

    assert job["status"] == "Failed"
    assert "'bad'" in job["error"]["message"]
    assert sorted(lines(tmp_path / "tally")) == ["after_good", "bad", "good"]


def test_a_cancel_ends_every_step_and_their_processes(served: ServerHome, tmp_path: Path) -> None:
    pid = "echo $$ >> ${{inputs.tally}} && sleep 600"
    inner = {"type": "pipeline", "inputs": {"tally": {"type": "string"}}, "jobs": {"deep": step(pid)}}
    steps = {
        "one": step(pid),
        "inner": {"type": "pipeline", "component": inner, "inputs": {"tally": "${{parent.inputs.tally}}"}},
        "waits": step(pid),
    }
    deploy(served, "cancelled", steps)
    name = begin(served, "cancelled", tmp_path / "tally")
    wait_for(lambda: len(lines(tmp_path / "tally")) == 2)

    served.run("job", "cancel", "--name", name)
    job = served.finish(name)

    assert job["status"] == "Canceled"
    pids = lines(tmp_path / "tally")
    assert len(pids) == 2
    wait_for(lambda: not any(Path("/proc", one).exists() for one in pids))


def test_a_pipeline_goes_on_when_all_of_its_server_is_killed(own_home: ServerHome, tmp_path: Path) -> None:
    deploy(
        own_home,
        "killed",
        {
            "first": step(told("first", "printf a > ${{outputs.out}}"), outputs={"out": {"type": "uri_file"}}),
            "second": step(
                told("second", "sleep 2 && cat ${{inputs.text}} > ${{outputs.out}}"),
                inputs={"text": taken("first")},
                outputs={"out": "${{parent.outputs.result}}"},
            ),
        },
    )
    name = begin(own_home, "killed", tmp_path / "tally")
    wait_for(lambda: "second" in lines(tmp_path / "tally"))
    for pid in own_home.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    job = own_home.finish(name)

    assert job["status"] == "Completed", job["error"]
    assert result(own_home, job) == "a"
    assert lines(tmp_path / "tally").count("first") == 1


def test_a_pipeline_whose_environment_cannot_be_built_is_refused_with_the_name_of_the_step(served: ServerHome) -> None:
    broken = {"conda_file": {"dependencies": ["python", "pip", {"pip": ["six==0.0.0.1"]}]}}
    pipeline = {
        "type": "pipeline",
        "jobs": {
            "fine": {"type": "command", "command": "true", "environment": PYTHON},
            "odd": {"type": "command", "command": "true", "environment": broken},
        },
    }
    deployment = {
        "name": "steps",
        "endpoint_name": "broken",
        "type": "pipeline",
        "component": pipeline,
        "settings": {"default_compute": "steps-cpu"},
    }
    served.run("compute", "create", "--name", "steps-cpu", "--type", "amlcompute", "--max-instances", "2")
    served.run("batch-endpoint", "create", "--name", "broken")
    file = str(served.file("broken.yml", deployment))

    refused = served.run("batch-deployment", "create", "--file", file, exit_code=None)

    assert refused.returncode != 0
    assert "environment of step 'odd' could not be built" in refused.stderr
    assert "environment of step 'fine'" not in refused.stderr
