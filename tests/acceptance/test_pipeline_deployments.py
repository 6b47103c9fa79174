"""A deployment of a pipeline component by the command line: made from a file, shown, changed, invoked, deleted."""

from __future__ import annotations

from tests.support.server_home import ServerHome

STEP = {
    "type": "command",
    "command": "wc -c ${{inputs.data}}/* > ${{outputs.sizes}}",
    "environment": {"conda_file": {"dependencies": ["python"]}},
    "inputs": {"data": "${{parent.inputs.data}}"},
    "outputs": {"sizes": "${{parent.outputs.sizes}}"},
}
PIPELINE = {
    "name": "measure",
    "type": "pipeline",
    "inputs": {"data": {"type": "uri_folder"}},
    "outputs": {"sizes": {"type": "uri_file"}},
    "jobs": {"measure": STEP},
}


def test_a_pipeline_deployment_lives_beside_models_and_takes_invocations(served: ServerHome) -> None:
    served.file("measure.yml", PIPELINE)
    deployment = {
        "name": "measure",
        "endpoint_name": "measuring",
        "type": "pipeline",
        "component": "./measure.yml",
        "settings": {"default_compute": "azureml:measure-cpu", "continue_on_step_failure": False},
    }
    file = str(served.file("measuring.yml", deployment))
    served.run("compute", "create", "--name", "measure-cpu", "--type", "amlcompute")
    served.run("batch-endpoint", "create", "--name", "measuring")

    made = served.json("batch-deployment", "create", "--file", file)
    again = served.json("batch-deployment", "create", "--file", file)
    names = ("--endpoint-name", "measuring", "--name", "measure")
    served.run("batch-deployment", "update", *names, "--set", "settings.force_rerun=true")
    shown = served.json("batch-deployment", "show", *names)
    table = served.run("batch-deployment", "list", "--endpoint-name", "measuring", "-o", "table").stdout
    data = str(served.files("measured", 2))
    invoke = ("batch-endpoint", "invoke", "--name", "measuring", "-d", "measure")
    defaults = served.json("batch-endpoint", "show", "--name", "measuring")["defaults"]
    invoked = served.json(*invoke, "--input", data, "--job-name", "measured")
    defaults_after = served.json("batch-endpoint", "show", "--name", "measuring")["defaults"]
    job = served.json("job", "show", "--name", "measured")
    served.run("job", "cancel", "--name", "measured", exit_code=None)
    refused = served.run(*invoke, "--input", data, "-m", "3", exit_code=1)
    wrong = {**deployment, "settings": {"default_computer": "x"}, "component": "./nowhere.yml"}
    mistakes = served.run("batch-deployment", "create", "--file", str(served.file("w.yml", wrong)), exit_code=1).stderr
    served.run("batch-deployment", "delete", *names, "--yes")

    assert (made["type"], made["provisioning_state"]) == ("pipeline", "Succeeded")
    assert made["component"].startswith("azureml:azureml_anonymous:")
    assert again["component"] == made["component"]
    assert shown["settings"] == {
        "default_compute": "azureml:measure-cpu",
        "continue_on_step_failure": False,
        "force_rerun": True,
    }
    assert "measure" in table
    assert defaults_after == defaults
    assert (invoked["name"], job["component"]) == ("measured", made["component"])
    assert job["inputs"]["data"]["uri"].endswith("/measured")
    assert job["outputs"]["sizes"]["path"] == "azureml/measured/sizes"
    assert "each step of a pipeline has settings of its own" in refused.stderr
    assert "settings.default_computer" in mistakes
    assert "component: found './nowhere.yml'" in mistakes
    assert served.json("batch-deployment", "list", "--endpoint-name", "measuring") == []
