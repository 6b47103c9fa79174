"""Deployments: revisions, what needs provisioning and what does not, deletion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchyard.control import deployments, endpoints
from batchyard.domain.access import ROLES, Action, Caller
from batchyard.domain.deployments import CodeReference, Deployment, DeploymentKind
from batchyard.domain.endpoints import DefaultChange, Endpoint, ProvisioningState
from batchyard.domain.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.ports.records import Key, Kind, Operation, OperationStatus

from .bench import BUILD, DRAFT, NOW, OWNER, Bench, settings, with_code
from .fakes import refused

SUCCEEDED, CREATING, UPDATING = ProvisioningState.SUCCEEDED, ProvisioningState.CREATING, ProvisioningState.UPDATING
FAILED = ProvisioningState.FAILED


def test_a_new_deployment_is_creating_until_its_operation_ends(bench: Bench) -> None:
    stored, operation = bench.put(now=NOW, new_id="op7")
    assert stored.document == Deployment(
        name="blue",
        endpoint="digits",
        kind=DeploymentKind.MODEL,
        compute="cpu",
        model=AssetId("net", "1"),
        code=CodeReference(AssetId("src", "1"), "score.py"),
        environment=AssetId("env", "1"),
        state=CREATING,
    )
    key = Key(Kind.DEPLOYMENT, "blue", parent="digits")
    assert operation == Operation("op7", key, 1, OperationStatus.RUNNING, NOW, "ada")
    assert bench.tx.operations.get("op7") == operation
    assert bench.serving() is None


def test_latest_is_frozen_to_the_version_of_now(bench: Bench) -> None:
    bench.model("net", "2", body="two")
    stored = bench.deploy(model=Reference("models", "net", label="latest"))
    bench.model("net", "3", body="three")
    assert stored.document.model == AssetId("net", "2")


def test_path_of_the_script_is_stored_in_normal_form(bench: Bench) -> None:
    stored = bench.deploy(scoring_script="./score.py")
    assert stored.document.code == CodeReference(AssetId("src", "1"), "score.py")


@pytest.mark.parametrize(
    "change",
    [
        {"settings": settings(mini_batch_size=3)},
        {"description": "new"},
        {"tags": {"team": "a"}},
        {"compute": "gpu"},
        {"model": Reference("models", "net", "2")},
    ],
)
def test_what_an_import_does_not_see_is_switched_at_once(bench: Bench, change: dict[str, Any]) -> None:
    bench.compute("gpu")
    bench.model("net", "2", body="two")
    bench.deploy()
    stored, operation = bench.put(replace(DRAFT, **change))
    assert operation is None
    assert (stored.document.state, stored.document.build) == (SUCCEEDED, BUILD)
    assert bench.serving() == stored.revision


@pytest.mark.parametrize(
    "change",
    [
        {"code": Reference("codes", "src", "2")},
        {"scoring_script": "other.py"},
        {"environment": Reference("environments", "env", "2")},
    ],
)
def test_what_an_import_sees_is_provisioned_while_the_old_revision_serves(bench: Bench, change: dict[str, Any]) -> None:
    files: dict[str, str | bytes] = {"score.py": "run = print", "other.py": "run = print"}
    bench.code("both", files=files)
    bench.code("src", "2", files={"score.py": "run = len"})
    bench.environment("env", "2", conda_file="dependencies: [numpy]")
    both = replace(DRAFT, code=Reference("codes", "both", "1"))
    _, first = bench.put(both)
    bench.provision(first)
    stored, operation = bench.put(replace(both, **change))
    assert operation is not None
    assert (stored.document.state, stored.document.build) == (UPDATING, None)
    assert bench.serving() == 2
    done = bench.provision(operation)
    assert done is not None
    assert bench.serving() == done.revision == 4


@pytest.mark.parametrize(
    "change", [{"code": Reference("codes", "copy", "1")}, {"environment": Reference("environments", "copy", "1")}]
)
def test_the_same_content_under_another_name_carries_the_build_over(bench: Bench, change: dict[str, Any]) -> None:
    bench.code("copy")
    bench.environment("copy")
    bench.deploy()
    stored, operation = bench.put(replace(DRAFT, **change))
    assert (operation, stored.document.build) == (None, BUILD)


def test_another_image_is_another_environment(bench: Bench) -> None:
    bench.environment("other", image="mcr.example/base:1")
    bench.deploy()
    _, operation = bench.put(replace(DRAFT, environment=Reference("environments", "other", "1")))
    assert operation is not None


def test_a_script_is_imported_for_a_second_deployment_too(bench: Bench) -> None:
    bench.deploy("blue")
    _, operation = bench.put(replace(DRAFT, name="green"))
    assert operation is not None


def test_a_failed_update_leaves_the_serving_revision(bench: Bench) -> None:
    bench.deploy()
    bench.code("src", "2", files={"score.py": "run = len"})
    _, operation = bench.put(with_code("2"))
    failed = bench.fail(operation, "ImportError: no module named 'nunpy'")
    assert failed is not None
    assert (failed.document.state, failed.document.state_message) == (FAILED, "ImportError: no module named 'nunpy'")
    assert bench.serving() == 2


def test_going_back_after_a_failed_update_needs_no_provisioning(bench: Bench) -> None:
    bench.deploy()
    bench.code("src", "2", files={"score.py": "run = len"})
    bench.fail(bench.put(with_code("2"))[1])
    stored, operation = bench.put(DRAFT)
    assert (operation, stored.document.state, stored.document.state_message) == (None, SUCCEEDED, "")


def test_the_same_document_is_tried_again_after_it_failed(bench: Bench) -> None:
    bench.fail(bench.put()[1])
    stored, operation = bench.put()
    assert operation is not None
    assert stored.document.state is UPDATING


def test_old_revisions_stay_readable(bench: Bench) -> None:
    bench.deploy()
    bench.deploy(description="new")
    assert [s.revision for s in deployments.revisions(bench.tx, OWNER, "digits", "blue")] == [3, 2, 1]
    assert deployments.get(bench.tx, OWNER, "digits", "blue", revision=2).document.description == ""
    assert deployments.get(bench.tx, OWNER, "digits", "blue").document.description == "new"


def test_a_missing_revision_is_told_with_those_there_are(bench: Bench) -> None:
    bench.deploy()
    with refused(bench.tx, NotFound) as refusal:
        deployments.get(bench.tx, OWNER, "digits", "blue", revision=9)
    assert "The revision of deployment 'blue' '9' does not exist" in refusal.text
    assert "'2'" in refusal.text


def test_revisions_of_a_deleted_deployment_stay_readable(bench: Bench) -> None:
    bench.deploy()
    deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW)
    assert deployments.get(bench.tx, OWNER, "digits", "blue", revision=2).document.state is SUCCEEDED


@pytest.mark.parametrize(
    ("endpoint", "name", "told"), [("digit", "blue", "endpoint 'digit'"), ("digits", "blu", "'blue'")]
)
def test_what_is_missing_is_not_found_with_near_names(bench: Bench, endpoint: str, name: str, told: str) -> None:
    bench.deploy()
    with refused(bench.tx, NotFound) as refusal:
        deployments.get(bench.tx, OWNER, endpoint, name)
    assert told in refusal.text
    with refused(bench.tx, NotFound):
        deployments.revisions(bench.tx, OWNER, endpoint, name)


def test_a_revision_of_what_never_was_is_not_found(bench: Bench) -> None:
    with refused(bench.tx, NotFound) as refusal:
        deployments.get(bench.tx, OWNER, "digits", "none", revision=1)
    assert refusal.text.startswith("Endpoint 'digits' has no deployment 'none'.")


def test_deployments_are_listed_under_their_endpoint_only(bench: Bench) -> None:
    bench.endpoint(Endpoint("other"))
    bench.deploy("green")
    bench.deploy("blue")
    listed = deployments.list_deployments(bench.tx, OWNER, "digits").items
    assert [s.key.name for s in listed] == ["blue", "green"]
    assert deployments.list_deployments(bench.tx, OWNER, "other").items == ()
    with refused(bench.tx, NotFound):
        deployments.list_deployments(bench.tx, OWNER, "none")


def test_twenty_five_deployments_live_under_one_endpoint() -> None:
    bench = Bench(largest_page=7)
    for number in range(25):
        bench.deploy(f"dep-{number}")
        assert bench.serving(f"dep-{number}") is not None


def test_an_old_etag_is_refused(bench: Bench) -> None:
    stored = bench.deploy()
    with refused(bench.tx, PreconditionFailed):
        bench.put(if_match="old")
    bench.put(if_match=stored.etag)
    with refused(bench.tx, PreconditionFailed):
        deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW, if_match=stored.etag)


def test_deleting_what_does_not_exist_gives_false(bench: Bench) -> None:
    before = bench.tx.snapshot()
    assert deployments.delete(bench.tx, OWNER, "digits", "none", now=NOW) is False
    assert deployments.delete(bench.tx, OWNER, "none", "none", now=NOW) is False
    assert bench.tx.snapshot() == before


def test_the_default_is_not_deleted_without_force(bench: Bench) -> None:
    bench.deploy()
    bench.set_default("blue")
    with refused(bench.tx, Conflict) as refusal:
        deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW)
    assert "Deployment 'blue' is the default of endpoint 'digits'" in refusal.text
    assert "--force" in refusal.text


def test_force_deletes_the_default_and_leaves_none(bench: Bench) -> None:
    bench.deploy()
    bench.set_default("blue")
    assert deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW + 5, force=True, reason="leak", ticket="T-9")
    assert endpoints.get(bench.tx, OWNER, "digits").document.default_deployment is None
    newest = endpoints.default_history(bench.tx, OWNER, "digits")[0]
    assert newest == DefaultChange(NOW + 5, "ada", "blue", None, "leak", "T-9")


def test_forcing_the_default_away_needs_the_action_of_a_switch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, "Editor", frozenset({Action.DEPLOYMENT_DELETE}))
    bench.deploy()
    bench.set_default("blue")
    with refused(bench.tx, Forbidden) as refusal:
        deployments.delete(bench.tx, Caller("eddy", frozenset({"Editor"})), "digits", "blue", now=NOW, force=True)
    assert "batchEndpoints/defaults/write" in refusal.text


def test_another_deployment_is_deleted_without_force(bench: Bench) -> None:
    bench.deploy("blue")
    bench.deploy("green")
    bench.set_default("blue")
    assert deployments.delete(bench.tx, OWNER, "digits", "green", now=NOW)
    assert bench.last_entry.action == "deployments/delete"
    assert endpoints.get(bench.tx, OWNER, "digits").document.default_deployment == "blue"


def test_what_was_deleted_never_serves_again(bench: Bench) -> None:
    bench.deploy()
    deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW)
    assert bench.serving() is None
    stored, operation = bench.put()
    assert operation is not None
    assert stored.document.state is CREATING
    assert bench.serving() is None
    bench.provision(operation)
    assert bench.serving() == stored.revision + 1
