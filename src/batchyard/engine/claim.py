"""Taking on work: the next queued job, jobs whose owner died or slept, and operations."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable

from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError, Owner
from batchyard.domain.scoring.ledger import Committed, read
from batchyard.engine.lease import LEASE_S
from batchyard.engine.result_files import write_result
from batchyard.engine.rooms import Rooms
from batchyard.ports.job_leases import Holding, JobChange
from batchyard.ports.records import Operation

log = logging.getLogger(__name__)

# Longer than any build may take: an owner of this host that died is seen at once, by its process.
OPERATION_LEASE_S = 3 * 3600.0
# A sealed job has all its rows: it waits longer for a disk that is full or a store that does not answer, about 5 min.
MOST_PUBLISHER_ENDS = 60
MOST_PROCESS_ENDS = 5  # Rule 5: that many ends without a commit between, and the job is Failed.


def claim_job(rooms: Rooms) -> Job | None:
    """Start the next queued job whose compute has its instances free, or give None."""
    with rooms.records.writing() as tx:
        job = tx.job_leases.claim_next(rooms.owner, lease_s=LEASE_S, now=rooms.now())
    if job is not None:
        log.info("job claimed", extra={"job": job.name, "fence": job.fence})
        rooms.faults.reach("claim.claimed")
    return job


def orphans(rooms: Rooms, *, is_alive: Callable[[Owner], bool | None]) -> list[Holding]:
    """Give the jobs whose owner is gone: dead on this host (at once), or with a lapsed lease anywhere.

    is_alive: whether a process still runs; None for a process of another boot, host or container.
    """
    with rooms.records.reading() as tx:
        held = tx.job_leases.held()
    return [h for h in held if h.lapsed or (h.owner is not None and is_alive(h.owner) is False)]


def take_over(rooms: Rooms, orphan: Holding) -> Job | None:
    """Become the owner of an orphan, or give None when somebody else was first, or when it ended for good."""
    made_progress = _was_stopped(rooms, orphan) or _has_commits(rooms, orphan)
    with rooms.records.writing() as tx:
        job = tx.job_leases.take_over(
            orphan.name, fence=orphan.fence, owner=rooms.owner, lease_s=LEASE_S, made_progress=made_progress
        )
    if job is None:
        return None
    log.warning("job taken over", extra={"job": job.name, "fence": job.fence, "process_ends": orphan.process_ends})
    most = MOST_PUBLISHER_ENDS if job.status is JobStatus.FINALIZING else MOST_PROCESS_ENDS
    if not made_progress and orphan.process_ends + 1 >= most:
        _give_up(rooms, job, most)
        return None
    rooms.faults.reach("claim.claimed")
    return job


def claim_operation(rooms: Rooms) -> Operation | None:
    """Take the oldest operation that waits, or give None."""
    with rooms.records.writing() as tx:
        return tx.operations.claim_next(rooms.owner, lease_s=OPERATION_LEASE_S)


def note_stop(rooms: Rooms, job: Job) -> None:
    """Note that this owner ends because it was told to: nothing of the job's is wrong, so it does not count."""
    rooms.homes.open(job.name).create(f"stopped/{job.fence}", b"")


def note_end(rooms: Rooms, job: Job, reason: str) -> None:
    """Note why this owner ends, for the message of a job that is given up in the end; a full disk may not take it."""
    try:
        rooms.homes.open(job.name).create(f"ended/{job.fence}", reason.encode("utf-8", "backslashreplace"))
    except BatchyardError as exc:
        log.warning("end not noted", extra={"job": job.name, "reason": str(exc)})


def _was_stopped(rooms: Rooms, orphan: Holding) -> bool:
    return rooms.homes.open(orphan.name).exists(f"stopped/{orphan.fence}")


def _has_commits(rooms: Rooms, orphan: Holding) -> bool:
    home, name = rooms.homes.open(orphan.name), f"ledger/{orphan.fence}.log"
    if not home.exists(name):
        return False
    with home.read(name) as stream:
        return any(isinstance(record, Committed) for record, _ in read(stream))


def _give_up(rooms: Rooms, job: Job, ends: int) -> None:
    try:
        rooms.kill_left_overs(rooms.homes.open(job.name).path("workers.jsonl"))
    except PlatformError as exc:  # They are killed all the same, and end when the kernel lets them.
        log.error("left-over processes do not die", extra={"job": job.name, "reason": str(exc)})
    error = JobError("ProcessEnded", _why_given_up(rooms, job, ends), ErrorClass.PLATFORM, log="logs/sys/job.txt")
    change = JobChange(JobStatus.FAILED, counts=job.counts, phases={"ended": rooms.now()}, error=error)
    try:
        write_result(rooms.logs_of(job.name) / "logs", change)
    except (PlatformError, OSError) as exc:  # The record is what counts.
        log.warning("result not written", extra={"job": job.name, "reason": str(exc)})
    with rooms.records.writing() as tx:
        tx.job_leases.advance(job.name, fence=job.fence, change=change)
    log.error("job given up", extra={"job": job.name})


def _why_given_up(rooms: Rooms, job: Job, ends: int) -> str:
    """Say what happened and what to do: the platform failed, no item is charged, and the job can go on."""
    home = rooms.homes.open(job.name)
    noted = sorted(home.list("ended"), key=int)
    reason = ""
    if noted:
        with home.read(f"ended/{noted[-1]}") as stream:
            reason = stream.read().decode("utf-8", "replace")
    told = f", the last time because: {reason.rstrip('.')}." if reason else "."
    remedy = "See `batchyard server logs` and logs/sys/job.txt of the job for the cause."
    if os.strerror(errno.ENOSPC) in reason:
        remedy = "Free space on the disk of the server's home (`batchyard doctor` shows how much there is)."
    return (
        f"The job's process ended {ends} times without any progress between{told} No item is charged for it. "
        f"{remedy} Then `batchyard job resume -n {job.name}` goes on where it stopped."
    )
