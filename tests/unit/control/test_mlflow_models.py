"""MLflow models without a script: they get ours, and the environment that their own files ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from batchyard.control import assets, references
from batchyard.control.mlflow_code import SCRIPT
from batchyard.control.script_sources import source_mistakes
from batchyard.domain.assets import AssetKind, Environment, ModelDraft, ModelType
from batchyard.domain.deployments import Deployment, DeploymentDraft
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import AssetId, Reference

from .bench import DRAFT, NOW, OWNER, Bench
from .fakes import refused

CONDA = "dependencies:\n- python=3.11\n- pip:\n  - mlflow\n"


def flow(bench: Bench, version: str = "1", **files: str) -> DeploymentDraft:
    """Register an MLflow model of these files and give a draft that names it alone."""
    uri = bench.sealed.upload(f"up/{version}", {"m/" + name.replace("__", "."): text for name, text in files.items()})
    draft = ModelDraft("flow", version, ModelType.MLFLOW, uri)
    assets.register_model(bench.tx, OWNER, draft, sealed=bench.sealed, now=NOW)
    model = Reference("models", "flow", version)
    return replace(DRAFT, model=model, code=None, scoring_script=None, environment=None)


def version(bench: Bench, kind: AssetKind, id: AssetId) -> Any:
    return references.find_version(bench.tx, kind, id.name, version=id.version).document


def environment_of(bench: Bench, deployment: Deployment) -> Environment:
    assert deployment.environment is not None
    found: Environment = version(bench, AssetKind.ENVIRONMENT, deployment.environment)
    return found


def test_it_gets_a_script_and_the_environment_of_its_conda_file(bench: Bench) -> None:
    stored, operation = bench.put(flow(bench, MLmodel="flavors: {}", conda__yaml=CONDA))
    assert operation is not None
    assert stored.document.code is not None
    assert stored.document.code.scoring_script == SCRIPT
    assert environment_of(bench, stored.document).conda_file == CONDA


def test_a_model_with_requirements_alone_gets_an_environment_of_them(bench: Bench) -> None:
    stored, _ = bench.put(flow(bench, MLmodel="", requirements__txt="# made by mlflow\nmlflow==3.1\n\nnumpy\n"))
    wanted = {"dependencies": ["pip", {"pip": ["mlflow==3.1", "numpy"]}]}
    assert yaml.safe_load(environment_of(bench, stored.document).conda_file or "") == wanted


def test_a_model_that_pyfunc_cannot_load_is_refused_with_its_flavors(bench: Bench) -> None:
    draft = flow(bench, MLmodel="flavors: {spark: {}}", conda__yaml=CONDA)
    with refused(bench.tx, InvalidInput) as refusal:
        bench.put(draft)
    assert refusal.fields == ["model"]
    assert "with the flavors spark" in str(refusal.error)


def test_an_environment_that_is_given_is_taken(bench: Bench) -> None:
    stored, _ = bench.put(replace(flow(bench, MLmodel="", conda__yaml=CONDA), environment=DRAFT.environment))
    assert str(stored.document.environment) == "env:1"


@pytest.mark.parametrize(
    ("files", "field"), [({"conda__yaml": CONDA}, "model"), ({"MLmodel": "flavors: {}"}, "environment")]
)
def test_what_is_missing_in_its_files_is_told_with_every_other_mistake(
    bench: Bench, files: dict[str, str], field: str
) -> None:
    draft = replace(flow(bench, **files), compute="")
    with refused(bench.tx, InvalidInput) as refusal:
        bench.put(draft)
    assert refusal.fields == sorted(["compute", field])


def test_a_new_model_in_the_deployment_as_it_was_read_brings_its_own_environment(bench: Bench) -> None:
    first, _ = bench.put(flow(bench, MLmodel="", conda__yaml=CONDA))
    again = as_read(first.document, model=flow(bench, "2", MLmodel="", conda__yaml=CONDA + "  - six\n").model)
    second, _ = bench.put(again)
    assert environment_of(bench, second.document).conda_file == CONDA + "  - six\n"


def test_a_custom_model_does_not_keep_the_script_of_the_mlflow_model_before_it(bench: Bench) -> None:
    first, _ = bench.put(flow(bench, MLmodel="", conda__yaml=CONDA))
    with refused(bench.tx, InvalidInput) as refusal:
        bench.put(as_read(first.document, model=DRAFT.model))
    assert refusal.fields == ["code_configuration"]


def test_models_of_one_conda_file_share_one_environment_and_one_script(bench: Bench) -> None:
    first, _ = bench.put(flow(bench, MLmodel="one", conda__yaml=CONDA))
    second, _ = bench.put(replace(flow(bench, "2", MLmodel="two", conda__yaml=CONDA), name="green"))
    assert (first.document.code, first.document.environment) == (second.document.code, second.document.environment)


def test_the_script_is_one_that_we_would_take_from_a_user(bench: Bench) -> None:
    stored, _ = bench.put(flow(bench, MLmodel="", conda__yaml=CONDA))
    assert stored.document.code is not None
    sealed = version(bench, AssetKind.CODE, stored.document.code.code).sealed
    text = bench.sealed.read_text(sealed, SCRIPT, limit_bytes=1 << 20)
    assert text is not None
    assert source_mistakes(text, SCRIPT) == []
    compile(text, SCRIPT, "exec")


def as_read(deployment: Deployment, **changes: Any) -> DeploymentDraft:
    """Give what a client sends that read a deployment and changed something."""
    assert deployment.code is not None
    assert deployment.environment is not None
    code, environment = deployment.code.code, deployment.environment
    return replace(
        DRAFT,
        code=Reference("codes", code.name, code.version),
        scoring_script=deployment.code.scoring_script,
        environment=Reference("environments", environment.name, environment.version),
        **changes,
    )
