"""Invocations of a pipeline by the command line: values and data by name, from files and flags, to their outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

COMMAND = (
    "cat ${{inputs.data}}/* > ${{outputs.all}}/all.txt && "
    "printf '%s|%s|%s' ${{inputs.rate}} ${{inputs.title}} $[[${{inputs.note}}]] > ${{outputs.report}}"
)
INPUTS = {
    "data": {"type": "uri_folder"},
    "rate": {"type": "number", "default": 0.5, "max": 1},
    "title": {"type": "string"},
    "note": {"type": "string", "optional": True},
}
OUTPUTS = {"all": {"type": "uri_folder"}, "report": {"type": "uri_file"}}
PIPELINE = {
    "type": "pipeline",
    "inputs": INPUTS,
    "outputs": OUTPUTS,
    "jobs": {
        "join": {
            "type": "command",
            "command": COMMAND,
            "environment": {"conda_file": {"dependencies": ["python"]}},
            "inputs": {name: f"${{{{parent.inputs.{name}}}}}" for name in INPUTS},
            "outputs": {name: f"${{{{parent.outputs.{name}}}}}" for name in OUTPUTS},
        }
    },
}
STORE = "azureml://datastores/workspaceblobstore/paths"
INVOKE = ("batch-endpoint", "invoke", "--name", "joining")


@pytest.fixture(scope="module")
def joining(served: ServerHome) -> ServerHome:
    """An endpoint whose default deployment is a pipeline."""
    deployment = {
        "name": "join",
        "endpoint_name": "joining",
        "type": "pipeline",
        "component": PIPELINE,
        "settings": {"default_compute": "join-cpu"},
    }
    served.run("compute", "create", "--name", "join-cpu", "--type", "amlcompute")
    served.run("batch-endpoint", "create", "--name", "joining")
    file = str(served.file("joining.yml", deployment))
    served.run("batch-deployment", "create", "--file", file, "--set-default")
    return served


def output(served: ServerHome, uri: str) -> Path:
    """Give the local path of a place in the default datastore."""
    return served.home / "datastores" / "workspaceblobstore" / uri.removeprefix(f"{STORE}/")


def test_a_file_gives_data_values_and_places_and_set_goes_over_it(joining: ServerHome) -> None:
    data = joining.files("joined", 2)
    file = {
        "inputs": {
            "data": {"type": "uri_folder", "path": str(data)},
            "title": {"type": "string", "default": "from the file"},
            "rate": {"type": "number", "value": 0.1},
        },
        "outputs": {"report": {"type": "uri_file", "path": f"{STORE}/reports/first.txt"}},
        "experiment_name": "joins",
    }
    sets = ("--set", "inputs.rate.default=0.25", "inputs.title.default=it's $(x) 007", "tags.team=blue")
    job = joining.json(*INVOKE, "-f", str(joining.file("invoke.yml", file)), *sets, "--job-name", "joined", "--wait")
    shown = joining.json("job", "show", "--name", "joined")

    assert job["status"] == "Completed", shown["error"]
    assert (shown["experiment_name"], shown["tags"]["team"]) == ("joins", "blue")
    assert shown["inputs"]["rate"] == {"value": 0.25}
    assert output(joining, f"{STORE}/reports/first.txt").read_text() == "0.25|it's $(x) 007|"
    whole = output(joining, shown["outputs"]["all"]["uri"]) / "all.txt"
    assert whole.read_text() == "".join(path.read_text() for path in sorted(data.iterdir()))


def test_inputs_are_named_by_flags_and_text_of_numbers_stays_as_it_was_typed(joining: ServerHome) -> None:
    data = str(joining.files("flagged", 1))
    flags = ("--inputs", f"data={data}", "title=1.10", "--outputs", f"report.path={STORE}/reports/flags.txt")
    joining.run(*INVOKE, *flags, "--set", f"outputs.all.path={STORE}/all-of-flags", "--upload", "--wait")

    assert output(joining, f"{STORE}/reports/flags.txt").read_text() == "0.5|1.10|"
    assert (output(joining, f"{STORE}/all-of-flags") / "all.txt").is_file()


def test_everything_that_is_wrong_is_told_before_anything_is_sent(joining: ServerHome) -> None:
    file = {"inputs": {"data": {"path": "./nowhere"}, "rate": {"type": "number", "default": 3}, "ttle": "x"}}
    wrong = ("--set", "mini_batch_size=3", "outputs.report.path=./here", "outputs.repot.path=azureml://x/y")
    told = joining.run(*INVOKE, "-f", str(joining.file("wrong.yml", file)), *wrong, exit_code=1).stderr
    refused = joining.run(*INVOKE, "--set", "inputs.title.default=x", "-m", "3", exit_code=2).stderr

    for field in ("inputs.data.path", "inputs.rate", "inputs.ttle", "inputs.title", "mini_batch_size"):
        assert f"- {field}: " in told
    for field in ("outputs.report.path", "outputs.repot.path"):
        assert f"- {field}: " in told
    assert "--mini-batch-size" in refused


def test_input_without_a_name_is_the_data_of_the_pipeline(joining: ServerHome) -> None:
    data = str(joining.files("unnamed", 1))
    told = joining.run(*INVOKE, "--input", data, exit_code=1).stderr
    job = json.loads(joining.run(*INVOKE, "--input", data, "--inputs", "title=x", "note=y").stdout)
    shown = joining.json("job", "show", "--name", job["name"])

    assert "inputs.title" in told
    assert shown["inputs"]["data"]["uri"].endswith("/unnamed")
    joining.run("job", "cancel", "--name", job["name"], exit_code=None)
