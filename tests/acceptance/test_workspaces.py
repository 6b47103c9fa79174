"""More than one workspace: the same names in two of them are different things, all the way to the output."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from tests.support.processes import kill
from tests.support.server_home import CommandFailed, ServerHome

SUB = ("--subscription", "sub-1")
TEAM = ("-g", "Research", "-w", "team", *SUB)
HERE = ()
SLOW = "import os, time\ndef run(b):\n    time.sleep(0.05)\n    return [os.path.basename(path) for path in b]\n"
SCRIPT = "from pathlib import Path\n\ndef run(mini_batch):\n    return [f'{mark} {Path(p).name}' for p in mini_batch]\n"


def deploy(home: ServerHome, scope: tuple[str, ...], mark: str) -> None:
    folder = home.folder / mark
    folder.mkdir()
    home.file(f"{mark}/code/score.py", SCRIPT.replace("{mark}", mark))
    home.file(
        f"{mark}/deployment.yml",
        {
            "name": "blue",
            "endpoint_name": "twins",
            "compute": "azureml:cpu",
            "model": {"path": "model.txt"},
            "environment": {"image": "img", "conda_file": {"dependencies": ["python=3.11"]}},
            "code_configuration": {"code": "code", "scoring_script": "score.py"},
        },
    )
    home.file(f"{mark}/model.txt", mark)
    home.run("compute", "create", "-n", "cpu", "--max-instances", "1", *scope)
    home.run("batch-endpoint", "create", "-n", "twins", *scope)
    home.run("batch-deployment", "create", "-f", f"{mark}/deployment.yml", "--set-default", *scope)


def test_twins_in_two_workspaces_never_meet(own_home: ServerHome) -> None:
    home = own_home
    made = home.json("workspace", "create", "-n", "team", "-g", "Research", *SUB, "--tags", "a=b")
    assert (made["name"], made["resource_group"], made["subscription"]) == ("team", "Research", "sub-1")
    home.file("numbers/one.txt", "1")
    for scope, mark in ((HERE, "ours"), (TEAM, "theirs")):
        deploy(home, scope, mark)
        invoked = home.json(
            "batch-endpoint", "invoke", "-n", "twins", "--input", "numbers", "--job-name", "same", "--wait", *scope
        )
        assert invoked["status"] == "Completed"
    for scope, mark in ((HERE, "ours"), (("-g", "RESEARCH", "-w", "TEAM", "--subscription", "SUB-1"), "theirs")):
        home.run("job", "download", "-n", "same", "-p", f"down-{mark}", *scope)
        found = next((home.folder / f"down-{mark}").rglob("predictions.csv")).read_text()
        assert found == f"{mark} one.txt\n"
        assert [job["name"] for job in home.json("job", "list", *scope)] == ["same"]
        assert "Completed" in home.run("job", "stream", "-n", "same", *scope).stdout
        assert home.run("job", "logs", "-n", "same", *scope).returncode == 0
    assert home.run("workspace", "delete", "-n", "team", "-y", "-g", "Research", *SUB, exit_code=None).returncode != 0
    home.run("batch-endpoint", "delete", "-n", "twins", "-y", *TEAM)
    home.run("workspace", "delete", "-n", "team", "-y", "-g", "Research", *SUB)
    assert [one["name"] for one in home.json("workspace", "list")] == ["default"]
    left = home.run("doctor", exit_code=None).stdout
    assert "files of deleted ones are left" in left
    # The one that stays is as it was; a new one of the old name is empty.
    assert home.json("job", "show", "-n", "same")["status"] == "Completed"
    home.run("workspace", "create", "-n", "team", "-g", "Research", *SUB)
    assert home.json("job", "list", *TEAM) == []
    assert home.json("model", "list", *TEAM) == []


def test_a_job_of_another_workspace_is_taken_over_after_its_process_and_its_server_ended(own_home: ServerHome) -> None:
    home = own_home
    source = home.files("input", 120)
    home.run("workspace", "create", "-n", "team", "-g", "research", *SUB)
    home.run("configure", "--defaults", "workspace=team", "group=research", "subscription=sub-1")
    home.deploy("slow", "one", SLOW, mini_batch_size=1)
    job = home.invoke("slow", source)
    scored = 0
    for end in (kill_job_processes, lambda home: home.run("server", "stop", "-o", "none")):
        while (now := home.json("job", "show", "-n", job)["counts"]["succeeded"]) <= scored:
            time.sleep(0.1)
        scored = now
        end(home)
    record = home.finish(job)
    assert (record["status"], record["counts"]["attempts"]) == ("Completed", 120)
    home.run("job", "download", "-n", job, "-p", "down")
    rows = next((home.folder / "down").rglob("predictions.csv")).read_text().splitlines()
    assert rows == [f"item-{number:04}.txt" for number in range(120)]
    assert home.run("job", "show", "-n", job, "-w", "default", "-g", "local", exit_code=None).returncode != 0


def kill_job_processes(home: ServerHome) -> None:
    engine_like = [pid for pid, command in home.processes().items() if "bootstrap.engine" in command]
    for pid in sorted(engine_like)[1:]:  # The engine is the oldest; the others are its forks.
        kill(pid)


def test_a_workspace_that_is_not_there_is_told_with_the_command_that_makes_it(served: ServerHome) -> None:
    with pytest.raises(CommandFailed) as refusal:
        served.run("batch-endpoint", "list", "-g", "nowhere", "-w", "none", "--subscription", "sub-2")
    told = str(refusal.value)
    assert "'default'" in told
    command = told.partition("`batchyard ")[2].partition("`")[0]
    served.run(*command.split())
    assert served.json("batch-endpoint", "list", "-g", "nowhere", "-w", "none", "--subscription", "sub-2") == []
    served.run("workspace", "delete", "-n", "none", "-g", "nowhere", "--subscription", "sub-2", "-y")


def test_defaults_files_and_az_know_the_workspaces(own_home: ServerHome) -> None:
    home = own_home
    home.file(
        "workspace.yml",
        {
            "$schema": "https://azuremlschemas.azureedge.net/latest/workspace.schema.json",
            "name": "team",
            "location": "westeurope",
            "display_name": "The team",
            "hbi_workspace": False,
        },
    )
    home.run("workspace", "create", "-f", "workspace.yml", "-g", "research", *SUB)
    home.run("az", "install", "bin")
    az = shutil.which("az", path=str(home.folder / "bin"))
    assert az is not None
    home.run("account", "set", "--subscription", "sub-1")
    home.run("configure", "--defaults", "group=research", "workspace=team")
    shown = home.json("workspace", "show")
    assert (shown["name"], shown["location"], shown["display_name"]) == ("team", "westeurope", "The team")
    assert home.json("group", "show", "-n", "research")["location"] == "westeurope"
    assert {one["id"]: one["isDefault"] for one in home.json("account", "list")}["sub-1"] is True
    home.run("env", "--config")
    assert json.loads((home.folder / "config.json").read_text()) == {
        "subscription_id": "sub-1",
        "resource_group": "research",
        "workspace_name": "team",
    }
    assert home.run("env", "--config", "-w", "other", exit_code=None).returncode != 0
