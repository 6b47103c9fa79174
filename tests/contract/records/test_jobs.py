"""`ports.records.Jobs`, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from batchyard.domain.computes import Compute
from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import Conflict, InvalidInput, NotFound
from batchyard.domain.job_notes import JobNotes, notes_of
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, ErrorClass, Job, JobError, Owner, RerunKind, taken_up_again
from batchyard.ports.job_leases import JobChange, Progress
from batchyard.ports.records import JobFilter, Key, Kind, Records, Transaction
from batchyard.records.database import DatabaseRecords

MakeJob = Callable[..., Job]
Owners = tuple[Owner, Owner]
NOTES = [field.name for field in fields(JobNotes)]


def add(records: Records, *jobs: Job, cpus: int = 2) -> None:
    with records.writing() as tx:
        tx.documents.save(Key(Kind.COMPUTE, "cpu"), Compute("cpu", max_instances=cpus), actor="ada", now=1.0)
        for job in jobs:
            tx.jobs.add(job)


def start(tx: Transaction, owner: Owner) -> Job:
    job = tx.job_leases.claim_next(owner, lease_s=60, now=110.0)
    assert job is not None
    return job


def end(tx: Transaction, owner: Owner, status: JobStatus) -> Job:
    job = start(tx, owner)
    return tx.job_leases.advance(job.name, fence=job.fence, change=JobChange(status, phases={"ended": 120.0}))


def test_a_job_comes_back_as_it_was_added(records: DatabaseRecords, make_job: MakeJob) -> None:
    job = replace(
        make_job("one", request_id="r"),
        counts=Counts(items=4, succeeded=1),
        error=JobError("X", "y", ErrorClass.DATA, item="a.png", position=0),
        run=2,
        display_name="One",
        description="first",
        properties={"p": "q"},
    )
    add(records, job)
    with records.reading() as tx:
        assert tx.jobs.get("one") == job
        assert tx.jobs.get("two") is None


def test_a_name_is_taken_once_and_the_message_names_it(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one"))
    with pytest.raises(Conflict, match=r"'one'.*Queued"):
        add(records, make_job("one", path="elsewhere"))


def test_a_request_id_makes_one_job_on_an_endpoint(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one", request_id="r"))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("two", request_id="r"))
    add(records, make_job("three", request_id="r", endpoint="letters"), make_job("four"), make_job("five"))
    with records.reading() as tx:
        found = tx.jobs.by_request("digits", "r")
        assert found is not None
        assert found.name == "one"
        assert tx.jobs.by_request("digits", "other") is None


def test_an_output_is_reserved_and_the_message_names_the_holder(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one", path="out/x"))
    with pytest.raises(Conflict, match=r"reserved by job 'one', which is Queued"):
        add(records, make_job("two", path="out/x"))


@pytest.mark.parametrize("path", ["out/x/", "out//x", "./out/x"])
def test_an_output_is_the_same_however_its_slashes_are_written(
    records: DatabaseRecords, make_job: MakeJob, path: str
) -> None:
    add(records, make_job("one", path="out/x"))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("two", path=path))


@pytest.mark.parametrize(("first", "second"), [(False, False), (False, True), (True, False)])
def test_a_folder_published_whole_is_reserved_for_all_file_names(
    records: DatabaseRecords, make_job: MakeJob, first: bool, second: bool
) -> None:
    add(records, make_job("one", path="out", file_name="a.csv", into_existing=first))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("two", path="out", file_name="b.csv", into_existing=second))


def test_two_files_of_one_existing_folder_are_two_outputs(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one", path="out", file_name="a.csv", into_existing=True))
    add(records, make_job("two", path="out", file_name="b.csv", into_existing=True))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("three", path="out", file_name="a.csv", into_existing=True))


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_final_job_gives_its_output_back(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    add(records, make_job("one", path="out"))
    with records.writing() as tx:
        end(tx, owners[0], status)
    add(records, make_job("two", path="out"))


def test_a_refused_job_leaves_nothing_behind(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one", path="out"))
    with pytest.raises(Conflict):
        add(records, make_job("two"), make_job("three", path="out"))
    with records.reading() as tx:
        assert tx.jobs.get("two") is None


def test_a_queued_job_tells_why_it_waits(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one", instances=2), make_job("two"), make_job("three"))
    with records.writing() as tx:
        start(tx, owners[0])
    with records.reading() as tx:
        running, waiting, behind = (tx.jobs.get(name) for name in ("one", "two", "three"))
    assert running is not None and waiting is not None and behind is not None
    assert running.queue_reason == ""
    assert "1 of 2 instances asked for, 0 free" in waiting.queue_reason
    assert "behind job 'two'" in behind.queue_reason


def test_a_list_tells_why_each_queued_job_waits(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one", instances=2), make_job("two"), make_job("three"))
    with records.writing() as tx:
        start(tx, owners[0])
    with records.reading() as tx:
        listed = {job.name: job.queue_reason for job in tx.jobs.list(JobFilter()).items}
        alone = tx.jobs.list(JobFilter(statuses=frozenset({JobStatus.QUEUED})), limit=1).items
    assert listed["one"] == ""
    assert "1 of 2 instances asked for, 0 free" in listed["two"]
    assert "behind job 'two'" in listed["three"]
    assert [job.queue_reason for job in alone] == [listed["three"]]


def test_jobs_are_listed_newest_first_and_by_filter(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(
        records,
        make_job("one"),
        make_job("two", deployment="green"),
        make_job("three", endpoint="letters"),
    )
    with records.writing() as tx:
        start(tx, owners[0])

    def names(which: JobFilter) -> list[str]:
        with records.reading() as tx:
            return [job.name for job in tx.jobs.list(which).items]

    assert names(JobFilter()) == ["three", "two", "one"]
    assert names(JobFilter(endpoint="digits")) == ["two", "one"]
    assert names(JobFilter(endpoint="digits", deployment="green")) == ["two"]
    assert names(JobFilter(statuses=frozenset({JobStatus.PREPARING, JobStatus.FAILED}))) == ["one"]
    assert names(JobFilter(statuses=frozenset({JobStatus.PREPARING, JobStatus.QUEUED}))) == ["three", "two", "one"]


def test_pages_of_jobs_cover_the_list_once_while_jobs_are_added(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, *(make_job(str(number)) for number in range(5)))
    with records.writing() as tx:
        first = tx.jobs.list(JobFilter(), limit=2)
        tx.jobs.add(make_job("late"))
        second = tx.jobs.list(JobFilter(), limit=2, token=first.next_token)
        third = tx.jobs.list(JobFilter(), limit=2, token=second.next_token)
    assert [job.name for page in (first, second, third) for job in page.items] == ["4", "3", "2", "1", "0"]
    assert third.next_token is None


def test_a_malformed_job_token_is_invalid_input(records: DatabaseRecords) -> None:
    with records.reading() as tx, pytest.raises(InvalidInput, match="token"):
        tx.jobs.list(JobFilter(), token="x")


def test_cancelling_a_queued_job_ends_it_at_once(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one", path="out"))
    with records.writing() as tx:
        job = tx.jobs.request_cancel("one", now=130.0)
        assert tx.jobs.request_cancel("one", now=140.0) == job
        assert tx.job_leases.claim_next(owners[0], lease_s=60, now=150.0) is None
    assert (job.status, job.cancel_requested) == (JobStatus.CANCELED, True)
    assert job.phases == {"queued": 100.0, "ended": 130.0}
    add(records, make_job("two", path="out"))


@pytest.mark.parametrize("running", [False, True])
def test_cancelling_a_held_job_asks_it_to_end(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, running: bool
) -> None:
    add(records, make_job("one", path="out"))
    with records.writing() as tx:
        start(tx, owners[0])
        if running:
            tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.RUNNING))
        job = tx.jobs.request_cancel("one", now=130.0)
        assert tx.jobs.request_cancel("one", now=140.0) == job
    assert (job.status, job.cancel_requested, job.owner) == (JobStatus.CANCEL_REQUESTED, True, owners[0])
    with pytest.raises(Conflict, match="CancelRequested"):
        add(records, make_job("two", path="out"))


def test_a_sealed_job_cannot_be_cancelled(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        start(tx, owners[0])
        for status in (JobStatus.RUNNING, JobStatus.FINALIZING):
            tx.job_leases.advance("one", fence=1, change=JobChange(status))
        with pytest.raises(Conflict, match="being published"):
            tx.jobs.request_cancel("one", now=130.0)
        tx.job_leases.advance("one", fence=1, change=JobChange(JobStatus.COMPLETED))
        with pytest.raises(Conflict, match="Completed"):
            tx.jobs.request_cancel("one", now=130.0)


def test_cancelling_a_missing_job_names_near_ones(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("digits-1"))
    with records.writing() as tx, pytest.raises(NotFound, match="'digits-1'"):
        tx.jobs.request_cancel("digits-2", now=1.0)


def ended(records: Records, owner: Owner, job: Job, status: JobStatus) -> Job:
    """Give a job as it is stored once it has ended."""
    add(records, job)
    with records.writing() as tx:
        return end(tx, owner, status)


def again(job: Job) -> Job:
    overrides = Overrides(error_threshold=3, instance_count=2)
    return taken_up_again(job, RerunKind.RESUME, asked_by="ada", now=200.0, overrides=overrides)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_job_that_is_taken_up_again_is_queued_and_claimed_with_the_next_fence(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    before = ended(records, owners[0], make_job("one"), status)
    with records.writing() as tx:
        tx.jobs.take_up_again(again(before))
    with records.reading() as tx:
        assert tx.jobs.get("one") == again(before)
    with records.writing() as tx:
        claimed = start(tx, owners[1])
    assert (claimed.fence, claimed.run, claimed.spec) == (before.fence + 1, 2, before.spec)
    assert claimed.settings.error_threshold == 3


def test_its_new_instance_count_is_what_it_waits_for(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    before = ended(records, owners[0], make_job("one"), JobStatus.FAILED)
    add(records, make_job("two"))
    with records.writing() as tx:
        start(tx, owners[0])
        tx.jobs.take_up_again(again(before))
    with records.reading() as tx:
        waiting = tx.jobs.get("one")
    assert waiting is not None
    assert "2 of 2 instances asked for, 1 free" in waiting.queue_reason


def test_it_reserves_its_output_again(records: DatabaseRecords, make_job: MakeJob, owners: Owners) -> None:
    before = ended(records, owners[0], make_job("one", path="out"), JobStatus.FAILED)
    with records.writing() as tx:
        tx.jobs.take_up_again(again(before))
    with pytest.raises(Conflict, match="'one'"):
        add(records, make_job("two", path="out"))


def test_an_output_that_another_job_holds_is_not_reserved_twice(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    before = ended(records, owners[0], make_job("one", path="out"), JobStatus.FAILED)
    add(records, make_job("two", path="out"))
    with pytest.raises(Conflict, match="'two'"), records.writing() as tx:
        tx.jobs.take_up_again(again(before))
    with records.reading() as tx:
        assert tx.jobs.get("one") == before


def test_only_the_end_of_the_run_before_is_taken_up(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    before = ended(records, owners[0], make_job("one"), JobStatus.FAILED)
    with records.writing() as tx:
        tx.jobs.take_up_again(again(before))
    with pytest.raises(Conflict), records.writing() as tx:
        tx.jobs.take_up_again(again(before))
    with pytest.raises(NotFound), records.writing() as tx:
        tx.jobs.take_up_again(again(make_job("none")))


def test_pausing_a_queued_job_is_immediate_and_again_without_effect(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        paused = tx.jobs.request_pause("one", now=1.0)
        assert (paused.status, paused.phases["paused"]) == (JobStatus.PAUSED, 1.0)
        assert tx.jobs.request_pause("one", now=2.0) == paused
        assert tx.job_leases.claim_next(owners[0], lease_s=60, now=3.0) is None
        assert tx.jobs.continue_paused("one", now=4.0).status is JobStatus.QUEUED


def test_a_paused_job_is_cancelled_at_once(records: DatabaseRecords, make_job: MakeJob) -> None:
    add(records, make_job("one", path="out"))
    with records.writing() as tx:
        tx.jobs.request_pause("one", now=1.0)
        assert tx.jobs.request_cancel("one", now=2.0).status is JobStatus.CANCELED
    add(records, make_job("two", path="out"))


def test_a_job_that_is_about_to_pause_cannot_be_continued_yet(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        start(tx, owners[0])
        asked = tx.jobs.request_pause("one", now=1.0)
        assert (asked.status, asked.pause_requested) == (JobStatus.PREPARING, True)
    with pytest.raises(Conflict, match="about to pause"), records.writing() as tx:
        tx.jobs.continue_paused("one", now=2.0)


@pytest.mark.parametrize("status", [JobStatus.FINALIZING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED])
def test_a_sealed_or_final_job_is_neither_paused_nor_continued(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    add(records, make_job("one"))
    with records.writing() as tx:
        job = start(tx, owners[0])
        for step in (JobStatus.FINALIZING, status) if status is JobStatus.COMPLETED else (status,):
            tx.job_leases.advance("one", fence=job.fence, change=JobChange(step))
    for refused in ("request_pause", "continue_paused"):
        with pytest.raises(Conflict, match=status.value), records.writing() as tx:
            getattr(tx.jobs, refused)("one", now=1.0)


def completed(records: Records, owner: Owner, job: Job, counts: Counts) -> Job:
    """Give a job as it is stored once it has published with failed items."""
    add(records, job)
    with records.writing() as tx:
        claimed = start(tx, owner)
        sealed = JobChange(JobStatus.FINALIZING, counts=counts, ledger_sha256="ab")
        tx.job_leases.advance(job.name, fence=claimed.fence, change=sealed)
        done = JobChange(JobStatus.COMPLETED, phases={"ended": 120.0}, generation=1)
        return tx.job_leases.advance(job.name, fence=claimed.fence, change=done)


def retried(job: Job) -> Job:
    return taken_up_again(job, RerunKind.RETRY_FAILED, asked_by="ada", now=200.0)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELED])
def test_a_retry_that_comes_to_nothing_leaves_a_completed_job_as_it_was_and_tells(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners, status: JobStatus
) -> None:
    before = completed(records, owners[0], make_job("one"), Counts(items=4, succeeded=3, failed=1))
    assert before.generation == 1
    error = JobError("ScriptStartFailed", "no", ErrorClass.SCRIPT)
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(before))
        job = start(tx, owners[1])
        change = JobChange(status, counts=Counts(items=4, succeeded=3), phases={"ended": 300.0}, error=error)
        after = tx.job_leases.advance("one", fence=job.fence, change=change)
    (rerun,) = after.reruns
    assert rerun.undone is not None
    assert (rerun.undone.status, rerun.undone.error, rerun.undone.phases["ended"]) == (status, error, 300.0)
    assert replace(after, reruns=(), fence=before.fence, run=1) == before
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(after))


def test_a_retry_that_completes_counts_the_generation_and_one_of_a_failed_job_can_fail(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    before = completed(records, owners[0], make_job("one"), Counts(items=4, succeeded=3, failed=1))
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(before))
        job = start(tx, owners[1])
        tx.job_leases.advance("one", fence=job.fence, change=JobChange(JobStatus.FINALIZING, ledger_sha256="cd"))
        done = JobChange(JobStatus.COMPLETED, counts=Counts(items=4, succeeded=4), generation=2)
        after = tx.job_leases.advance("one", fence=job.fence, change=done)
    assert (after.generation, after.counts.succeeded, after.reruns[0].undone) == (2, 4, None)
    failed = ended(records, owners[0], make_job("two"), JobStatus.FAILED)
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(failed))
        again = end(tx, owners[1], JobStatus.FAILED)
    assert (again.status, again.reruns[0].undone) == (JobStatus.FAILED, None)


def test_a_retry_that_is_cancelled_while_it_is_queued_or_cannot_start_is_undone_too(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    counts = Counts(items=4, succeeded=3, failed=1)
    before = completed(records, owners[0], make_job("one"), counts)
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(before))
        after = tx.jobs.request_cancel("one", now=210.0)
    assert (after.status, after.cancel_requested, after.counts) == (JobStatus.COMPLETED, False, counts)
    with records.writing() as tx:
        tx.jobs.take_up_again(retried(after))
        tx.documents.delete(Key(Kind.COMPUTE, "cpu"))
        assert tx.job_leases.claim_next(owners[0], lease_s=60, now=220.0) is None
        gone = tx.jobs.get("one")
    assert gone is not None
    assert gone.status is JobStatus.COMPLETED
    assert gone.reruns[-1].undone is not None
    assert gone.reruns[-1].undone.error is not None
    assert gone.reruns[-1].undone.error.code == "ComputeGone"


def test_notes_are_replaced_and_nothing_else_of_a_job(
    records: DatabaseRecords, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("one"), make_job("two"))
    with records.writing() as tx:
        running = start(tx, owners[0])
        before = tx.jobs.get("one")
        notes = JobNotes("Õne", "two\nlines", {"team": "y"}, {"p": "q"}, is_archived=True)
        after = tx.jobs.annotate("one", notes)
    assert before is not None
    assert notes_of(after) == notes
    assert replace(before, **{name: getattr(after, name) for name in NOTES}) == after
    with records.writing() as tx:
        tx.job_leases.renew("one", fence=running.fence, owner=owners[0], lease_s=60, progress=Progress())
        assert tx.jobs.get("one") == after
        two = tx.jobs.get("two")
    assert two is not None
    assert notes_of(two) == JobNotes(tags={"team": "x"})
    with pytest.raises(NotFound, match="'three'"), records.writing() as tx:
        tx.jobs.annotate("three", notes)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (JobFilter(compute="gpu"), ["three"]),
        (JobFilter(created_from=200.0), ["three", "two"]),
        (JobFilter(created_before=200.0), ["one"]),
        (JobFilter(created_from=150.0, created_before=300.0), ["two"]),
        (JobFilter(is_archived=False), ["three", "one"]),
        (JobFilter(is_archived=True), ["two"]),
        (JobFilter(compute="cpu", created_from=200.0, is_archived=False), []),
    ],
)
def test_jobs_are_found_by_compute_time_and_whether_they_are_archived(
    records: DatabaseRecords, make_job: MakeJob, which: JobFilter, expected: list[str]
) -> None:
    two = replace(make_job("two", created_at=200.0), is_archived=True)
    add(records, make_job("one"), two, make_job("three", compute="gpu", created_at=300.0))
    with records.reading() as tx:
        assert [job.name for job in tx.jobs.list(which).items] == expected


@pytest.mark.parametrize(
    ("tags", "wanted", "is_found"),
    [
        ({"team": "x"}, [("team", "x")], True),
        ({"a": "b", "team": "x", "z": ""}, [("team", "x")], True),
        ({"a": "b", "team": "x", "z": ""}, [("team", None), ("z", "")], True),
        ({"team": "x"}, [("team", "x"), ("a", None)], False),
        ({"team": "xy"}, [("team", "x")], False),
        ({"Team": "x"}, [("team", "x")], False),
        ({"team": "X"}, [("team", "x")], False),
        ({'a"team': "x"}, [("team", "x")], False),
        ({'a,"team': "x"}, [("team", "x")], False),
        ({'{"team': "x"}, [("team", "x")], False),
        ({"a": ',"team":"x"'}, [("team", "x")], False),
        ({"a": "team"}, [("team", None)], False),
        ({"te%m": "x"}, [("te%m", "x")], True),
        ({"team": "x"}, [("te%m", "x"), ("t__m", None)], False),
        ({"tëam\\": 'x"\\'}, [("tëam\\", 'x"\\')], True),
    ],
)
def test_jobs_are_found_by_their_tags_to_the_letter(
    records: DatabaseRecords,
    make_job: MakeJob,
    tags: dict[str, str],
    wanted: list[tuple[str, str | None]],
    is_found: bool,
) -> None:
    add(records, replace(make_job("one"), tags=tags))
    with records.reading() as tx:
        found = tx.jobs.list(JobFilter(tags=tuple(wanted))).items
    assert [job.name for job in found] == (["one"] if is_found else [])


def test_the_newest_job_of_a_step_key_that_has_completed_is_found(
    records: Records, make_job: MakeJob, owners: Owners
) -> None:
    add(records, make_job("a"), make_job("b"), make_job("c"), cpus=8)
    with records.writing() as tx:
        for status in (JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.FAILED):
            job = start(tx, owners[0])
            for step in (JobStatus.FINALIZING, status):
                change = JobChange(step, step_key="key", reused_from="first")
                tx.job_leases.advance(job.name, fence=job.fence, change=change)
    with records.reading() as tx:
        found, other = tx.jobs.by_step_key("key"), tx.jobs.by_step_key("other")
    assert found is not None
    assert (found.name, found.step_key, found.reused_from, other) == ("b", "key", "first", None)
