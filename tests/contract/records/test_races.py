"""Many at once, in threads and in forked processes: nothing is lost, and every race has one winner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from batchyard.domain.computes import Compute
from batchyard.domain.errors import Conflict, LeaseLost, PreconditionFailed
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, Owner
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.ports.job_leases import JobChange, Progress
from batchyard.ports.records import Key, Kind, Operation, OperationStatus
from batchyard.records.database import DatabaseRecords, migrate, open_records, sqlite_url

MakeJob = Callable[..., Job]
Owners = tuple[Owner, Owner]
Race = Callable[[Sequence[Callable[[], str]]], list[str]]
KEY = Key(Kind.COMPUTE, "cpu")


def make_compute(records: DatabaseRecords, *, size: int = 1) -> str:
    with records.writing() as tx:
        return tx.documents.save(KEY, Compute("cpu", max_instances=size), actor="ada", now=1.0).etag


def test_four_times_a_hundred_increments_lose_nothing(records: DatabaseRecords, race: Race) -> None:
    make_compute(records, size=0)

    def increment() -> str:
        for _ in range(100):
            with records.writing() as tx:
                stored = tx.documents.get(KEY)
                assert stored is not None
                more = replace(stored.document, max_instances=stored.document.max_instances + 1)
                tx.documents.save(KEY, more, actor="ada", now=1.0)
        return "done"

    assert race([increment] * 4) == ["done"] * 4
    with records.reading() as tx:
        stored = tx.documents.get(KEY)
    assert stored is not None
    assert (stored.document.max_instances, stored.revision) == (400, 401)


def test_two_claimers_never_get_one_job(records: DatabaseRecords, race: Race, make_job: MakeJob) -> None:
    make_compute(records, size=100)
    with records.writing() as tx:
        for number in range(40):
            tx.jobs.add(make_job(f"job-{number}"))

    def claim_all() -> str:
        names: list[str] = []
        while True:
            with records.writing() as tx:
                job = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=1.0)
            if job is None:
                return ",".join(names)
            names.append(job.name)

    claimed = [name for answer in race([claim_all] * 4) for name in answer.split(",") if name]
    assert sorted(claimed) == sorted(f"job-{number}" for number in range(40))


def test_claimers_never_use_more_instances_than_there_are(
    records: DatabaseRecords, race: Race, make_job: MakeJob
) -> None:
    make_compute(records, size=3)
    with records.writing() as tx:
        for number in range(8):
            tx.jobs.add(make_job(f"job-{number}"))

    def claim() -> str:
        with records.writing() as tx:
            return "got" if tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=1.0) else "none"

    assert sorted(race([claim] * 6)) == ["got"] * 3 + ["none"] * 3


def test_one_of_many_with_the_same_etag_wins(records: DatabaseRecords, race: Race) -> None:
    etag = make_compute(records)

    def change() -> str:
        try:
            with records.writing() as tx:
                tx.documents.save(KEY, Compute("cpu"), actor="ada", now=1.0, if_match=etag)
        except PreconditionFailed:
            return "lost"
        return "won"

    assert sorted(race([change] * 4)) == ["lost"] * 3 + ["won"]


@pytest.mark.parametrize("same", ["request_id", "path", "name"])
def test_one_request_id_one_output_and_one_name_make_one_job(
    records: DatabaseRecords, race: Race, make_job: MakeJob, same: str
) -> None:
    def invoke(number: int) -> Callable[[], str]:
        job = make_job("same") if same == "name" else make_job(f"job-{number}", **{same: "same"})

        def add() -> str:
            try:
                with records.writing() as tx:
                    tx.jobs.add(job)
            except Conflict as exc:
                return f"lost: {exc}"
            return f"won: {job.name}"

        return add

    answers = race([invoke(number) for number in range(4)])
    winners = [answer.removeprefix("won: ") for answer in answers if answer.startswith("won")]
    assert len(winners) == 1
    assert all(f"'{winners[0]}'" in answer for answer in answers if answer.startswith("lost"))


def test_one_of_many_takes_over_and_the_old_owner_is_fenced_off(
    records: DatabaseRecords, race: Race, make_job: MakeJob, owners: Owners
) -> None:
    make_compute(records)
    with records.writing() as tx:
        tx.jobs.add(make_job("one"))
        tx.job_leases.claim_next(owners[0], lease_s=-1, now=1.0)

    def take_over() -> str:
        with records.writing() as tx:
            job = tx.job_leases.take_over("one", fence=1, owner=owners[1], lease_s=60, made_progress=True)
        return "none" if job is None else str(job.fence)

    def go_on() -> str:
        try:
            while True:
                with records.writing() as tx:
                    tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=Progress())
        except LeaseLost:
            return "fenced"

    answers = race([go_on, take_over, take_over, take_over])
    assert answers[0] == "fenced"
    assert sorted(answers[1:]) == ["2", "none", "none"]


def test_a_seal_and_a_cancel_request_never_both_succeed(
    records: DatabaseRecords, race: Race, make_job: MakeJob, owners: Owners
) -> None:
    make_compute(records)
    with records.writing() as tx:
        tx.jobs.add(make_job("one"))
        tx.job_leases.claim_next(owners[0], lease_s=60, now=1.0)
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.RUNNING))

    def seal() -> str:
        try:
            with records.writing() as tx:
                tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.FINALIZING, ledger_sha256="ab"))
        except Conflict:
            return "lost"
        return "won"

    def cancel() -> str:
        try:
            with records.writing() as tx:
                tx.jobs.request_cancel("one", now=1.0)
        except Conflict:
            return "lost"
        return "won"

    assert sorted(race([seal, cancel])) == ["lost", "won"]


def test_two_claimers_never_get_one_operation(records: DatabaseRecords, race: Race, owners: Owners) -> None:
    with records.writing() as tx:
        for number in range(10):
            key = Key(Kind.DEPLOYMENT, "blue", parent="digits")
            tx.operations.add(Operation(str(number), key, 1, OperationStatus.RUNNING, 1.0, "ada"))

    def claim_all() -> str:
        ids = ""
        while True:
            with records.writing() as tx:
                operation = tx.operations.claim_next(owners[0], lease_s=60)
            if operation is None:
                return ids
            ids += operation.id

    assert sorted("".join(race([claim_all] * 4))) == sorted("0123456789")


def test_parent_and_child_go_on_after_a_fork(records: DatabaseRecords, race: Race) -> None:
    make_compute(records)  # leaves a connection of the parent idle

    def read() -> str:
        with records.reading() as tx:
            stored = tx.documents.get(KEY)
        return "none" if stored is None else str(stored.revision)

    assert race([read, read]) == ["1", "1"]
    make_compute(records)
    assert race([read, read]) == ["2", "2"]


def test_a_parent_that_closes_does_not_take_the_log_from_under_its_child(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "batchyard.db")
    migrate(url)
    records = open_records(url, DEFAULT_SCOPE)
    make_compute(records)  # leaves a connection of the parent idle, with its locks
    (told, tell), (heard, hear) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            records.after_fork()
            with records.reading() as tx:
                tx.documents.get(KEY)
                os.write(hear, b"open")
                os.read(told, 1)
            make_compute(records)
            status = 0
        finally:
            os._exit(status)
    os.read(heard, 4)
    make_compute(records)
    records.close()  # the parent's last connection: SQLite would tidy up if it thought that nobody else is there
    log_is_there = (tmp_path / "batchyard.db-wal").exists()
    os.write(tell, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    for end in (told, tell, heard, hear):
        os.close(end)
    with records.reading() as tx:
        assert [stored.revision for stored in tx.documents.revisions(KEY)] == [3, 2, 1]
    records.close()
    assert log_is_there
