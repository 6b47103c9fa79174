"""What a local run makes of a deployment's YAML whose model came from MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from batchyard.bootstrap.deployment_reading import read_local_deployment
from batchyard.bootstrap.local_deployment import LocalDeployment
from batchyard.domain.errors import InvalidInput

CONDA = "dependencies: [python=3.11, pip, {pip: [mlflow==3.1.0]}]\n"


def read(folder: Path, model: dict[str, str], **document: Any) -> LocalDeployment:
    """Write a model of these files and the deployment of it, and read that."""
    for name, text in model.items():
        path = folder / "flow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    written = {"model": {"path": "flow", "type": "mlflow_model"}, **document}
    (folder / "deployment.yml").write_text(yaml.safe_dump(written))
    return read_local_deployment(folder / "deployment.yml", [])


def test_an_mlflow_model_without_a_script_gets_ours_and_its_own_environment(tmp_path: Path) -> None:
    found = read(tmp_path, {"deep/MLmodel": "", "deep/conda.yaml": CONDA})
    assert (found.code, found.environment.conda_file) == (None, CONDA)
    assert "import mlflow.pyfunc" in (found.code_in(tmp_path) / found.script).read_text()


def test_a_script_of_ones_own_is_taken(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    script = {"code": "code", "scoring_script": "score.py"}
    found = read(tmp_path, {"MLmodel": ""}, code_configuration=script, environment={"conda_file": {"name": "x"}})
    assert (found.code_in(tmp_path), found.script) == (tmp_path / "code", "score.py")


def test_an_environment_that_is_given_is_taken(tmp_path: Path) -> None:
    given = {"conda_file": {"dependencies": ["python=3.9"]}}
    assert "3.9" in (read(tmp_path, {"MLmodel": ""}, environment=given).environment.conda_file or "")


@pytest.mark.parametrize(
    ("model", "field"),
    [({"conda.yaml": CONDA}, "model.path"), ({"MLmodel": "flavors: {spark: {}}", "conda.yaml": CONDA}, "model")],
)
def test_a_model_that_cannot_be_scored_without_a_script_says_why(
    tmp_path: Path, model: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, model)
    assert [mistake.field for mistake in caught.value.mistakes] == [field]
