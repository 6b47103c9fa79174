"""What is printed: formats, queries, and the columns of tables."""

from __future__ import annotations

import json

import pytest

from batchyard.cli import output

DEPLOYMENT = {
    "name": "candidate",
    "is_default": True,
    "provisioning_state": "Succeeded",
    "model": "azureml:digits:2",
    "environment": "azureml:sklearn:1",
    "environment_hash": "0123456789abcdef",
    "compute": "azureml:cpu-cluster",
    "revision": 3,
    "serving_revision": 2,
    "settings": {"mini_batch_size": 20, "max_concurrency_per_instance": 2, "error_threshold": -1},
    "resources": {"instance_count": 1},
}


def compute(azure, name="cpu-cluster", most=4):
    scale = {"minNodeCount": 0, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": "PT2M"}
    properties = {"vmSize": "Standard_DS3_v2", "scaleSettings": scale}
    inner = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": properties}
    azure.put(f"computes/{name}", inner)


def test_json_is_the_default_with_sorted_keys(terminal):
    compute(terminal.azure)

    assert terminal.run("compute", "show", "-n", "cpu-cluster") == 0

    keys = list(json.loads(terminal.out))
    assert keys == sorted(keys)


def test_query_and_tsv_give_bare_values(terminal):
    compute(terminal.azure)

    terminal.run("compute", "show", "-n", "cpu-cluster", "--query", "max_instances", "-o", "tsv")

    assert terminal.out == "4\n"


def test_none_prints_nothing(terminal):
    compute(terminal.azure)

    assert terminal.run("compute", "show", "-n", "cpu-cluster", "-o", "none") == 0
    assert terminal.out == ""


@pytest.mark.parametrize("kind", ["yaml", "yamlc"])
def test_yaml_prints_the_same_document(terminal, kind):
    compute(terminal.azure)

    terminal.run("compute", "show", "-n", "cpu-cluster", "-o", kind)

    assert "max_instances: 4\n" in terminal.out


def test_jsonc_without_a_terminal_has_no_colours(terminal):
    compute(terminal.azure)

    terminal.run("compute", "show", "-n", "cpu-cluster", "-o", "jsonc")

    assert json.loads(terminal.out)["max_instances"] == 4


def test_the_table_of_computes_has_a_line_for_each(terminal):
    compute(terminal.azure, "first", 1)
    compute(terminal.azure, "second", 2)

    terminal.run("compute", "list", "-o", "table")

    lines = terminal.out.splitlines()
    assert lines[0].split() == ["Name", "State", "MinInstances", "MaxInstances", "Tier", "Size"]
    assert [line.split()[0] for line in lines[2:]] == ["first", "second"]


def test_the_row_of_a_deployment_says_what_runs_where_and_marks_the_default():
    row = output.deployments([DEPLOYMENT])[0]

    assert dict(row) == {
        "Name": "candidate",
        "Default": "*",
        "State": "Succeeded",
        "Model": "digits:2",
        "Environment": "0123456789ab",
        "Compute": "cpu-cluster",
        "Revision": 3,
        "Serving": 2,
        "MiniBatchSize": 20,
        "Instances": 1,
        "Concurrency": 2,
        "ErrorThreshold": -1,
    }


def test_an_environment_that_is_not_built_yet_shows_its_name():
    assert output.deployments({**DEPLOYMENT, "environment_hash": None})["Environment"] == "sklearn:1"


@pytest.mark.parametrize(
    ("reference", "short"),
    [
        ("azureml:digits:1", "digits:1"),
        ("/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/models/digits/versions/1", "digits:1"),
        ("/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/computes/cpu", "cpu"),
        (None, ""),
    ],
)
def test_references_are_shown_short(reference, short):
    assert output.short_reference(reference) == short


def test_notes_and_messages_never_reach_stdout(terminal):
    terminal.run("compute", "create", "-n", "cpu-cluster", "--set", "max_instances=2", "ssh_public_access_enabled=true")

    json.loads(terminal.out)
    assert "ssh_public_access_enabled" in terminal.err


def test_only_show_errors_keeps_notes_back(terminal):
    args = ["compute", "create", "-n", "cpu-cluster", "--set", "ssh_public_access_enabled=true"]

    assert terminal.run(*args, "--only-show-errors") == 0
    assert terminal.err == ""


def test_steps_of_a_pipeline_are_listed_by_their_names():
    step = {"name": "b7", "parent_job_name": "a1", "display_name": "train", "status": "Completed", "start_time": "9:00"}

    assert [dict(row) for row in output.jobs([step])] == [
        {"Step": "train", "Status": "Completed", "Began": "9:00", "Ended": "", "Name": "b7"}
    ]
