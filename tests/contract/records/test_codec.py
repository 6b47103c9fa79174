"""What is stored comes back equal, and what this version does not know is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from batchyard.domain.assets import (
    CodeVersion,
    Component,
    DataAsset,
    DataType,
    Environment,
    EnvironmentBuild,
    Model,
    ModelType,
    Sealed,
)
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import (
    CodeReference,
    Deployment,
    DeploymentKind,
    ExecutionSettings,
    OutputAction,
    OutputColumn,
    OutputFormat,
    RetrySettings,
    SameName,
)
from batchyard.domain.endpoints import Endpoint, ProvisioningState
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import ScoringSpec
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError
from batchyard.domain.outputs.contracts import InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.domain.resource_ids import AssetId
from batchyard.domain.schedules import Schedule
from batchyard.domain.scoring.run_items import RunLimit
from batchyard.domain.sealed_places import SealedPlace
from batchyard.ports.records import Kind
from batchyard.records.codec import DOCUMENT_TYPES, decode, decode_document, encode, encode_document

SEAL = Sealed("ab" * 32, 3, 1 << 40)
BUILD = EnvironmentBuild("cd" * 32, "3.11.7", ("numpy==2.0",), ("fell back",))
SETTINGS = ExecutionSettings(
    5,
    2,
    3,
    RetrySettings(0, 0.5),
    -1,
    output_action=OutputAction.SUMMARY_ONLY,
    output_file_name="out.csv",
    output_format=OutputFormat.CSV,
    output_columns=(OutputColumn.ITEM, OutputColumn.MINI_BATCH),
    output_shard_bytes=4096,
    same_name=SameName.CONCATENATE,
    isolate_failing_items=False,
    environment_variables={"A": "\0", "B": ""},
    output_contract=OutputContract(RowsPerItem.ANY, {"a": "list<int8>"}, nulls=("a",)),
    input_contract=InputContract(InputFormat.CSV, {"b": "bool"}),
)
DOCUMENTS: dict[Kind, list[Any]] = {  # Any: documents of each kind
    Kind.ENDPOINT: [Endpoint("e"), Endpoint("e", "text", default_deployment="blue", tags={"a": "b"})],
    Kind.DEPLOYMENT: [
        Deployment("blue", "e", DeploymentKind.PIPELINE, "cpu", component=AssetId("c", "1")),
        Deployment(
            "blue",
            "e",
            DeploymentKind.MODEL,
            "cpu",
            model=AssetId("m", "1"),
            code=CodeReference(AssetId("c", "2"), "src/score.py"),
            environment=AssetId("env", "3"),
            settings=SETTINGS,
            state=ProvisioningState.FAILED,
            state_message="no",
            build=BUILD,
        ),
    ],
    Kind.COMPUTE: [Compute("cpu", max_instances=4, tags={"a": "b"})],
    Kind.MODEL: [
        Model("m", "1", ModelType.CUSTOM, "uri", SEAL),
        Model("m", "1", ModelType.MLFLOW, "uri", SEAL, flavors={"python_function": {"env": ["a", 1, None, 0.5]}}),
    ],
    Kind.ENVIRONMENT: [Environment("env", "1"), Environment("env", "1", "image", "name: x\n", build=BUILD)],
    Kind.CODE: [CodeVersion("c", "1", "uri", SEAL, is_anonymous=False)],
    Kind.RUN_LIMIT: [RunLimit(8, "job-1")],
    Kind.DATA: [DataAsset("d", "1", DataType.FILE, "uri", tags={"a": "b"}, is_archived=True)],
    Kind.COMPONENT: [Component("c", "1", {"type": "command", "inputs": {"a": {"default": 1.5, "optional": None}}})],
    Kind.SCHEDULE: [Schedule("s", {"triggerType": "Cron"}, {"actionType": "CreateJob", "n": [1]}, is_enabled=False)],
    Kind.SEALED_PLACE: [SealedPlace("workspaceblobstore", "LocalUpload/h/m", "models/m/versions/1")],
}


def test_every_kind_has_a_type_and_an_example() -> None:
    assert set(DOCUMENT_TYPES) == set(Kind) == set(DOCUMENTS)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_document_comes_back_equal_and_of_the_same_type(kind: Kind) -> None:
    for document in DOCUMENTS[kind]:
        again = decode_document(kind, encode_document(kind, document))
        assert again == document
        assert type(again) is type(document)


def test_the_parts_of_a_job_come_back_equal(make_job: Callable[..., Job]) -> None:
    job = make_job("j", instances=2)
    error = JobError("C", "m", ErrorClass.SCRIPT, item="caf\udce9.png", position=3, mini_batch=0, stack="s")
    assert decode(ScoringSpec, encode(job.spec)) == job.spec
    assert decode(JobError, encode(error)) == error
    assert decode(Counts, encode(Counts(1, 2, 3))) == Counts(1, 2, 3)


def test_equal_documents_give_equal_text_in_ascii() -> None:
    one = encode(Endpoint("e", tags={"b": "\u2603", "a": "1"}))
    two = encode(Endpoint("e", tags={"a": "1", "b": "\u2603"}))
    assert one == two
    assert one.isascii()


def test_a_field_that_an_older_version_did_not_write_takes_its_default() -> None:
    assert decode(Compute, '{"name": "cpu"}') == Compute("cpu")


def test_a_field_of_a_newer_version_is_refused_by_name() -> None:
    newer = json.loads(encode(DOCUMENTS[Kind.DEPLOYMENT][1]))
    newer["settings"]["colour"] = "blue"
    with pytest.raises(PlatformError, match=r"settings\.colour.*newer version"):
        decode(Deployment, json.dumps(newer))
