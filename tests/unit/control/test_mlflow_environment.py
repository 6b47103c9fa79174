"""The environment of an MLflow model: which of its files says it, and what is put into it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from batchyard.control.mlflow_environment import conda_file_of

SKLEARN = "flavors: {python_function: {loader_module: mlflow.sklearn, python_version: 3.10.4}}\nmlflow_version: 3.1.0\n"
OWN_CODE = SKLEARN.replace("mlflow.sklearn", "mlflow.pyfunc.model")
CONDA = "name: of-conda\ndependencies: [python=3.11.2, pip, {pip: [mlflow==3.1.0, pandas==2.2.0]}]\n"
PYTHON_ENV = "python: 3.10\nbuild_dependencies: [setuptools]\ndependencies: ['-r requirements.txt']\n"


def environment_of(**files: str) -> Any:
    """Give the conda document for a model of these files (`__` is the dot in a name)."""
    text = conda_file_of({name.replace("__", "."): text for name, text in files.items()}.get)
    return None if text is None else yaml.safe_load(text)


def pip_of(**files: str) -> list[str]:
    return list(environment_of(**files)["dependencies"][-1]["pip"])


def test_conda_yaml_is_asked_first() -> None:
    found = environment_of(MLmodel="", conda__yaml=CONDA, python_env__yaml=PYTHON_ENV, requirements__txt="six")
    assert (found["name"], found["dependencies"][0]) == ("of-conda", "python=3.11.2")


def test_python_env_yaml_brings_its_python_and_the_requirements_that_it_names() -> None:
    wanted = "# made by mlflow\nmlflow==3.1.0\n-r more.txt\n\n"
    found = environment_of(MLmodel="", python_env__yaml=PYTHON_ENV, requirements__txt=wanted, more__txt="six  # both\n")
    assert found == {"dependencies": ["python=3.10", "pip", {"pip": ["mlflow==3.1.0", "six"]}]}


def test_requirements_alone_take_the_python_that_the_model_was_saved_with() -> None:
    assert environment_of(MLmodel=OWN_CODE, requirements__txt="mlflow")["dependencies"][0] == "python=3.10.4"


def test_a_model_without_any_of_them_has_no_environment() -> None:
    assert conda_file_of({"MLmodel": SKLEARN}.get) is None


def test_requirements_that_name_themselves_end() -> None:
    assert "-r requirements.txt" in pip_of(MLmodel="", requirements__txt="-r requirements.txt\nmlflow")


def test_skinny_takes_the_place_of_mlflow_where_it_serves_and_what_files_are_read_with_is_added() -> None:
    assert pip_of(MLmodel=SKLEARN, conda__yaml=CONDA) == ["mlflow-skinny==3.1.0", "pandas==2.2.0", "pyarrow", "pillow"]


@pytest.mark.parametrize("line", ["mlflow==1.30.0", "mlflow[databricks]==3.1.0", "mlflow>=2,<3"])
def test_mlflow_in_full_stays_where_skinny_may_not_be_the_same(line: str) -> None:
    assert pip_of(MLmodel=SKLEARN, requirements__txt=line) == [line]


def test_a_model_of_somebody_s_own_code_keeps_mlflow_in_full_and_its_file_as_it_is() -> None:
    assert conda_file_of({"MLmodel": OWN_CODE, "conda.yaml": CONDA}.get) == CONDA


def test_a_model_that_lists_no_mlflow_gets_the_one_that_saved_it() -> None:
    assert pip_of(MLmodel=SKLEARN, requirements__txt="six") == [
        "six",
        "mlflow-skinny==3.1.0",
        "pandas<3",
        "pyarrow",
        "pillow",
    ]


def test_conda_packages_without_a_pip_part_count_too() -> None:
    assert pip_of(MLmodel=SKLEARN, conda__yaml="dependencies: [Pandas=2, pyarrow, conda-forge::Pillow]") == [
        "mlflow-skinny==3.1.0"
    ]


@pytest.mark.parametrize("text", ["dependencies: [", "- a list", "dependencies: none", "{}"])
def test_a_file_that_cannot_be_understood_is_left_to_the_build(text: str) -> None:
    assert conda_file_of({"MLmodel": SKLEARN, "conda.yaml": text}.get) == text
