"""`batchyard diff` with real servers: a workspace against the files it was made from, and against another home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server_home import ServerHome

SCRIPT = "def run(mini_batch):\n    return mini_batch\n"
SECRET, OTHER = "hunter2-3f9a", "correct-horse-42"
DEPLOYMENT = "batch-deployment/scores/blue"


@pytest.fixture
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path_factory.mktemp("twin"))
    try:
        yield home
    finally:
        home.end()


def test_a_workspace_equals_the_files_it_was_made_from_until_either_changes(own_home: ServerHome) -> None:
    declare(own_home, "yaml")
    make(own_home, "yaml")
    same = own_home.run("diff", "workspace", "yaml")
    assert (same.stdout, same.stderr) == ("", "")
    own_home.file("yaml/blue.yml", blue(mini_batch_size=7))
    assert lines(own_home, "workspace:default", "yaml") == [f"{DEPLOYMENT}  settings.mini_batch_size  10 → 7"]
    own_home.file("yaml/blue.yml", blue())
    own_home.file("yaml/code/score.py", SCRIPT + "\n# changed\n")
    assert [line.split("  ")[:2] for line in lines(own_home, "yaml", "workspace")] == [
        [DEPLOYMENT, "code_configuration.code"],
        ["component/step", "code"],
    ]
    own_home.file("yaml/code/score.py", SCRIPT)
    own_home.run("compute", "update", "--name", "cpu", "--set", "max_instances=3")
    assert lines(own_home, "workspace", "yaml") == ["compute/cpu  max_instances  3 → 2"]
    missing = own_home.run("diff", "workspace:no-such-place", "yaml", exit_code=2)
    assert "no-such-place" in missing.stderr


def test_two_workspaces_are_equal_or_differ_in_the_one_field_that_was_changed(
    own_home: ServerHome, twin: ServerHome
) -> None:
    for home in (own_home, twin):
        declare(home, "yaml")
        make(home, "yaml")
    there = f"workspace:default@{twin.home}"
    same = own_home.run("diff", "workspace", there)
    assert (same.stdout, same.stderr) == ("", "")
    update = ("batch-deployment", "update", "-e", "scores", "-n", "blue", "--set")
    twin.run(*update, "settings.retry_settings.timeout=31")
    assert lines(own_home, "workspace", there) == [f"{DEPLOYMENT}  settings.retry_settings.timeout  30 → 31"]
    twin.run(*update, "settings.retry_settings.timeout=30", f"settings.environment_variables.API_TOKEN={OTHER}")
    masked = "settings.environment_variables.API_TOKEN  (secret) → (another secret)"
    assert lines(own_home, "workspace", there) == [f"{DEPLOYMENT}  {masked}"]
    done = own_home.run("diff", "workspace", there, "-o", "json", "--debug", exit_code=1)
    assert SECRET not in done.stdout + done.stderr
    assert OTHER not in done.stdout + done.stderr
    assert json.loads(done.stdout)[0]["is_secret"] is True


def test_two_workspaces_of_one_server_are_compared_by_their_names(own_home: ServerHome) -> None:
    own_home.file("cpu.yml", {"name": "cpu", "type": "amlcompute", "max_instances": 2})
    own_home.run("workspace", "create", "--name", "team")
    for workspace in ("default", "team"):
        own_home.run("compute", "create", "--file", "cpu.yml", "-w", workspace)
        own_home.run("batch-endpoint", "create", "--name", "scores", "-w", workspace)
    sides = ("workspace:default", "workspace:team")
    assert own_home.run("diff", *sides).stdout == ""
    own_home.run("batch-endpoint", "update", "--name", "scores", "-w", "team", "--set", "tags.owner=risk")
    assert lines(own_home, *sides) == ['batch-endpoint/scores  tags.owner  (none) → "risk"']


def test_a_workspace_of_another_resource_group_is_named_by_its_name_or_with_its_group(own_home: ServerHome) -> None:
    for group in ("lab", "plant"):
        own_home.run("workspace", "create", "--name", "team", "-g", group, "--subscription", "sub-1")
    assert own_home.run("diff", "workspace:default", "workspace:lab/team").stdout == ""
    own_home.run("batch-endpoint", "create", "--name", "scores", "-w", "team", "-g", "lab", "--subscription", "sub-1")
    own_home.run("configure", "--defaults", "workspace=team", "group=plant", "subscription=sub-1")
    assert lines(own_home, "workspace:default", "workspace:SUB-1/Lab/team") == [
        "batch-endpoint/scores  exists  false → true"
    ]
    assert own_home.run("diff", "workspace:default", "workspace:team").stdout == ""
    own_home.run("configure", "--defaults", "workspace=default", "group=local", "subscription=")
    unclear = own_home.run("diff", "workspace:team", "workspace", exit_code=2).stderr
    assert "workspace:sub-1/lab/team" in unclear
    assert "workspace:sub-1/plant/team" in unclear
    missing = own_home.run("diff", "workspace:lab/teem", "workspace", exit_code=2).stderr
    assert "'lab/teem'" in missing
    assert "workspace:sub-1/lab/team" in missing


def lines(home: ServerHome, left: str, right: str) -> list[str]:
    return home.run("diff", left, right, exit_code=1).stdout.splitlines()


def declare(home: ServerHome, folder: str) -> None:
    home.file(f"{folder}/endpoint.yml", {"name": "scores", "defaults": {"deployment_name": "blue"}})
    home.file(f"{folder}/cpu.yml", {"name": "cpu", "type": "amlcompute", "max_instances": 2})
    home.file(f"{folder}/scorer.yml", {"name": "scorer", "type": "custom_model", "path": "model"})
    home.file(f"{folder}/model/weights", "1")
    home.file(f"{folder}/code/score.py", SCRIPT)
    home.file(f"{folder}/blue.yml", blue())
    schema = "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json"
    step = {"$schema": schema, "name": "step", "type": "command", "command": "python score.py", "code": "code"}
    home.file(f"{folder}/step.yml", {**step, "environment": "azureml:plain:1"})
    home.file(f"{folder}/plain.yml", {"name": "plain", "version": "1", "conda_file": {"dependencies": []}})
    trigger = {"type": "cron", "expression": "0 2 * * *", "time_zone": "UTC"}
    home.file(f"{folder}/nightly.yml", {"name": "nightly", "trigger": trigger, "create_job": "azureml:last"})


def blue(**settings: Any) -> dict[str, Any]:
    return {
        "name": "blue",
        "endpoint_name": "scores",
        "type": "model",
        "model": "azureml:scorer@latest",
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:cpu",
        "settings": {"environment_variables": {"API_TOKEN": SECRET}, **settings},
    }


def make(home: ServerHome, folder: str) -> None:
    home.run("compute", "create", "--file", f"{folder}/cpu.yml")
    home.run("model", "create", "--file", f"{folder}/scorer.yml")
    home.run("environment", "create", "--file", f"{folder}/plain.yml")
    home.run("component", "create", "--file", f"{folder}/step.yml")
    home.run("schedule", "create", "--file", f"{folder}/nightly.yml")
    home.run("batch-endpoint", "create", "--name", "scores")
    home.run("batch-deployment", "create", "--file", f"{folder}/blue.yml", "--set-default")
