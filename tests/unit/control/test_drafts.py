"""Bad deployments: every mistake at once, with the field's path, near names and a remedy; nothing half done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchyard.domain.assets import ModelType
from batchyard.domain.deployments import DeploymentKind, RetrySettings
from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference, Scope

from .bench import DRAFT, Bench, settings
from .fakes import Refusal, refused


def refuse(bench: Bench, **changes: Any) -> Refusal:
    with refused(bench.tx, InvalidInput) as refusal:
        bench.put(replace(DRAFT, **changes))
    return refusal


def test_everything_wrong_is_told_at_once(bench: Bench) -> None:
    refusal = refuse(
        bench,
        name="1",
        endpoint="digit",
        compute="cpo",
        model=Reference("models", "nett", "1"),
        code=Reference("codes", "src", "2"),
        environment=Reference("environments", "enf", label="latest"),
        settings=settings(mini_batch_size=0, retry=RetrySettings(-1, 0), output_file_name="a/b"),
    )
    assert refusal.fields == [
        "code_configuration.code",
        "compute",
        "endpoint_name",
        "environment",
        "model",
        "name",
        "settings.mini_batch_size",
        "settings.output_file_name",
        "settings.retry_settings.max_retries",
        "settings.retry_settings.timeout",
    ]
    for near in ("'digits'", "'cpu'", "'net'", "'1'", "'env'"):
        assert near in refusal.text


def test_a_deployment_needs_an_endpoint(bench: Bench) -> None:
    refusal = refuse(bench, endpoint="other")
    assert refusal.fields == ["endpoint_name"]
    assert "one of 'digits'" in refusal.text


def test_a_missing_compute_lists_the_known_ones(bench: Bench) -> None:
    bench.compute("gpu")
    refusal = refuse(bench, compute="cpu-cluster-for-everyone")
    assert refusal.fields == ["compute"]
    assert "'cpu'" in refusal.text
    assert "'gpu'" in refusal.text


def test_no_compute_at_all_is_one_mistake(bench: Bench) -> None:
    assert refuse(bench, compute="").fields == ["compute"]


def test_more_instances_than_the_compute_ever_has_are_refused(bench: Bench) -> None:
    refusal = refuse(bench, settings=settings(instance_count=3))
    assert refusal.fields == ["settings.instance_count"]
    assert "at most 2, the max_instances of compute 'cpu'" in refusal.text


def test_as_many_instances_as_the_compute_has_are_fine(bench: Bench) -> None:
    bench.deploy(settings=settings(instance_count=2))


@pytest.mark.parametrize(
    ("model", "component", "told"),
    [(None, None, "neither"), (DRAFT.model, Reference("components", "pipe", "1"), "both")],
)
def test_exactly_one_of_model_and_component_is_named(
    bench: Bench, model: Reference | None, component: Reference | None, told: str
) -> None:
    refusal = refuse(bench, model=model, component=component)
    assert refusal.fields == ["model"]
    assert f"found {told}" in refusal.text


def test_a_component_in_place_of_a_model_is_refused(bench: Bench) -> None:
    refusal = refuse(bench, model=None, component=Reference("components", "pipe", "1"))
    assert refusal.fields == ["component"]


def test_a_pipeline_deployment_is_refused_with_one_mistake(bench: Bench) -> None:
    refusal = refuse(bench, kind=DeploymentKind.PIPELINE, model=None, compute="")
    assert refusal.fields == ["type"]
    assert "deployed by itself" in refusal.text


def test_an_mlflow_model_with_script_and_environment_is_deployed(bench: Bench) -> None:
    bench.model("flow", type=ModelType.MLFLOW)
    bench.deploy(model=Reference("models", "flow", "1"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": None, "scoring_script": None}, "code_configuration"),
        ({"code": None}, "code_configuration.code"),
        ({"scoring_script": None}, "code_configuration.scoring_script"),
        ({"scoring_script": ""}, "code_configuration.scoring_script"),
        ({"environment": None}, "environment"),
    ],
)
def test_a_model_needs_code_script_and_environment(bench: Bench, changes: dict[str, Any], field: str) -> None:
    assert refuse(bench, **changes).fields == [field]


def test_a_missing_script_is_refused_with_the_near_ones(bench: Bench) -> None:
    refusal = refuse(bench, scoring_script="scroe.py")
    assert refusal.fields == ["code_configuration.scoring_script"]
    assert "'score.py'" in refusal.text


def test_a_script_without_run_is_refused(bench: Bench) -> None:
    bench.code("bad", files={"score.py": "def init(): ..."})
    refusal = refuse(bench, code=Reference("codes", "bad", "1"))
    assert "no 'run' in 'score.py'" in refusal.text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": Reference("", "net")}, "azureml:net:1, or azureml:net@latest"),
        ({"model": Reference("", "net", "7")}, "Known: '1'."),
        ({"model": Reference("environments", "env", "1")}, "a reference to one of models"),
        ({"model": Reference("models", "net", "1", scope=Scope("s", "g", "w"))}, "of this workspace"),
        ({"model": Reference("", "net", label="stable")}, "'azureml:net@stable'"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(bench: Bench, changes: dict[str, Any], told: str) -> None:
    refusal = refuse(bench, **changes)
    assert refusal.fields == ["model"]
    assert told in refusal.text


def test_a_full_id_of_this_workspace_is_followed_whatever_its_case(bench: Bench) -> None:
    here = Scope(DEFAULT_SCOPE.subscription, "LOCAL", "Default")
    bench.deploy(model=Reference("models", "net", "1", scope=here))


def test_an_archived_asset_is_refused_for_a_new_deployment(bench: Bench) -> None:
    bench.model("net", "1", is_archived=True)
    refusal = refuse(bench)
    assert refusal.fields == ["model"]
    assert "archived model 'net:1'" in refusal.text


def test_what_a_deployment_runs_may_be_archived_under_it(bench: Bench) -> None:
    bench.deploy()
    bench.model("net", "1", is_archived=True)
    assert bench.deploy(settings=settings(mini_batch_size=5)).document.settings.mini_batch_size == 5


def test_where_nothing_is_registered_the_message_says_so(bench: Bench) -> None:
    bench.tx = type(bench.tx)()
    refusal = refuse(bench)
    assert "There is no model yet." in refusal.text
    assert "the name of a compute; there is none yet" in refusal.text
