"""What the engine does with an operation: look it up, complete it or fail it, and never touch a newer change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import assets, deployments, operations, provisioning
from batchyard.domain.assets import AssetKind, EnvironmentBuild
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.errors import LeaseLost, NotFound
from batchyard.ports.records import Operation, OperationStatus, Stored

from .bench import BUILD, DRAFT, NOW, OWNER, Bench, settings, with_code
from .fakes import refused


@pytest.fixture
def promised(bench: Bench) -> tuple[Stored[Deployment], Operation]:
    """Give a deployment in state Creating and its operation."""
    stored, operation = bench.put()
    assert operation is not None
    return stored, operation


Promised = tuple[Stored[Deployment], Operation]


def test_work_is_the_environment_the_code_and_the_script(bench: Bench, promised: Promised) -> None:
    work = provisioning.look_up(bench.tx, promised[1])
    assert work is not None
    assert work.deployment == promised[0].document
    assert (work.environment.name, work.code.name, work.scoring_script) == ("env", "src", "score.py")


def test_completing_stores_a_succeeded_revision_with_its_build(bench: Bench, promised: Promised) -> None:
    done = provisioning.complete(bench.tx, promised[1], build=BUILD, now=NOW + 7)
    assert done is not None
    assert (done.revision, done.document.state, done.document.build) == (2, ProvisioningState.SUCCEEDED, BUILD)
    operation = operations.get(bench.tx, OWNER, "op1")
    assert (operation.status, operation.ended_at) == (OperationStatus.SUCCEEDED, NOW + 7)


def test_completing_is_audited_as_the_act_of_who_asked(bench: Bench, promised: Promised) -> None:
    bench.provision(promised[1])
    row = bench.last_entry
    assert (row.actor, row.action, row.target) == (
        "ada",
        "deployments/write",
        "batchEndpoints/digits/deployments/blue",
    )
    assert row.details == {"operation": "op1", "state": "Succeeded"}


def test_the_environment_shows_its_newest_build(bench: Bench, promised: Promised) -> None:
    bench.provision(promised[1])
    assert assets.get_version(bench.tx, OWNER, AssetKind.ENVIRONMENT, "env", "1").document.build == BUILD


def test_the_same_build_again_does_not_change_the_environment(bench: Bench, promised: Promised) -> None:
    bench.provision(promised[1])
    before = assets.get_version(bench.tx, OWNER, AssetKind.ENVIRONMENT, "env", "1")
    bench.provision(bench.put(replace(DRAFT, name="green"))[1])
    assert assets.get_version(bench.tx, OWNER, AssetKind.ENVIRONMENT, "env", "1") == before
    newer = EnvironmentBuild("c" * 64, "3.12.1")
    bench.provision(bench.put(replace(DRAFT, name="red"))[1], build=newer)
    assert assets.get_version(bench.tx, OWNER, AssetKind.ENVIRONMENT, "env", "1").document.build == newer


def test_failing_stores_a_failed_revision_with_its_message(bench: Bench, promised: Promised) -> None:
    done = provisioning.fail(bench.tx, promised[1], code="ScriptError", message="no module", now=NOW + 7)
    assert done is not None
    assert (done.revision, done.document.state, done.document.state_message) == (
        2,
        ProvisioningState.FAILED,
        "no module",
    )
    operation = operations.get(bench.tx, OWNER, "op1")
    assert operation.status is OperationStatus.FAILED
    assert (operation.error_code, operation.error_message) == ("ScriptError", "no module")


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_an_operation_whose_deployment_changed_since_ends_superseded(
    bench: Bench, promised: Promised, end: str
) -> None:
    newer, _ = bench.put(replace(DRAFT, settings=settings(mini_batch_size=2)))
    assert provisioning.look_up(bench.tx, promised[1]) is None
    done = bench.provision(promised[1]) if end == "complete" else bench.fail(promised[1])
    assert done is None
    assert deployments.get(bench.tx, OWNER, "digits", "blue") == newer
    operation = operations.get(bench.tx, OWNER, "op1")
    assert (operation.status, operation.error_code) == (OperationStatus.FAILED, provisioning.SUPERSEDED)


def test_the_newer_change_is_still_completed(bench: Bench, promised: Promised) -> None:
    bench.code("src", "2", files={"score.py": "run = len"})
    _, second = bench.put(with_code("2"))
    bench.provision(promised[1])
    assert bench.serving() is None
    bench.provision(second)
    assert bench.serving() == 3


def test_an_operation_whose_deployment_was_deleted_ends_superseded(bench: Bench, promised: Promised) -> None:
    deployments.delete(bench.tx, OWNER, "digits", "blue", now=NOW)
    assert provisioning.look_up(bench.tx, promised[1]) is None
    assert bench.provision(promised[1]) is None
    assert "was changed or deleted" in operations.get(bench.tx, OWNER, "op1").error_message


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_who_lost_the_lease_changes_nothing(bench: Bench, promised: Promised, end: str) -> None:
    stale = replace(promised[1], fence=7)
    with refused(bench.tx, LeaseLost):
        _ = bench.provision(stale) if end == "complete" else bench.fail(stale)


def test_a_missing_operation_is_not_found(bench: Bench) -> None:
    with refused(bench.tx, NotFound):
        operations.get(bench.tx, OWNER, "none")


def test_the_operation_that_failed_is_known_of_that_revision_alone(bench: Bench, promised: Promised) -> None:
    failed = bench.fail(promised[1])
    assert failed is not None
    again, _ = bench.put(replace(DRAFT, description="again"))
    assert deployments.failed_operation(bench.tx, failed) == promised[1].id
    assert deployments.failed_operation(bench.tx, again) is None
