"""`ports.records.JobLeases`, sentence by sentence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event

from batchyard.domain.computes import Compute
from batchyard.domain.errors import Conflict, LeaseLost
from batchyard.domain.failures import FailureGroup, FailureReport, FailureSample
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError, Owner
from batchyard.domain.logged import Logged, Metric, Point
from batchyard.ports.job_leases import Holding, JobChange, Progress, Wish
from batchyard.ports.records import Key, Kind, Records, Transaction
from batchyard.records.database import DatabaseRecords

MakeJob = Callable[..., Job]
Owners = tuple[Owner, Owner]
NOTHING = Progress()


def set_size(tx: Transaction, instances: int) -> None:
    tx.documents.save(Key(Kind.COMPUTE, "cpu"), Compute("cpu", max_instances=instances), actor="ada", now=1.0)


def add(records: Records, *jobs: Job, cpus: int = 2) -> None:
    with records.writing() as tx:
        set_size(tx, cpus)
        for job in jobs:
            tx.jobs.add(job)


def claim(tx: Transaction, owner: Owner, *, lease_s: float = 60.0) -> Job | None:
    return tx.job_leases.claim_next(owner, lease_s=lease_s, now=110.0)


def go(tx: Transaction, *statuses: JobStatus, fence: int = 1) -> None:
    for status in statuses:
        tx.job_leases.advance("one", fence=fence, change=JobChange(status))


def held(tx: Transaction) -> Holding:
    (only,) = tx.job_leases.held()
    return only


def test_a_claim_starts_the_oldest_queued_job(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one"), make_job("two"))
    with records.writing() as tx:
        job = claim(tx, owners[0])
        assert job is not None
        assert (job.name, job.status, job.fence, job.owner) == ("one", JobStatus.PREPARING, 1, owners[0])
        assert job.phases == {"queued": 100.0, "preparing": 110.0}
        assert tx.jobs.get("one") == job


def test_progress_and_the_last_step_store_failures_in_groups_and_none_leaves_them(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    sample = FailureSample(3, 1, 4, "x \udcff", "n0-s0-0", "logs/user/error/n0/n0-s0-0.txt", "a\udcff.txt")
    report = FailureReport((FailureGroup("script", "ValueError", "x", 2, 1, (sample,)),))
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60.0, progress=Progress(failures=report))
        tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60.0, progress=NOTHING)
        assert tx.jobs.get("one").failures == report
        go(tx, JobStatus.RUNNING, JobStatus.FAILED)
        assert tx.jobs.get("one").failures == report


def test_a_job_starts_only_when_its_instances_are_free(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"), make_job("two", instances=2), make_job("three"))
    with records.writing() as tx:
        first = claim(tx, owners[0])
        assert first is not None
        assert first.name == "one"
        assert claim(tx, owners[0]) is None  # two waits for both instances, and three does not overtake it
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.FAILED))
        second = claim(tx, owners[0])
        assert second is not None
        assert second.name == "two"


def test_a_job_whose_compute_is_gone_or_too_small_fails_and_is_passed_over(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("gone", compute="gpu"), make_job("big", instances=3), make_job("one"))
    with records.writing() as tx:
        job = claim(tx, owners[0])
        gone, big = tx.jobs.get("gone"), tx.jobs.get("big")
    assert job is not None and gone is not None and big is not None
    assert job.name == "one"
    assert gone.error is not None and big.error is not None
    assert (gone.status, gone.error.code, gone.phases["ended"]) == (JobStatus.FAILED, "ComputeGone", 110.0)
    assert (big.status, big.error.code) == (JobStatus.FAILED, "ComputeTooSmall")
    assert big.error.error_class is ErrorClass.PLATFORM


def test_held_tells_who_holds_what_and_whether_the_lease_lapsed(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"), make_job("two"), make_job("waits"))
    with records.writing() as tx:
        claim(tx, owners[0])
        claim(tx, owners[1], lease_s=-1)
    with records.reading() as tx:
        assert tx.job_leases.held() == [
            Holding("one", 1, owners[0], lapsed=False),
            Holding("two", 1, owners[1], lapsed=True),
        ]


def test_a_lease_ends_by_the_clock_of_the_database(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0], lease_s=0.05)
        assert held(tx).lapsed is False
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with records.reading() as tx:
            if held(tx).lapsed:
                return
    pytest.fail("the lease of 50 ms did not lapse within 5 s")


def test_renew_prolongs_the_lease_and_stores_owner_and_progress(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    counts = Counts(items=10, succeeded=3)
    with records.writing() as tx:
        claim(tx, owners[0], lease_s=-1)
        told = tx.job_leases.renew(
            "one", fence=1, owner=owners[1], lease_s=60, progress=Progress(counts, rate_items_s=2.5, eta_s=4.0)
        )
        assert told is Wish.GO_ON
        assert held(tx) == Holding("one", 1, owners[1], lapsed=False)
        tx.job_leases.renew("one", fence=1, owner=owners[1], lease_s=60, progress=NOTHING)
        job = tx.jobs.get("one")
    assert job is not None
    assert (job.counts, job.rate_items_s, job.eta_s) == (counts, 2.5, 4.0)


def test_renew_tells_of_a_cancel_request(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.jobs.request_cancel("one", now=1.0)
        assert tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING) is Wish.CANCEL


def test_renew_tells_of_a_pause_request_until_a_cancel_comes(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.jobs.request_pause("one", now=1.0)
        assert tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING) is Wish.PAUSE
        tx.jobs.request_cancel("one", now=2.0)
        assert tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING) is Wish.CANCEL


def test_a_pause_frees_instances_and_ends_the_lease_but_keeps_the_outputs_place(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one", path="out"), make_job("two"), cpus=1)
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.jobs.request_pause("one", now=1.0)
        change = JobChange(JobStatus.PAUSED, counts=Counts(items=3), phases={"paused": 2.0})
        paused = tx.job_leases.advance("one", fence=1, change=change)
        assert (paused.status, paused.owner, paused.pause_requested) == (JobStatus.PAUSED, None, False)
        with pytest.raises(LeaseLost):
            tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING)
        other = claim(tx, owners[0])
        assert other is not None
        assert other.name == "two"
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("three", path="out"))


def test_a_continued_job_is_claimed_with_the_next_fence_and_its_counts(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.jobs.request_pause("one", now=1.0)
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.PAUSED, counts=Counts(items=3)))
        tx.jobs.continue_paused("one", now=5.0)
        again = claim(tx, owners[1])
    assert again is not None
    assert (again.fence, again.run, again.counts.items, again.phases["queued"]) == (2, 1, 3, 5.0)


def test_taking_over_gives_the_next_fence_and_shuts_the_old_owner_out(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        go(tx, JobStatus.RUNNING)
        job = tx.job_leases.take_over("one", fence=1, owner=owners[1], lease_s=60, made_progress=True)
        assert job is not None
        assert (job.status, job.fence, job.owner) == (JobStatus.PREPARING, 2, owners[1])
        again = tx.job_leases.take_over("one", fence=1, owner=owners[0], lease_s=60, made_progress=True)
        assert again is None
    with records.writing() as tx, pytest.raises(LeaseLost, match="fence 2"):
        tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING)
    with records.writing() as tx, pytest.raises(LeaseLost, match="fence 2"):
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.RUNNING))
    with records.reading() as tx:
        assert tx.jobs.get("one") == job


@pytest.mark.parametrize("status", [JobStatus.CANCEL_REQUESTED, JobStatus.FINALIZING])
def test_taking_over_keeps_a_cancel_request_and_a_seal(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        go(tx, JobStatus.RUNNING, status)
        job = tx.job_leases.take_over("one", fence=1, owner=owners[1], lease_s=60, made_progress=False)
    assert job is not None
    assert job.status is status


def test_process_ends_count_until_one_made_progress(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    ends = []
    with records.writing() as tx:
        claim(tx, owners[0])
        ends.append(held(tx).process_ends)
        for fence, made_progress in enumerate((False, False, True, False), start=1):
            tx.job_leases.take_over("one", fence=fence, owner=owners[0], lease_s=60, made_progress=made_progress)
            ends.append(held(tx).process_ends)
    assert ends == [0, 1, 2, 0, 1]


def test_nobody_takes_over_a_job_that_is_queued_or_final(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"), make_job("two", instances=2))
    with records.writing() as tx:
        claim(tx, owners[0])
        go(tx, JobStatus.FAILED)
        for name, fence in (("one", 1), ("two", 0), ("none", 1)):
            taken = tx.job_leases.take_over(name, fence=fence, owner=owners[1], lease_s=60, made_progress=True)
            assert taken is None


def test_advance_stores_what_it_is_told_and_merges_phases(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    change = JobChange(
        JobStatus.RUNNING, counts=Counts(items=7), phases={"running": 111.0}, ledger_sha256="ab", listed_at=110.5
    )
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.job_leases.advance("one", fence=1, change=change)
        job = tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.RUNNING, phases={"x": 112.0}))
    assert (job.status, job.counts, job.ledger_sha256, job.listed_at) == (
        JobStatus.RUNNING,
        Counts(items=7),
        "ab",
        110.5,
    )
    assert job.phases == {"queued": 100.0, "preparing": 110.0, "running": 111.0, "x": 112.0}


def test_what_a_script_logged_is_kept_as_it_was_when_the_job_has_ended(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    loss = Metric(0.25, (Point(0, 1e300, 100.5), Point(1, math.inf, 101.0)), 2)
    logged = Logged({"rate": "0.5", "text": "two\nlines\0é"}, {"loss": loss}, {"team": "blue"}, left_out=3)
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        assert tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.RUNNING)).logged == Logged()
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.FAILED, logged=logged))
    with records.reading() as tx:
        job = tx.jobs.get("one")
    assert job is not None
    assert job.logged == logged


def test_a_final_state_ends_the_lease_and_frees_the_instances(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one", instances=2), make_job("two", instances=2))
    error = JobError("ScriptError", "boom", ErrorClass.SCRIPT, item="3.png", position=3)
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=Progress(None, 2.0, 3.0))
        change = JobChange(JobStatus.FAILED, error=error, phases={"ended": 120.0})
        job = tx.job_leases.advance("one", fence=1, change=change)
        assert tx.job_leases.held() == []
        assert claim(tx, owners[0]) is not None
    assert (job.status, job.error, job.owner, job.rate_items_s, job.eta_s) == (
        JobStatus.FAILED,
        error,
        None,
        None,
        None,
    )
    assert job.phases["ended"] == 120.0


def test_reaching_the_same_final_state_again_changes_nothing(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        done = tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.CANCELED, phases={"ended": 1.0}))
        again = tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.CANCELED, phases={"ended": 2.0}))
        assert again == done
        with pytest.raises(LeaseLost):
            tx.job_leases.renew("one", fence=1, owner=owners[0], lease_s=60, progress=NOTHING)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.QUEUED])
def test_an_illegal_transition_is_a_conflict(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        with pytest.raises(Conflict, match="Preparing"):
            go(tx, status)


def test_a_job_to_be_cancelled_cannot_go_on(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        claim(tx, owners[0])
        tx.jobs.request_cancel("one", now=1.0)
        for status in (JobStatus.RUNNING, JobStatus.FINALIZING):
            with pytest.raises(Conflict, match="CancelRequested"):
                go(tx, status)
        go(tx, JobStatus.CANCELED)


def test_a_queued_job_has_no_owner_that_could_advance_it(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        for name in ("one", "none"):
            with pytest.raises(LeaseLost):
                tx.job_leases.advance(name, fence=0, change=JobChange(JobStatus.FAILED))


def test_a_claim_over_a_thousand_queued_jobs_asks_the_database_no_more_than_one_over_two(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, *(make_job(f"job-{number}") for number in range(2)), cpus=4)
    few = _statements_of_a_claim(records, owners)
    add(records, *(make_job(f"more-{number}") for number in range(1000)), cpus=4)

    assert _statements_of_a_claim(records, owners) == few


def _statements_of_a_claim(records: DatabaseRecords, owners: Owners) -> int:
    """Count what a claim asks: each statement is a journey, and its rows are read in one go."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with records.writing() as tx:
            assert claim(tx, owners[0]) is not None
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(asked)
