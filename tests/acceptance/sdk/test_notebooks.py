"""Notebooks as scripts: azure-ai-ml unchanged, against the embedded server."""

from __future__ import annotations

import pytest

from tests.acceptance.sdk.conftest import PATIENCE_S, Notebook
from tests.support.server_home import ServerHome

pytestmark = pytest.mark.timeout(PATIENCE_S + 60)
# They have one environment, half a minute of compiling, which is built once for those that share a home.
with_pandas = pytest.mark.xdist_group("mlflow")


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


@with_pandas
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


@with_pandas
def test_a_script_that_writes_parquet_itself_has_its_files_published(notebook: Notebook) -> None:
    found = notebook("custom_outputs")

    assert found["status"] == "Completed"
    assert found["files"] == [
        "_failed_items.jsonl",
        "_manifest.json",
        "heart-0.parquet",
        "heart-1.parquet",
        "heart-2.parquet",
    ]
    assert found["predictions"] == [40.0, 50.0, 41.0, 51.0, 42.0, 52.0]


def test_a_second_deployment_is_switched_to_rolled_back_and_deleted(notebook: Notebook) -> None:
    found = notebook("two_deployments")

    def rows(name: str, *sizes: int) -> list[str]:
        return [f"{k}.txt {name} {size}" for k, size in enumerate(sizes)]

    assert found["first"] == rows("torch", 2, 2, 2, 2)
    assert found["overridden"] == rows("torch", 3, 3, 3, 1)
    assert (found["tolerant"], found["strict"]) == (rows("torch", 2, 2), ["JobException", "Failed"])
    assert found["settings"] == 2
    assert (found["switched"], found["by name"]) == (rows("keras", 2, 2, 2, 2), rows("keras", 2, 2, 2, 2))
    assert (found["rolled back"], found["sticky"]) == (found["first"], found["first"])
    assert (found["refused"], found["left"], found["endpoints"]) == (409, ["mnist-torch"], False)


def test_a_pipeline_runs_as_a_job_and_behind_an_endpoint_as_component_and_as_job_definition(
    notebook: Notebook, served: ServerHome
) -> None:
    found = notebook("pipelines")

    assert (found["job_status"], found["invoked_status"], found["again_status"]) == ("Completed",) * 3
    written = {
        name: served.json("job", "show", "--name", found[name])["outputs"]["counts"]["path"]
        for name in ("job", "invoked", "again")
    }
    counts = {
        name: (served.home / "datastores" / "workspaceblobstore" / path / "count.txt").read_text().strip()
        for name, path in written.items()
    }
    assert counts == {"job": "3 of 7 of a job", "invoked": "3 of 2.5 by the SDK", "again": "3 of 1 by the SDK"}
    assert written["invoked"] == "counted-by-the-sdk"
    assert found["steps"] == [["count", "Completed"]]
    assert found["downloaded"] == {
        "of-pipeline/named-outputs/counts/count.txt": "3 of 2.5 by the SDK",
        "of-step/named-outputs/counts/count.txt": "3 of 2.5 by the SDK",
    }
