"""What a file is by its `$schema`."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.wire.schema_nouns import check_noun

ROOT = "https://azuremlschemas.azureedge.net/latest"


@pytest.mark.parametrize("document", [{}, {"$schema": None}, {"$schema": f"{ROOT}/batchEndpoint.schema.json"}])
def test_the_right_file_and_one_that_does_not_tell_pass(document: dict[str, object]) -> None:
    check_noun(document, "batch-endpoint", subject="e.yml")
    check_noun({"$schema": "https://else.where/x.json"}, "model", subject="e.yml")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("batchEndpoint.schema.json", "the YAML of a batch endpoint, expected a model. Give it to `batchyard batch-"),
        ("environment.schema.json", "of an environment, expected a model. Give it to `batchyard environment create"),
        ("amlCompute.schema.json", "Give it to `batchyard compute create --file`"),
        ("pipelineJob.schema.json", "the YAML of a job, expected a model. Give it to `batchyard job create"),
        ("sweepJob.schema.json", "the YAML of a sweep job, expected a model. No command here takes it"),
    ],
)
def test_another_file_is_told_by_what_it_is_and_the_command_that_takes_it(schema: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_noun({"$schema": f"{ROOT}/{schema}"}, "model", subject="e.yml")
    assert str(refused.value).startswith("e.yml: found the YAML of ")
    assert told in str(refused.value)
