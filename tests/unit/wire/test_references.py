"""References mean the same in YAML and on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference
from batchyard.wire.references import asset_reference, compute_name, is_reference, reference_to_arm_id, short_form

_NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,20}", fullmatch=True)
_WS = DEFAULT_SCOPE.arm_id


@given(_NAMES, _NAMES, st.booleans())
def test_a_reference_survives_the_wire_both_ways(name: str, version: str, is_label: bool) -> None:
    text = f"azureml:{name}{'@' if is_label else ':'}{version}"
    reference = asset_reference(text, kind="models", field="model")
    assert isinstance(reference, Reference)
    arm_id = reference_to_arm_id(DEFAULT_SCOPE, "models", reference)
    assert short_form(arm_id) == text
    again = asset_reference(arm_id, kind="models", field="model")
    assert again == Reference("models", name, reference.version, reference.label, DEFAULT_SCOPE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("azureml:digits", "Add a version, such as azureml:digits@latest."),
        ("azureml://registries/r/models/m/versions/1", "Registries are not supported"),
        (f"{_WS}/environments/e/versions/1", "of a registered model"),
        ("azureml:a:b:c", "azureml:NAME:VERSION"),
        (5, "azureml:NAME:VERSION"),
        (None, "found nothing"),
    ],
)
def test_a_reference_that_cannot_be_followed_is_told_with_the_form(text: object, said: str) -> None:
    mistake = asset_reference(text, kind="models", field="model")
    assert isinstance(mistake, Mistake)
    assert said in str(mistake)


@pytest.mark.parametrize("text", ["cpu-cluster", "azureml:cpu-cluster", f"{_WS}/computes/cpu-cluster"])
def test_a_compute_is_named_in_three_ways(text: str) -> None:
    assert compute_name(text, field="compute") == "cpu-cluster"


@pytest.mark.parametrize("text", ["azureml:cpu:1", "", None, 3, "a/b", "x@y", f"{_WS}/models/m/versions/1"])
def test_what_names_no_compute_is_a_mistake(text: object) -> None:
    assert isinstance(compute_name(text, field="compute"), Mistake)


@pytest.mark.parametrize("text", ["./model", "model", "azureml://datastores/d/paths/p", "file:model", "/models/x"])
def test_paths_and_data_uris_are_no_references(text: str) -> None:
    assert not is_reference(text)


def test_an_id_of_another_workspace_keeps_it() -> None:
    other = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    reference = asset_reference(f"{other}/models/m/versions/1", kind="models", field="model")
    assert isinstance(reference, Reference)
    assert reference_to_arm_id(DEFAULT_SCOPE, "models", reference) == f"{other}/models/m/versions/1"
