"""Workspaces: found without case, and nothing of one is ever met in another."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from batchyard.domain.audit import AuditEntry
from batchyard.domain.computes import Compute
from batchyard.domain.errors import Conflict, NotFound
from batchyard.domain.jobs import Owner
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope
from batchyard.domain.workspaces import DEFAULT_WORKSPACE, Workspace
from batchyard.ports.records import JobFilter, Key, Kind, Operation, OperationStatus, Records
from batchyard.records.database import DatabaseRecords

from .conftest import MakeJob

COMPUTE = Key(Kind.COMPUTE, "cpu")
OPERATION = Operation("op", COMPUTE, 1, OperationStatus.RUNNING, 1.0, "ada")


def make(records: DatabaseRecords, name: str) -> Workspace:
    workspace = Workspace(Scope("Sub", "Group", f"{name}-{uuid.uuid4().hex[:8]}"), uuid.uuid4().hex, tags={"é": "\n"})
    with records.writing() as tx:
        tx.workspaces.save(workspace)
    return workspace


@pytest.fixture
def two(records: DatabaseRecords) -> tuple[Records, Records]:
    """Two workspaces of one database, each with a compute of the same name."""
    both = records.of(make(records, "one")), records.of(make(records, "two"))
    for number, one in enumerate(both, start=1):
        with one.writing() as tx:
            tx.documents.save(COMPUTE, Compute("cpu", max_instances=number), actor="ada", now=1.0)
    return both


def test_the_default_workspace_is_there_from_the_start(records: DatabaseRecords) -> None:
    with records.reading() as tx:
        assert tx.workspaces.get(DEFAULT_SCOPE) == DEFAULT_WORKSPACE
        assert DEFAULT_WORKSPACE in tx.workspaces.list()


def test_a_workspace_comes_back_as_it_was_saved_whatever_the_case_of_its_names(records: DatabaseRecords) -> None:
    made = make(records, "Team")
    with records.reading() as tx:
        assert tx.workspaces.get(Scope("SUB", "group", made.scope.workspace.upper())) == made
        assert tx.workspaces.by_id(made.id) == made
        assert tx.workspaces.get(Scope("other", "group", made.scope.workspace)) is None


def test_names_that_differ_only_in_case_are_taken_once(records: DatabaseRecords) -> None:
    made = make(records, "Team")
    with records.writing() as tx, pytest.raises(Conflict, match="already"):
        tx.workspaces.save(Workspace(replace(made.scope, resource_group="GROUP"), "another id"))


def test_documents_of_one_name_never_meet(two: tuple[Records, Records]) -> None:
    first, second = two
    with first.writing() as tx:
        tx.documents.delete(COMPUTE)
        assert tx.documents.list(Kind.COMPUTE).items == ()
    with second.reading() as tx:
        assert [stored.document.max_instances for stored in tx.documents.list(Kind.COMPUTE).items] == [2]
        assert len(tx.documents.revisions(COMPUTE)) == 1


def test_jobs_of_one_name_request_and_output_never_meet(
    two: tuple[Records, Records], make_job: MakeJob, owners: tuple[Owner, Owner]
) -> None:
    first, second = two
    for one in two:
        with one.writing() as tx:
            tx.jobs.add(make_job("job", request_id="r", path="out"))
    with first.writing() as tx:
        claimed = tx.job_leases.claim_next(owners[0], lease_s=60, now=1.0)
        assert claimed is not None
        assert tx.job_leases.claim_next(owners[0], lease_s=60, now=1.0) is None
        assert [holding.name for holding in tx.job_leases.held()] == ["job"]
    with second.writing() as tx:
        assert tx.job_leases.held() == []
        waiting = tx.jobs.by_request("digits", "r")
        assert waiting is not None
        assert waiting.fence == 0
        tx.jobs.request_cancel("job", now=2.0)
    with first.reading() as tx:
        assert [job.status.value for job in tx.jobs.list(JobFilter()).items] == ["Preparing"]


def test_operations_and_audit_rows_never_meet(two: tuple[Records, Records], owners: tuple[Owner, Owner]) -> None:
    first, second = two
    with first.writing() as tx:
        tx.operations.add(OPERATION)
        tx.audit.append(AuditEntry(1.0, "ada", "computes/write", "computes/cpu", None, "x"))
    with second.writing() as tx:
        assert tx.operations.get("op") is None
        assert tx.operations.claim_next(owners[0], lease_s=60) is None
        assert tx.audit.list() == []


def test_one_transaction_may_look_into_another_workspace(records: DatabaseRecords) -> None:
    made = make(records, "one")
    with records.writing() as tx:
        inside = tx.of(made)
        inside.documents.save(COMPUTE, Compute("cpu"), actor="ada", now=1.0)
        assert inside.scope == made.scope
        assert tx.documents.get(COMPUTE) is None
    with records.of(made).reading() as tx:
        assert tx.documents.get(COMPUTE) is not None


def test_those_at_work_have_a_job_or_an_operation_that_goes_on(
    two: tuple[Records, Records], records: DatabaseRecords, make_job: MakeJob
) -> None:
    first, second = two
    with first.writing() as tx:
        tx.jobs.add(make_job("job"))
    with second.writing() as tx:
        tx.operations.add(OPERATION)
    busy = {"one", "two"}
    with records.reading() as tx:
        assert busy <= {one.scope.workspace.partition("-")[0] for one in tx.workspaces.at_work()}
    with first.writing() as tx:
        tx.jobs.request_cancel("job", now=2.0)
        names = [first_at_work.scope for first_at_work in tx.workspaces.at_work()]
        assert tx.scope not in names


def test_nothing_is_written_in_a_workspace_that_was_deleted(records: DatabaseRecords) -> None:
    made = make(records, "gone")
    inside = records.of(made)
    with records.writing() as tx:
        tx.workspaces.delete(made.id)
    with pytest.raises(NotFound, match="deleted meanwhile"), inside.writing():
        raise AssertionError("the transaction must not open")


def test_a_new_workspace_of_an_old_name_is_empty(records: DatabaseRecords) -> None:
    made = make(records, "again")
    with records.of(made).writing() as tx:
        tx.documents.save(COMPUTE, Compute("cpu"), actor="ada", now=1.0)
    again = replace(made, id=uuid.uuid4().hex)
    with records.writing() as tx:
        tx.workspaces.delete(made.id)
        tx.workspaces.save(again)
    with records.of(again).reading() as tx:
        assert tx.documents.list(Kind.COMPUTE).items == ()
