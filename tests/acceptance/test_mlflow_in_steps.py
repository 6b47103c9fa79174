"""MLflow within a step: what a script logs is of its job, and a model that it saves is an output."""

from __future__ import annotations

import textwrap

import pytest

from tests.support.server_home import ServerHome

PATIENCE_S = 400
pytestmark = [pytest.mark.timeout(2 * PATIENCE_S), pytest.mark.xdist_group("mlflow")]

TRAIN = """
    import sys
    import mlflow
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False)
    with mlflow.start_run():
        mlflow.log_param("rate", sys.argv[1])
        for step, loss in enumerate([0.9, 0.4, 0.1]):
            mlflow.log_metric("loss", loss, step=step)
        mlflow.set_tag("kind", "linear")
        model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        with open("note.txt", "w") as out:
            out.write("trained")
        mlflow.log_artifact("note.txt", "notes")
    mlflow.sklearn.save_model(model, sys.argv[2], pip_requirements=["scikit-learn"])
"""
PACKAGES = ["mlflow-skinny", "scikit-learn", "pandas", "skops"]
PIPELINE = {
    "type": "pipeline",
    "inputs": {"rate": {"type": "number", "default": 0.5}},
    "outputs": {"model": {"type": "mlflow_model"}},
    "jobs": {
        "train": {
            "type": "command",
            "command": "python train.py ${{inputs.rate}} ${{outputs.model}}",
            "code": "./trainer",
            "environment": {"conda_file": {"dependencies": ["python", {"pip": PACKAGES}]}},
            "inputs": {"rate": "${{parent.inputs.rate}}"},
            "outputs": {"model": "${{parent.outputs.model}}"},
        }
    },
}


def test_what_a_script_logs_is_of_its_step_and_the_model_that_it_saves_is_the_output(served: ServerHome) -> None:
    code = served.folder / "trainer"
    code.mkdir()
    (code / "train.py").write_text(textwrap.dedent(TRAIN))
    deployment = {
        "name": "train",
        "endpoint_name": "training",
        "type": "pipeline",
        "component": PIPELINE,
        "settings": {"default_compute": "train-cpu"},
    }
    served.run("compute", "create", "--name", "train-cpu", "--type", "amlcompute")
    served.run("batch-endpoint", "create", "--name", "training")
    file = str(served.file("training.yml", deployment))
    served.run("batch-deployment", "create", "--file", file, "--set-default", timeout_s=PATIENCE_S)

    invoke = ("batch-endpoint", "invoke", "--name", "training", "--job-name", "trained", "--wait")
    served.run(*invoke, timeout_s=PATIENCE_S)
    parent = served.json("job", "show", "--name", "trained")
    (child,) = served.json("job", "list", "--parent-job-name", "trained")
    step = served.json("job", "show", "--name", child["name"])

    assert step["status"] == "Completed", step["error"]
    assert (step["params"]["rate"], step["params"]["C"]) == ("0.5", "1.0")
    assert step["metrics"]["loss"] == 0.1
    assert [point["value"] for point in step["metric_history"]["loss"]] == [0.9, 0.4, 0.1]
    assert step["metrics"]["training_accuracy_score"] == 1.0
    assert step["logged_tags"]["kind"] == "linear"
    assert parent["metrics"] == {}, "what a step logged is the step's"
    brought = served.folder / "brought"
    served.run("job", "download", "--name", child["name"], "--all", "--download-path", str(brought))
    (note,) = brought.rglob("note.txt")
    assert note.read_text() == "trained"
    model = served.home / "datastores/workspaceblobstore" / str(parent["outputs"]["model"]["path"])
    assert "sklearn" in (model / "MLmodel").read_text()
