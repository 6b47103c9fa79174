"""Pipeline and command jobs of files by the command line, and a deployment that is made of one."""

from __future__ import annotations

import pytest

from tests.support.server_home import ServerHome

STEP = {
    "name": "count",
    "type": "command",
    "inputs": {"data": {"type": "uri_folder"}, "limit": {"type": "number", "max": 10}},
    "outputs": {"report": {"type": "uri_file"}},
    "command": "echo $(ls ${{inputs.data}} | wc -l) of ${{inputs.limit}} > ${{outputs.report}}",
    "environment": {"conda_file": {"dependencies": ["python"]}},
}
JOB = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json",
    "type": "pipeline",
    "experiment_name": "trials",
    "inputs": {"data": {"type": "uri_folder", "path": "./counted"}, "limit": 3},
    "outputs": {"report": {"type": "uri_file"}},
    "settings": {"default_compute": "azureml:count-cpu"},
    "jobs": {
        "count": {
            "component": "./count.yml",
            "inputs": {"data": "${{parent.inputs.data}}", "limit": "${{parent.inputs.limit}}"},
            "outputs": {"report": "${{parent.outputs.report}}"},
        }
    },
}


@pytest.fixture(scope="module")
def counting(served: ServerHome) -> ServerHome:
    """A compute, data beside the files, and a step in a file."""
    served.run("compute", "create", "--name", "count-cpu", "--type", "amlcompute")
    served.files("counted", 3)
    served.file("count.yml", STEP)
    return served


def report(served: ServerHome, job: str) -> str:
    """Give what a job has written to its output `report`."""
    place = served.json("job", "show", "--name", job)["outputs"]["report"]
    return (served.home / "datastores" / place["datastore"] / place["path"]).read_text().strip()


def test_a_pipeline_job_of_a_file_runs_and_a_deployment_is_made_of_it(counting: ServerHome) -> None:
    file = str(counting.file("job.yml", JOB))
    first = counting.json("job", "create", "-f", file, "--name", "counted", "--wait")
    second = counting.json("job", "create", "-f", file, "--set", "inputs.limit=0.5", "tags.team=blue")
    deployment = {
        "name": "count",
        "endpoint_name": "counting",
        "type": "pipeline",
        "job_definition": "azureml:counted",
        "settings": {"default_compute": "count-cpu"},
    }
    counting.run("batch-endpoint", "create", "--name", "counting")
    made = counting.json("batch-deployment", "create", "--file", str(counting.file("counting.yml", deployment)))
    data = str(counting.files("counted", 3))
    invoke = ("batch-endpoint", "invoke", "--name", "counting", "-d", "count", "--inputs", f"data={data}")
    invoked = counting.json(*invoke, "limit=7", "--wait")

    assert (first["status"], first["experiment_name"]) == ("Completed", "trials")
    assert report(counting, "counted") == "3 of 3"
    assert second["tags"] == {"team": "blue"}
    assert (second["component"], made["component"]) == (first["component"], first["component"])
    assert report(counting, invoked["name"]) == "3 of 7"


def test_a_command_job_runs_as_a_pipeline_of_one_step(counting: ServerHome) -> None:
    job = {
        "type": "command",
        "command": "echo ${{inputs.title}} > ${{outputs.report}}",
        "environment": STEP["environment"],
        "compute": "azureml:count-cpu",
        "inputs": {"title": "it runs"},
        "outputs": {"report": {"type": "uri_file"}},
    }
    done = counting.json("job", "create", "-f", str(counting.file("command.yml", job)), "--stream")

    assert done["status"] == "Completed"
    assert report(counting, done["name"]) == "it runs"


def test_everything_wrong_with_a_job_is_told_and_nothing_is_made(counting: ServerHome) -> None:
    wrong = {
        **JOB,
        "inputs": {"data": {"path": "./nowhere"}, "limit": [1]},
        "outputs": {"report": {"type": "uri_file", "path": "./here"}},
        "settings": {"default_computer": "x"},
        "jobs": {"count": {"component": "./none.yml"}},
    }
    told = counting.run("job", "create", "-f", str(counting.file("wrong.yml", wrong)), exit_code=1).stderr
    high = counting.file("high.yml", {**JOB, "inputs": {**JOB["inputs"], "limit": 11}})
    told_late = counting.run("job", "create", "-f", str(high), "--name", "high", exit_code=1).stderr
    sweep = counting.run("job", "create", "-f", str(counting.file("s.yml", {"type": "sweep"})), exit_code=1).stderr

    for field in ("inputs.data.path", "inputs.limit", "outputs.report.path", "settings.default_computer"):
        assert f"- {field}: " in told
    assert "jobs.count.component" in told
    assert "inputs.limit: found 11" in told_late
    assert "type: found 'sweep'" in sweep
    counting.run("job", "show", "--name", "high", exit_code=3)
