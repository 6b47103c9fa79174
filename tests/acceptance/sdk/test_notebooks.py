"""Notebooks as scripts: azure-ai-ml unchanged, against the embedded server."""

from __future__ import annotations

from tests.acceptance.sdk.conftest import Notebook
from tests.support.server_home import ServerHome


def test_a_custom_script_is_deployed_invoked_streamed_switched_and_downloaded(
    notebook: Notebook, served: ServerHome
) -> None:
    found = notebook("custom_script")

    rows = sorted(["", *(f"{k:02}.txt {3 * k}" for k in range(25))])
    assert (found["status"], found["child"], found["parent"]) == ("Completed", rows, rows)
    assert found["default"] == "five"
    assert found["jobs"] == sorted([found["first"], found["switched"]])
    shown = served.json("job", "show", "--name", found["switched"])
    assert (shown["deployment_name"], shown["settings"]["mini_batch_size"]) == ("five", 7)


def test_an_mlflow_model_is_deployed_without_a_script_and_an_environment(
    notebook: Notebook, served: ServerHome
) -> None:
    found = notebook("mlflow_model")

    assert found["status"] == "Completed"
    assert found["score"] == [
        ["heart-0.csv", 0, 0],
        ["heart-0.csv", 1, 1],
        ["heart-1.csv", 0, 1],
        ["heart-1.csv", 1, 0],
        ["heart-2.jsonl", 0, 0],
        ["heart-2.jsonl", 1, 1],
    ]
    assert (found["script"], found["environment"]) == ("mlflow_scoring.py", "mlflow-env")
    counts = served.json("job", "show", "--name", found["job"])["counts"]
    assert (counts["succeeded"], counts["failed"]) == (3, 1)
