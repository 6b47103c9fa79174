"""Contracts in YAML, in `--set` and in ARM's bodies: one meaning, and mistakes in the words of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from batchyard.domain.deployments import DeploymentDraft, DeploymentKind, ExecutionSettings
from batchyard.domain.errors import InvalidInput
from batchyard.domain.outputs.contracts import ExtraColumns, InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference
from batchyard.wire.deployments import (
    deployment_from_arm,
    deployment_from_yaml,
    deployment_to_arm_body,
    deployment_yaml_from_arm,
)
from batchyard.wire.file_schemas import file_schema
from batchyard.wire.overrides import overrides_from_set
from tests.unit.domain.test_contracts import contracts

HEAD: dict[str, Any] = {"name": "blue", "endpoint_name": "spam", "model": "azureml:spam:1", "compute": "azureml:cpu"}
OUTPUT = {
    "rows_per_item": "One",
    "columns": {"item": "string", "score": "float64"},
    "extra_columns": "refuse",
    "nulls": ["score"],
    "key_column": "item",
    "unique_key": True,
}
INPUT = {"format": "CSV", "columns": {"id": "int64"}}
READ = OutputContract(
    RowsPerItem.ONE, {"item": "string", "score": "float64"}, ExtraColumns.REFUSE, ("score",), "item", unique_key=True
)


def draft(**settings: Any) -> DeploymentDraft:
    model = Reference("models", "spam", "1")
    return DeploymentDraft(
        "blue", "spam", DeploymentKind.MODEL, "cpu", model=model, settings=ExecutionSettings(**settings)
    )


def body(wanted: DeploymentDraft) -> dict[str, Any]:
    return yaml.safe_load(yaml.safe_dump(deployment_to_arm_body(DEFAULT_SCOPE, wanted)))


@pytest.mark.parametrize("generation", ["new", "legacy"])
def test_both_generations_of_yaml_have_contracts(generation: str) -> None:
    settings = {"output_file_name": "scores.jsonl", "output_contract": OUTPUT, "input_contract": INPUT}
    document = {**HEAD, "settings": settings} if generation == "new" else {**HEAD, **settings}
    assert not list(Draft202012Validator(file_schema("deployment")).iter_errors(document))
    found = deployment_from_yaml(document).settings
    assert found.output_contract == READ
    assert found.input_contract == InputContract(InputFormat.CSV, {"id": "int64"})


@pytest.mark.parametrize(
    ("word", "nulls"), [("allow", None), ("Refuse", ()), (["a", "b", "a"], ("a", "b")), (None, None)]
)
def test_nulls_are_allowed_refused_or_allowed_in_columns(word: object, nulls: tuple[str, ...] | None) -> None:
    found = deployment_from_yaml({**HEAD, "settings": {"output_contract": {"nulls": word}}}).settings
    assert found.output_contract == OutputContract(nulls=nulls)


def test_all_mistakes_are_told_in_the_words_of_yaml() -> None:
    output = {"rows_per_item": "two", "nulls": "maybe", "colums": {}, "unique_key": "perhaps", "columns": {"a": "int"}}
    with pytest.raises(InvalidInput) as caught:
        deployment_from_yaml({**HEAD, "settings": {"output_contract": output, "input_contract": {"columns": {}}}})
    assert sorted(mistake.field for mistake in caught.value.mistakes) == [
        "settings.input_contract",
        "settings.output_contract.columns.a",
        "settings.output_contract.colums",
        "settings.output_contract.nulls",
        "settings.output_contract.rows_per_item",
        "settings.output_contract.unique_key",
    ]


def test_all_mistakes_are_told_in_the_words_of_a_body() -> None:
    wrong = body(draft())
    wrong["properties"]["outputContract"] = {"uniqueKey": True, "extraColumns": "refuse", "columns": {}}
    wrong["properties"]["inputContract"] = {"format": "image", "columns": {"a": "bool"}}
    with pytest.raises(InvalidInput) as caught:
        deployment_from_arm("spam", "blue", wrong)
    assert [mistake.field for mistake in caught.value.mistakes] == [
        "properties.outputContract.extraColumns",
        "properties.outputContract.uniqueKey",
        "properties.inputContract.columns",
    ]


def test_an_update_shows_and_reads_the_contracts_again() -> None:
    wanted = draft(
        output_file_name="scores.jsonl", output_contract=READ, input_contract=InputContract(InputFormat.JSONL)
    )
    arm = {"name": "blue", "id": "/batchEndpoints/spam/deployments/blue", **body(wanted)}
    again = deployment_from_yaml(deployment_yaml_from_arm(arm)).settings
    assert again == wanted.settings
    shown = deployment_yaml_from_arm({**arm, **body(draft())})
    assert "output_contract" not in shown["settings"]


def test_a_contract_is_the_deployments_and_cannot_be_changed_at_invoke() -> None:
    with pytest.raises(InvalidInput) as caught:
        overrides_from_set(["output_contract.rows_per_item=any", "input_contract.format=csv"])
    told = {mistake.field.split(".")[0]: mistake.remedy for mistake in caught.value.mistakes}
    assert set(told) == {"output_contract", "input_contract"}
    assert all("Only the deployment can set it" in remedy for remedy in told.values())


@settings(deadline=None)
@given(contracts)
def test_every_contract_survives_the_wire(contract: OutputContract) -> None:
    wanted = draft(output_file_name="scores.jsonl", output_contract=replace(contract, extra_columns=ExtraColumns.ALLOW))
    sent = body(wanted)
    try:
        assert deployment_from_arm("spam", "blue", sent).settings == wanted.settings
    except InvalidInput as exc:
        assert all("outputContract" in mistake.field for mistake in exc.mistakes)
