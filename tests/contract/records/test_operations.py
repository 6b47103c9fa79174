"""`ports.records.Operations`, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.errors import Conflict, LeaseLost
from batchyard.domain.forecast.calibration import (
    Calibration,
    CalibrationSpec,
    SampledRun,
    SampledStart,
    SampleFailure,
    SampleWish,
)
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.jobs import Owner
from batchyard.ports.records import Key, Kind, Operation, OperationStatus, Records
from batchyard.records.database import DatabaseRecords

Owners = tuple[Owner, Owner]
KEY = Key(Kind.DEPLOYMENT, "blue", parent="digits")
SEAL = Sealed("a" * 64, 1, 1)
SPEC = CalibrationSpec(
    endpoint="digits",
    deployment="blue",
    deployment_revision=2,
    source=InputSource(InputKind.FOLDER, "file:///in"),
    settings=ExecutionSettings(environment_variables={"OMP_NUM_THREADS": "2"}),
    model_seal=SEAL,
    code_seal=SEAL,
    scoring_script="score.py",
    build=EnvironmentBuild("b" * 64, "3.12.1"),
    wish=SampleWish(items=7, run_items=(1, 10), environment_variables={"X": "1"}),
)
FAILURE = SampleFailure("script", "ValueError", "no \x00 number \udcff", "Traceback", "in/\udcff.csv")
RUN = SampledRun("n0-s0-0", 0, 1, 10, 1, 0.5, 0.25, 0, 0, 1 << 40, True, 5, 50, FAILURE)
TOLD = Calibration(10, 100, 1, runs=(RUN,), starts=(SampledStart("n0-s0-0", 1.0, 0.5, 1 << 20),), cores=2)


def add(records: Records, id: str, *, created_at: float = 1.0) -> Operation:
    operation = Operation(id, KEY, 2, OperationStatus.RUNNING, created_at, "ada")
    with records.writing() as tx:
        tx.operations.add(operation)
    return operation


def test_what_was_added_can_be_got(records: DatabaseRecords) -> None:
    operation = add(records, "one")
    with records.reading() as tx:
        assert tx.operations.get("one") == operation
        assert tx.operations.get("two") is None


def test_an_id_is_taken_once(records: DatabaseRecords) -> None:
    add(records, "one")
    with pytest.raises(Conflict, match="'one'"):
        add(records, "one")


def test_the_oldest_waiting_one_is_claimed_with_the_next_fence(records: DatabaseRecords, owners: Owners) -> None:
    first = add(records, "one")
    add(records, "two")
    with records.writing() as tx:
        assert tx.operations.claim_next(owners[0], lease_s=60) == replace(first, fence=1)
        second = tx.operations.claim_next(owners[0], lease_s=60)
        assert second is not None
        assert second.id == "two"
        assert tx.operations.claim_next(owners[0], lease_s=60) is None


def test_one_whose_lease_lapsed_is_claimed_again(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=-1)
    with records.writing() as tx:
        assert [(held.name, held.owner, held.lapsed) for held in tx.operations.held()] == [("one", owners[0], True)]
        again = tx.operations.claim_next(owners[1], lease_s=60)
        assert again is not None
        assert again.fence == 2
        assert [(held.fence, held.owner, held.lapsed, held.process_ends) for held in tx.operations.held()] == [
            (2, owners[1], False, 1)
        ]


def test_one_that_is_released_is_claimed_again(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=60)
        tx.operations.release("one", fence=1)
        assert tx.operations.held() == []
        again = tx.operations.claim_next(owners[1], lease_s=60)
        assert again is not None
        assert again.fence == 2


def test_a_release_with_an_old_fence_does_nothing(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=-1)
        tx.operations.claim_next(owners[1], lease_s=60)
        tx.operations.release("one", fence=1)
        assert [held.owner for held in tx.operations.held()] == [owners[1]]


def test_finish_without_an_error_code_is_success(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=60)
        tx.operations.finish("one", fence=1, now=9.0)
        ended = tx.operations.get("one")
        assert ended is not None
        assert (ended.status, ended.ended_at, ended.error_code) == (OperationStatus.SUCCEEDED, 9.0, "")
        assert tx.operations.held() == []
        assert tx.operations.claim_next(owners[1], lease_s=60) is None


def test_finish_with_an_error_code_is_failure(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=60)
        tx.operations.finish("one", fence=1, error_code="Bad", error_message="no \0 such", now=9.0)
        ended = tx.operations.get("one")
        assert ended is not None
        assert (ended.status, ended.error_code, ended.error_message) == (OperationStatus.FAILED, "Bad", "no \0 such")


def test_finish_with_another_fence_or_twice_is_a_lost_lease(records: DatabaseRecords, owners: Owners) -> None:
    add(records, "one")
    with records.writing() as tx:
        tx.operations.claim_next(owners[0], lease_s=-1)
        tx.operations.claim_next(owners[1], lease_s=60)
        with pytest.raises(LeaseLost):
            tx.operations.finish("one", fence=1, now=9.0)
        tx.operations.finish("one", fence=2, now=9.0)
        with pytest.raises(LeaseLost):
            tx.operations.finish("one", fence=2, now=9.0)


def calibrate(records: Records, owner: Owner, id: str, *, ended_at: float | None = None) -> Operation:
    operation = Operation(id, KEY, 2, OperationStatus.RUNNING, 1.0, "ada", calibration=SPEC)
    with records.writing() as tx:
        tx.operations.add(operation)
        claimed = tx.operations.claim_next(owner, lease_s=60)
        assert claimed == replace(operation, fence=1)
        if ended_at is not None:
            tx.operations.finish(id, fence=1, calibrated=TOLD, now=ended_at)
    return claimed


def test_a_calibration_is_kept_with_what_it_told(records: DatabaseRecords, owners: Owners) -> None:
    claimed = calibrate(records, owners[0], "one", ended_at=5.0)
    with records.reading() as tx:
        assert tx.operations.get("one") == replace(
            claimed, status=OperationStatus.SUCCEEDED, ended_at=5.0, fence=1, calibrated=TOLD
        )


def test_calibrations_that_ended_long_ago_are_forgotten_and_nothing_else_is(
    records: DatabaseRecords, owners: Owners
) -> None:
    for id, ended_at in (("old", 5.0), ("new", 50.0), ("running", None)):
        calibrate(records, owners[0], id, ended_at=ended_at)
    add(records, "put")
    with records.writing() as tx:
        claimed = tx.operations.claim_next(owners[0], lease_s=60)
        assert claimed is not None
        tx.operations.finish("put", fence=claimed.fence, now=2.0)
        tx.operations.forget_calibrations(ended_before=50.0)
    with records.reading() as tx:
        assert [id for id in ("old", "new", "running", "put") if tx.operations.get(id)] == ["new", "running", "put"]
