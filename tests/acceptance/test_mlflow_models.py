"""Models as mlflow saves them today, scored without a script: scikit-learn, LightGBM, ONNX, and code of one's own."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_home import BATCHYARD, ServerHome

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "wine"
SAVE = Path(__file__).parent / "mlflow_models" / "save.py"
UV = Path(sys.executable).with_name("uv")
# Environments are built on the way; a busy machine takes its time for that.
PATIENCE_S = 400
pytestmark = [pytest.mark.timeout(2 * PATIENCE_S), pytest.mark.xdist_group("mlflow")]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of who trains: the example's requirements, and those of the other models."""
    folder = tmp_path_factory.mktemp("trainer") / "venv"
    found = folder / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True, timeout=PATIENCE_S)
    wanted = ["--requirements", EXAMPLE / "requirements.txt", "lightgbm", "onnx", "onnxruntime", "pillow", "skl2onnx"]
    # Not compiled: a tenth of it is ever imported, and that is kept.
    install = [UV, "pip", "install", "--quiet", "--python", found, *wanted]
    subprocess.run(install, check=True, timeout=PATIENCE_S)
    return found


@pytest.fixture(scope="module")
def saved(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the three models, what is to be scored, and what they say of it (`expected.json`)."""
    folder = tmp_path_factory.mktemp("saved")
    variables = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([python, SAVE], cwd=folder, env=variables, check=True, timeout=PATIENCE_S, capture_output=True)
    return folder


def run(served: ServerHome, saved: Path, model: str, source: str, *more: str, **document: Any) -> Path:
    """Score a folder with one of the models by `batchyard run`; give the output."""
    output = saved / f"out-{model}-{len(list(saved.iterdir()))}"
    written = {"model": {"path": str(saved / model), "type": "mlflow_model"}, **document}
    deployment = served.file(f"{model}.yml", written)
    settings = ("settings.retry_settings.max_retries=0", "settings.retry_settings.timeout=300", *more)
    served.run(
        *("run", str(deployment), "--input", str(saved / source), "--output", str(output), "--set", *settings),
        timeout_s=PATIENCE_S,
    )
    return output


def rows(output: Path) -> list[list[str]]:
    with open(output / "predictions.csv", newline="") as stream:
        return list(csv.reader(stream))


def failed(output: Path) -> dict[str, str]:
    lines = map(json.loads, (output / "_failed_items.jsonl").read_text().splitlines())
    return {line["item"]: f"{line['error']}: {line['message']}" for line in lines}


def expected(saved: Path, model: str) -> Any:
    return json.loads((saved / "expected.json").read_text())[model]


def test_the_example_works_as_its_page_says(served: ServerHome, python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wine"
    shutil.copytree(EXAMPLE, folder)
    blocks = re.findall(r"^```sh\n(.*?)^```", (EXAMPLE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    commands = "".join(blocks).replace("pip install -r requirements.txt\n", "")
    path = f"{python.parent}:{BATCHYARD.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"],
        input=commands,
        cwd=folder,
        env={**served.environment(), "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("58 of 60 wines are told right") == 2
    assert rows(folder / "out")[0] == ["0", "2", "2023/wines-0.csv"]
    assert failed(folder / "out")["notes.txt"].startswith("UnsupportedType: notes.txt: unsupported_type: files of")
    assert rows(folder / "table")[:2] == [["index", "prediction", "file_name"], ["0", "2", "2023/wines-0.csv"]]


def test_tables_of_several_formats_and_folders_are_scored_by_a_lightgbm_model(served: ServerHome, saved: Path) -> None:
    output = run(served, saved, "boosting", "tables")
    found = [(row, name, pytest.approx(float(value))) for row, value, name in rows(output)]
    wanted = [
        (str(row), name, value)
        for name, values in expected(saved, "boosting").items()
        for row, value in enumerate(values)
    ]
    assert found == wanted
    told = failed(output)
    assert told["c.csv"].startswith("InputSchema: c.csv: column 'bmi' (double) is missing; the file has 'age', 'sex'")
    assert told["d.parquet"].startswith("InputFormat: d.parquet: cannot be read as .parquet")
    assert len(told) == 2


def test_pictures_are_scored_by_an_onnx_model_with_several_columns(served: ServerHome, saved: Path) -> None:
    output = run(served, saved, "network", "pictures")
    assert {row[-1]: int(row[0]) for row in rows(output)} == expected(saved, "network")
    assert {len(row) for row in rows(output)} == {1 + 10 + 1}
    told = {"large.png": "InputSchema: large.png: is a picture of (9, 9, 3), the signature's tensor is (-1, 64)"}
    assert failed(output) == told


def test_code_of_one_s_own_gives_columns_with_names(served: ServerHome, saved: Path) -> None:
    keys = ("settings.output_format=jsonl", "settings.output_columns=[item]")
    output = run(served, saved, "shop", "sales", *keys, "settings.mini_batch_size=1")
    found = [json.loads(line) for line in (output / "predictions.jsonl").read_text().splitlines()]
    assert found == [
        {"item": "monday.jsonl", "index": 0, "code": "007", "total": 1.5, "file_name": "monday.jsonl"},
        {"item": "monday.jsonl", "index": 1, "code": "008", "total": 8.0, "file_name": "monday.jsonl"},
        {"item": "tuesday.csv", "index": 0, "code": "008", "total": 8.0, "file_name": "tuesday.csv"},
    ]


def test_a_script_of_one_s_own_works_beside_an_mlflow_model(served: ServerHome, saved: Path) -> None:
    served.file(
        "beside/score.py",
        """
        import os
        import mlflow.pyfunc, pandas

        def init():
            global model
            model = mlflow.pyfunc.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "shop"))

        def run(mini_batch):
            frames = [pandas.read_csv(path, dtype={"code": str}) for path in mini_batch if path.endswith(".csv")]
            return [model.predict(frame)["total"].sum() for frame in frames]
        """,
    )
    document = {
        "code_configuration": {"code": "beside", "scoring_script": "score.py"},
        "environment": {"conda_file": str(saved / "shop" / "conda.yaml")},
    }
    output = run(served, saved, "shop", "sales/tuesday.csv", **document)
    assert (output / "predictions.csv").read_text() == "8.0\n"


def test_one_file_is_looked_into_on_the_terminal(served: ServerHome, saved: Path) -> None:
    deployment = served.file("inline.yml", {"model": {"path": str(saved / "shop"), "type": "mlflow_model"}})
    done = served.run("run", str(deployment), "--input", str(saved / "sales"), "--inline", timeout_s=PATIENCE_S)
    assert done.stdout.splitlines() == ["0,007,1.5,monday.jsonl", "1,008,8.0,monday.jsonl", "0,008,8.0,tuesday.csv"]
